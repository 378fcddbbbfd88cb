"""Statistics of simulated and real recordings, side by side."""
