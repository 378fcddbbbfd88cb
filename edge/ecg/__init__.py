"""Network outputs to a long-term ECG."""
