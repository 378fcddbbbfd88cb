"""Metrics, tables and pictures of what a network reconstructs."""
