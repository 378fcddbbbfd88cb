"""Fits of the quality model's parts: movement, and the tracker of the heart rate."""
