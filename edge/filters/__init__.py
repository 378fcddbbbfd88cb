"""Filters of sampled signals: Butterworth designs, second-order sections (compiled), smoothing, peaks.

SciPy has all of these, but it is not in a device's image: it is large, and importing `scipy.signal` costs 75 MB of
memory and a second of the start.
"""
