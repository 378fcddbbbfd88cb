"""The CUDA twins of stages whose work an embedded GPU does better, and what launches them."""
