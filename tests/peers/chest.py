"""Frames of a simulated person, without sockets or waiting."""

from collections.abc import Iterator

from edge.frames import RadarFrame
from edge.twin.body import Body
from edge.twin.fmcw import Fmcw
from edge.twin.heart import Heart
from edge.twin.scene import Scene


def frames(chirp, heart: Heart, body: Body | None = None, seconds: float = 20.0, seed: int = 1) -> Iterator[RadarFrame]:
    simulated = Fmcw(chirp, Scene(heart, body or Body()), seed)
    step = 10
    for first in range(0, round(seconds / chirp.frame_period_s), step):
        for k, iq in enumerate(simulated.frames(first, step), first):
            yield RadarFrame(k, round(k * chirp.frame_period_s * 1e9), iq, True)
