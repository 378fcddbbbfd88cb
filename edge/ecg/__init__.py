"""ECG reconstruction: RCG to network windows, and network outputs to a continuous ECG."""
