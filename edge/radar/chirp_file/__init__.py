"""Chirp files: parsing, limits, and what the radar's command line accepts."""
