"""Recordings with an ECG beside them, from files to windows with labels."""
