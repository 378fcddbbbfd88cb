"""The networks that the paper compares radarODE-MTL with; each computes the ECG of a whole recording.

A comparator is trained and evaluated with the commands of the other networks: `model = "mmecg"` in a settings file.
"""

from __future__ import annotations

from train.comparators.training import COMPARATORS, is_comparator, load_comparator, train_comparator

__all__ = ["COMPARATORS", "is_comparator", "load_comparator", "train_comparator"]
