"""Simulates a session with raw radar frames of the twin, processed by the device's own front end.

It takes some sixty times as long as `trial`, and validates the results of that fast simulation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Float64, RadarFrame, RcgBlock
from edge.dsp.frontend.phase import SecondDerivative
from edge.dsp.frontend.rcg import RcgExtractor
from edge.radar.chirp import ChirpConfig
from edge.twin.fmcw import Fmcw
from train.simulation.session import Session

_FRAMES_AT_ONCE = 20


@dataclass(frozen=True)
class FrontEndOutput:
    """RCG [P, n] of a session at times t_s [n]: the longest stretch without a restart."""

    rcg_mm_s2: Float64
    t_s: Float64


def through_frames(session: Session, chirp: ChirpConfig, seconds: float) -> FrontEndOutput:
    """Simulate the first `seconds` of the session. Raises ValueError if no chest is found in them."""
    radar = Fmcw(chirp, session.scene, int(np.random.default_rng((*session.seed, 1)).integers(2**32)))
    extractor = RcgExtractor(chirp)
    stretches: list[list[RcgBlock]] = []
    for first in range(0, round(seconds * chirp.frame_rate_hz), _FRAMES_AT_ONCE):
        for number, iq in enumerate(radar.frames(first, _FRAMES_AT_ONCE), first):
            t_ns = round(number * chirp.frame_period_s * 1e9)
            if block := extractor.push(RadarFrame(number, t_ns, iq, complete=True)):
                if block.restarted:
                    stretches.append([])
                stretches[-1].append(block)
    if not stretches:
        raise ValueError(f"no chest found in {seconds:g} s of subject {session.subject.name}")
    longest = max(stretches, key=len)
    rcg = np.concatenate([block.rcg_mm_s2 for block in longest], axis=1)
    return FrontEndOutput(
        rcg, longest[-1].t_ns * 1e-9 - (np.arange(rcg.shape[1])[::-1] + SecondDerivative.DELAY) / RCG_RATE_HZ
    )
