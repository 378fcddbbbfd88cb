"""The radar and its capture card: chirp file, bytes to IQ, data packets."""
