"""Argument types for argparse: each converts text to a checked value or raises ArgumentTypeError with the reason."""

from __future__ import annotations

import argparse
from typing import Literal

from edge.core.clock import unix_time_s


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


def unix_time(text: str) -> float:
    """Return a time in Unix seconds, from Unix seconds or ISO 8601 with a time zone."""
    try:
        return positive(text)
    except ValueError:
        pass
    try:
        return unix_time_s(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; must be Unix seconds, or a date and time") from error


def moment(text: str) -> float | Literal["recording"]:
    """Return a time in Unix seconds, from Unix seconds or ISO 8601 with a time zone; the word "recording" as it is."""
    return "recording" if text == "recording" else unix_time(text)
