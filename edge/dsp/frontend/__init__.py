"""Radar frames to RCG: chest, beamforming, points, phase."""
