"""Reproduces the tables and figures of the paper with one command each."""
