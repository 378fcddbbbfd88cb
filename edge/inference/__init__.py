"""Neural network inference: bundles, their signatures, and the backends that run them."""
