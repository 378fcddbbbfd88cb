"""The radar board: its serial command line."""
