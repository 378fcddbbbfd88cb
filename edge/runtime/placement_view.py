"""Text of a placement for a terminal: advice, motion at each distance as bars, and the breathing trace."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.web.messages import PlacementMessage

MAX_DB = 60.0
MIN_BREATHING_MM = 2.0  # less is drawn smaller than the whole height
_LEVELS = " ▁▂▃▄▅▆▇█"
_ROOM_LINES = 7  # all lines but the bars


def placement_lines(placement: PlacementMessage, width: int, height: int) -> list[str]:
    """Return at most `height` lines of at most `width` characters; bars are merged to fit, lines dropped last."""
    chest_m, contrast_db = placement.chest_range_m, placement.contrast_db
    chest = "no chest" if chest_m is None else f"chest {chest_m:.2f} m away"
    contrast = "" if contrast_db is None else f", {contrast_db:.0f} dB above the room"
    lines = [
        placement.advice,
        f"{chest}{contrast}",
        "Motion at each distance:",
        *_bars(placement, width, max(1, height - _ROOM_LINES)),
        "Breathing, 10 s; up is towards the radar:",
        _trace(placement.breathing_mm, width - 2),
        "",
        "q ends",
    ]
    return [line[:width] for line in lines[:height]]


def _bars(placement: PlacementMessage, width: int, rows: int) -> list[str]:
    """Return a bar for each stretch of distance: the strongest motion in it, with an arrow at the chest."""
    bins = np.array_split(np.arange(len(placement.range_m)), min(rows, len(placement.range_m)) or 1)
    power_db, columns = np.array(placement.power_db), width - 24
    lines = []
    for k, part in enumerate(part for part in bins if len(part)):
        strongest_db = float(power_db[part].max())
        first_m = placement.range_m[part[0]]
        end_m = placement.range_m[bins[k + 1][0]] if k + 1 < len(bins) else float("inf")
        is_chest = placement.chest_range_m is not None and first_m <= placement.chest_range_m < end_m
        bar = "█" * round(min(max(strongest_db / MAX_DB, 0), 1) * columns)
        lines.append(f"{first_m:5.2f} m {bar:<{columns}} {strongest_db:3.0f} dB{' <- chest' if is_chest else ''}")
    return lines


def _trace(breathing_mm: Sequence[float], columns: int) -> str:
    if len(breathing_mm) < 2:
        return ""
    values = np.array(breathing_mm)
    shown = np.interp(np.linspace(0, len(values) - 1, min(columns, len(values))), np.arange(len(values)), values)
    span = max(float(np.ptp(values)), MIN_BREATHING_MM)
    steps = np.clip((shown - values.min()) / span * (len(_LEVELS) - 2), 0, len(_LEVELS) - 2)
    return "".join(_LEVELS[1 + round(step)] for step in steps.tolist())
