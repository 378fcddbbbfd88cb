"""Vitals and pieces of ECG as the chain gives them, one a second, and histories that contain them."""

import numpy as np

from edge.core.types import EcgBlock, EcgEstimate, FrameCount, Quality, Rhythm, TaskOutputs, Vitals
from edge.history.records import Second, ecg_piece
from edge.history.store import HistoryStore

NOON = 1_795_867_200  # 2026-11-28, 12:00 UTC: the start of an hour
OUTPUTS = TaskOutputs(np.zeros(200), np.full(800, 1 / 800), np.full(260, 1 / 260))


def vitals(second: int, bpm: float | None = 60.0, flags=(), state=None, **fields) -> Vitals:
    """Of the middle of a second; without a rate, of a moving person."""
    if bpm is None:
        return Vitals(
            second * 10**9 + 500_000_000,
            None,
            None,
            None,
            Quality(state or "unusable", 0.1, flags or ("body_movement",)),
            movement=fields.get("movement", "extensive"),
        )
    return Vitals(
        t_ns=second * 10**9 + 500_000_000,
        heart_rate_bpm=bpm,
        breathing_rate_bpm=fields.get("breathing", 15.0),
        chest_range_m=0.5,
        quality=Quality(state or "good", 0.9, flags),
        frames=FrameCount(20, 0),
        ci95_bpm=(bpm - 2, bpm + 3),
        n_beats=10,
        rhythm=Rhythm(30.0, 40.0, fields.get("irregular", False)),
    )


def ecg_block(second: float, n: int = 200, continues=True) -> EcgBlock:
    """A ramp of thousandths, the first five samples unknown, with an R peak at a quarter of a second."""
    estimate = EcgEstimate(400, np.arange(n) / 1000, np.arange(n) >= 5, np.array([450.25]), np.ones(1))
    return EcgBlock(round(second * 10**9), 7400, estimate, continues, OUTPUTS)


def fill(path, start: int, seconds: int, ecg=False, each=vitals) -> None:
    """Store these seconds with an open and a closed store."""
    store = HistoryStore(path)
    store.write(
        [Second(start + k, each(start + k)) for k in range(seconds)],
        [],
        [ecg_piece(ecg_block(start + k)) for k in range(seconds)] if ecg else [],
    )
    store.close()
