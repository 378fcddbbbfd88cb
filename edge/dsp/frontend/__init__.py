"""From radar frames to RCG: chest search, beamforming, point selection, phase."""
