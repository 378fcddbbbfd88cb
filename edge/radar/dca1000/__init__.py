"""The capture card: its control port and its data packets."""
