"""Argument types for argparse: each converts text to a checked value or raises ArgumentTypeError with the reason."""

from __future__ import annotations

import argparse


def positive(text: str) -> float:
    """Return a finite number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be a finite number above 0")
    return value


def count(text: str) -> int:
    """Return a whole number above 0."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} must be 1 or more")
    return value


def port(text: str) -> int:
    """Return a port number."""
    if not 1 <= (value := int(text)) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port number from 1 to 65535")
    return value


def heart_rate(text: str) -> float:
    """Return a plausible heart rate in beats per minute."""
    if not 20 <= (value := float(text)) <= 300:
        raise argparse.ArgumentTypeError(f"{text} is not a heart rate from 20 to 300 beats per minute")
    return value
