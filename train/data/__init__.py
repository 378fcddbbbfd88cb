"""Recordings with a reference ECG: readers, labels, splits, augmentation and cached spectrograms."""
