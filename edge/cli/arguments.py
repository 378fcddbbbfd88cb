"""Types of command line arguments: text to a checked value, or ArgumentTypeError with the reason."""

from __future__ import annotations

import argparse


def positive(text: str) -> float:
    """A finite number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def count(text: str) -> int:
    """A whole number above 0."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than one")
    return value


def port(text: str) -> int:
    """A port number."""
    if not 1 <= (value := int(text)) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port, 1 to 65535")
    return value


def heart_rate(text: str) -> float:
    """Beats per minute that a heart can have."""
    if not 20 <= (value := float(text)) <= 300:
        raise argparse.ArgumentTypeError(f"{text} is not a heart rate, 20 to 300")
    return value
