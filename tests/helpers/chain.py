"""The chain from frames to vitals, without sockets: a source of frames made elsewhere, a sink that keeps what comes."""

from collections.abc import Iterable, Iterator

import pytest

from edge.core.types import RadarFrame, Vitals
from edge.pipeline import Pipeline, run
from edge.twin.heart import Heart

SECOND_NS = 1_000_000_000


class Given:
    """A source of frames made elsewhere."""

    def __init__(self, chirp, stream: Iterable[RadarFrame | None]) -> None:
        self.chirp, self._stream = chirp, stream

    def frames(self) -> Iterator[RadarFrame | None]:
        return iter(self._stream)

    def close(self) -> None:
        pass


class Collected:
    def __init__(self) -> None:
        self.vitals_seen: list[Vitals] = []
        self.samples = 0

    def waveform(self, wave) -> None:
        assert wave.sample0 == self.samples
        self.samples += len(wave.samples)

    def ecg(self, ecg, quality) -> None:
        raise AssertionError("there is no network")

    def vitals(self, vitals: Vitals) -> None:
        self.vitals_seen.append(vitals)


def outcome(chirp, stream) -> list[Vitals]:
    sink = Collected()
    run(Given(chirp, stream), Pipeline(chirp, lambda: True), sink)
    return sink.vitals_seen


def at(vitals: list[Vitals], start_s: float, end_s: float) -> list[Vitals]:
    return [v for v in vitals if start_s <= v.t_ns / SECOND_NS < end_s]


def assert_right_when_valid(seen: list[Vitals], heart: Heart) -> int:
    """Every valid rate is right; returns how many there were."""
    valid = [v for v in seen if v.heart_rate_bpm is not None]
    for v in valid:
        assert v.heart_rate_bpm == pytest.approx(heart.rate_bpm(v.t_ns / SECOND_NS, 10), rel=0.1)
    return len(valid)
