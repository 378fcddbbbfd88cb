"""Metrics, tables and pictures of reconstructed ECGs."""
