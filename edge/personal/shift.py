"""Shifts the times of the ECG by a person's delay."""

from __future__ import annotations

from dataclasses import replace

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import EcgBlock


def shift_ecg(ecg: EcgBlock, delay_s: float) -> EcgBlock:
    """Return the block with its samples and R peaks earlier by `delay_s`.

    The window that it comes with has the times of the radar, so it is later among the samples of the ECG.
    """
    return replace(
        ecg,
        t_ns=ecg.t_ns - round(delay_s * 1e9),
        window_end=ecg.window_end + round(delay_s * RCG_RATE_HZ),
        personalised=True,
    )
