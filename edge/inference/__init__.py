"""The network: bundle, signature, backends."""
