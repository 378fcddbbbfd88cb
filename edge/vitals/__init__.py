"""Heart rate, breathing rate, movement, and the quality of the results."""
