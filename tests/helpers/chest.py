"""Frames of a simulated person, without sockets or waiting."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.core.types import RadarFrame
from edge.radar.chirp import ChirpConfig
from edge.twin.body import Body
from edge.twin.fmcw import Fmcw
from edge.twin.heart import Heart
from edge.twin.scene import Scene

STEP = 10


def frames(chirp, heart: Heart, body: Body | None = None, seconds: float = 20.0, seed: int = 1) -> Iterator[RadarFrame]:
    return frames_of(chirp, Scene(heart, body or Body()), 0.0, seconds, seed)


def frames_of(chirp: ChirpConfig, scene: Scene, start_s: float, end_s: float, seed: int = 1) -> Iterator[RadarFrame]:
    """Frames of a scene between two times; a shorter stream is the beginning of a longer one with the same start."""
    simulated = Fmcw(chirp, scene, seed)
    for first in range(round(start_s / chirp.frame_period_s), round(end_s / chirp.frame_period_s), STEP):
        for k, iq in enumerate(simulated.frames(first, STEP), first):
            yield RadarFrame(k, round(k * chirp.frame_period_s * 1e9), iq, True)


def save_iq(path: Path, stream: Iterator[RadarFrame]) -> None:
    """Write the IQ [frame, ...] of a stream, to be read by `load_frames`."""
    with path.open("wb") as file:
        np.save(file, np.stack([frame.iq for frame in stream]))


def load_frames(path: Path, chirp: ChirpConfig) -> list[RadarFrame]:
    """Return the frames of `save_iq`, whose IQ is mapped into memory, not copied."""
    every_iq, period_ns = np.load(path, mmap_mode="r"), chirp.frame_period_s * 1e9
    return [RadarFrame(k, round(k * period_ns), iq, True) for k, iq in enumerate(every_iq)]
