"""Filters of sampled signals: Butterworth designs, second-order sections (compiled), smoothing.

SciPy has all of these, but importing `scipy.signal` costs a device 75 MB of memory and a second of its start.
"""
