"""What the demo showed, in three sentences, and the commands to try next."""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path

from edge.demo.subscriber import LiveState


def describe_demo(state: LiveState) -> list[str]:
    """Return three sentences, for a reader who saw the view."""
    return [_undisturbed(state), _disturbed(state), _ecg(state)]


def next_commands(chirp_file: Path) -> list[str]:
    """Return two commands: the same simulated person again, and a recording of it, in another terminal."""
    program = Path(sys.argv[0])
    name = os.path.relpath(program) if program.name == "radarecg" else "radarecg"
    cfg = os.path.relpath(chirp_file)
    return [
        f"  {name} twin --cfg {cfg} --scene tour",
        f"  {name} record tour --cfg {cfg} --seconds 80    # meanwhile, in another terminal",
    ]


def _undisturbed(state: LiveState) -> str:
    seconds, published = state.seconds["sits still"], state.published["sits still"]
    if not state.errors_bpm:
        return "No heart rate was published yet: it needs about ten seconds without movement."
    error_bpm = sum(state.errors_bpm) / len(state.errors_bpm)
    return (
        f"While the person sat still ({seconds} s), a heart rate was published in {published} s, on average "
        f"{error_bpm:.1f} per minute from the true one; the first seconds, and those after a movement, are needed to "
        "measure it."
    )


def _disturbed(state: LiveState) -> str:
    seconds, published = (counts["moves"] + counts["is away"] for counts in (state.seconds, state.published))
    if not seconds:
        return "The person neither moved nor left; when that happens, no heart rate is published."
    how_many = f"was published in {published} s only" if published else "was published"
    return (
        f"While the person moved or was away ({seconds} s), {'a' if published else 'no'} heart rate {how_many}: an "
        "uncertain one is null, and the last one is never repeated."
    )


def _ecg(state: LiveState) -> str:
    if state.ecg_pcc is None or not state.r_errors_ms:
        return "No ECG was reconstructed yet: it begins about 15 s after the start."
    return (
        f"The ECG was reconstructed from the radar alone: its shape correlates with the true one at "
        f"{state.ecg_pcc:.2f}, and its R peaks are {statistics.median(state.r_errors_ms):.0f} ms off (median)."
    )
