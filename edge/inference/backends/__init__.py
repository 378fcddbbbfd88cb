"""Backends that run a network: `base` defines the interface, the other modules implement it for one runtime each."""
