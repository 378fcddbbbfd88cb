"""Simulates scenarios: people undisturbed, moving, leaving, with a weak echo, or with packet loss.

Yields radar frames with the ground truth, for fitting (`train.fit_quality`) and measuring (`bench/quality.py`) quality.
The people are those of `train.simulate`, each with a random status.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from edge.core.spec import BLOCK_S, RCG_RATE_HZ, WINDOW_S
from edge.core.types import Bool, Chest, Float64, RadarFrame, RcgBlock
from edge.pipeline import Pipeline
from edge.radar.chirp import ChirpConfig
from edge.twin.body import Movement
from edge.twin.fmcw import Fmcw
from edge.twin.scene import Absence
from train.simulation import ranges
from train.simulation.ranges import Range
from train.simulation.session import Session, draw_session
from train.simulation.subject import draw_subject

KINDS = ("undisturbed", "mild", "extensive", "leaving", "weak", "loss", "heavy loss")
SECONDS = 60.0
FIRST_S, SECOND_S = (18.0, 24.0), (42.0, 48.0)  # intervals in which a movement starts
LEAVES_S, RETURNS_S = (20.0, 24.0), (34.0, 38.0)
NOISE_COUNTS = (40.0, 200.0)  # mask the heart's motion
PACKET_LOSS = {"loss": 0.01, "heavy loss": 0.04}
PACKETS, GAP_FRAMES = 9, 20  # packets per frame; one gap in the middle
_FRAMES_AT_ONCE = 20


@dataclass(frozen=True)
class Scenario:
    """SECONDS of a person: `session` with the ground truth, and which frames [n] are lost."""

    kind: str
    session: Session
    lost: Bool

    def moving(self, t_s: Float64) -> Bool:
        """Return at which of the times [n] the person moves."""
        return self.session.scene.body.moving(t_s)

    def absent(self, t_s: float) -> bool:
        """Return whether the person is absent."""
        return any(absence.start_s <= t_s < absence.end_s for absence in self.session.scene.absences)


def draw_scenario(kind: str, seed: int, number: int, chirp: ChirpConfig) -> Scenario:
    """Draw the scenario `kind` of person `number` of `seed`; reproducible."""
    rng = np.random.default_rng((seed, number, KINDS.index(kind)))
    session = draw_session(draw_subject(seed, number), 1, SECONDS)
    scene, movements = session.scene, []
    if kind in ("mild", "extensive"):
        size, length = (ranges.MILD_MM, ranges.MILD_S) if kind == "mild" else (ranges.EXTENSIVE_MM, ranges.EXTENSIVE_S)
        movements = [part for when in (FIRST_S, SECOND_S) for part in _movement(rng, rng.uniform(*when), size, length)]
    scene = replace(scene, body=replace(scene.body, movements=tuple(movements)))
    if kind == "leaving":
        scene = replace(scene, absences=(Absence(rng.uniform(*LEAVES_S), rng.uniform(*RETURNS_S)),))
    if kind == "weak":
        scene = replace(scene, noise_counts=rng.uniform(*NOISE_COUNTS))
    lost = np.zeros(round(SECONDS * chirp.frame_rate_hz), bool)
    if kind in PACKET_LOSS:
        lost = rng.random(len(lost)) > (1 - PACKET_LOSS[kind]) ** PACKETS
        lost[len(lost) // 2 :][:GAP_FRAMES] = True
    return Scenario(kind, replace(session, scene=scene, slips=()), lost)


def frames(scenario: Scenario, chirp: ChirpConfig) -> Iterator[RadarFrame]:
    """Yield the frames that the radar sends; time 0 is that of the scene."""
    session = scenario.session
    radar = Fmcw(chirp, session.scene, int(np.random.default_rng((*session.seed, 1)).integers(2**32)))
    for first in range(0, len(scenario.lost), _FRAMES_AT_ONCE):
        for seq, iq in enumerate(radar.frames(first, _FRAMES_AT_ONCE), first):
            yield RadarFrame(seq, round(seq * chirp.frame_period_s * 1e9), iq, complete=not scenario.lost[seq])


def feed_rcg(pipeline: Pipeline, rcg: Float64, displacement: Float64) -> Iterator[float]:
    """Pass RCG and displacement [P, n] of a present chest to the pipeline; yield the time at every full second."""
    step = round(BLOCK_S * RCG_RATE_HZ)
    weights, chest, covered = np.full(len(rcg), 1 / len(rcg)), Chest(0.5, 30.0, True), np.ones(step, bool)
    for start in range(0, rcg.shape[1] - step + 1, step):
        part = slice(start, start + step)
        t_ns = round(part.stop / RCG_RATE_HZ * 1e9)
        pipeline.push_rcg(
            RcgBlock(t_ns, displacement[:, part], rcg[:, part], weights, covered, 0.0, chest, restarted=start == 0)
        )
        if part.stop % RCG_RATE_HZ == 0:
            yield part.stop / RCG_RATE_HZ


def true_bpm(beats_s: Float64, now_s: float) -> float:
    """Return the mean rate of the beats of the last WINDOW_S; NaN with fewer than three cycles."""
    cycles_s = np.diff(beats_s[(beats_s > now_s - WINDOW_S) & (beats_s <= now_s)])
    return 60 / float(cycles_s.mean()) if len(cycles_s) >= 3 else float("nan")


def _movement(rng: np.random.Generator, start_s: float, size: Range, length: Range) -> list[Movement]:
    """Draw a movement; its size is at least half of the maximum drawn from `size`."""
    whole_s, largest_mm = length.draw(rng), size.draw(rng)
    parts = []
    for _ in range(round(ranges.MOVEMENT_PARTS.draw(rng))):
        share = ranges.PART_SHARE.draw(rng)
        away_mm = float(largest_mm * rng.choice([-1, 1]) * rng.uniform(0.5, 1))
        begin_s = start_s + rng.uniform(0, 1 - share) * whole_s
        parts.append(Movement(begin_s, share * whole_s, away_mm, rng.uniform(-0.5, 0.5) * away_mm))
    return parts
