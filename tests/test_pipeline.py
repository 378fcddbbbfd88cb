"""The chain as a whole: right when it speaks, silent when it cannot know."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from edge.frames import RadarFrame, RawFrame, Vitals
from edge.pipeline import Pipeline, run
from edge.radar.decode import decode_frame, encode
from edge.twin.body import Body, Movement
from edge.twin.fmcw import Fmcw
from edge.twin.heart import Heart
from edge.twin.scene import SCENES, Absence, Scene
from tests.peers.chest import frames

SECOND_NS = 1_000_000_000


@pytest.fixture(scope="module")
def chirp(mmecg):
    return replace(mmecg, frame_period_s=0.01)  # half the frames to simulate


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
        self.ecg_seen = []
        self.samples = 0

    def waveform(self, wave) -> None:
        assert wave.sample0 == self.samples
        self.samples += len(wave.samples)

    def ecg(self, ecg, quality) -> None:
        self.ecg_seen.append((ecg, quality))

    def vitals(self, vitals: Vitals) -> None:
        self.vitals_seen.append(vitals)


def outcome(chirp, stream) -> list[Vitals]:
    sink = Collected()
    run(Given(chirp, stream), Pipeline(chirp, lambda: True), sink)
    return sink.vitals_seen


def at(vitals: list[Vitals], start_s: float, end_s: float) -> list[Vitals]:
    return [v for v in vitals if start_s <= v.t_ns / SECOND_NS < end_s]


def test_vitals_come_every_second_and_are_right_when_valid(chirp):
    heart = Heart(70)
    seen = outcome(chirp, frames(chirp, heart, seconds=30))
    assert len(seen) == 29
    assert np.diff([v.t_ns for v in seen]) == pytest.approx(SECOND_NS, rel=0.02)
    valid = [v for v in seen if v.heart_rate_bpm is not None]
    assert len(valid) >= 15
    for v in valid:
        assert v.heart_rate_bpm == pytest.approx(heart.rate_bpm(v.t_ns / SECOND_NS, 10), abs=3)
        assert v.quality.state in ("good", "degraded")
    assert seen[-1].breathing_rate_bpm == pytest.approx(15, abs=1)
    assert seen[-1].chest_range_m == pytest.approx(0.46, abs=0.03)
    assert all(v.heart_rate_bpm is None for v in seen if v.quality.state == "unusable")


@pytest.mark.parametrize("movement", [Movement(18, 2, 40), Movement(18, 4, 15), Movement(18, 1, 120)])
def test_through_a_body_movement_no_rate_is_wrong(chirp, movement):
    heart = Heart(70)
    seen = outcome(chirp, frames(chirp, heart, Body(movements=(movement,)), seconds=40))
    assert at(seen, 16, 18)[-1].heart_rate_bpm is not None
    for v in seen:
        if v.heart_rate_bpm is not None:
            assert v.heart_rate_bpm == pytest.approx(heart.rate_bpm(v.t_ns / SECOND_NS, 10), abs=4)
    assert seen[-1].heart_rate_bpm is not None


@pytest.mark.parametrize("movement", [Movement(18, 2, 40), Movement(18, 1, 120)])
def test_a_body_movement_is_flagged_at_once_and_silences_the_rate(chirp, movement):
    seen = outcome(chirp, frames(chirp, Heart(70), Body(movements=(movement,)), seconds=24))
    first, *after = at(seen, 18.5, 24)
    assert "body_movement" in first.quality.flags
    assert all(v.heart_rate_bpm is None for v in [first, *after])
    assert "body_movement" not in after[-1].quality.flags


def test_when_the_person_leaves_the_rate_leaves_too(chirp):
    def stream():
        rng = np.random.default_rng(0)
        last = None
        for frame in frames(chirp, Heart(70), seconds=20):
            last = frame
            yield frame
        for k in range(1, 1500):
            noise = rng.normal(0, 8, (*last.iq.shape, 2)).view(complex)[..., 0]
            yield RadarFrame(last.seq + k, last.t_ns + k * 10_000_000, (last.iq + noise).astype(np.complex64), True)

    seen = outcome(chirp, stream())
    assert at(seen, 18, 20)[-1].heart_rate_bpm is not None
    gone = at(seen, 25, 36)
    assert len(gone) >= 9
    assert all(v.heart_rate_bpm is None for v in gone)
    assert gone[-1].quality.flags[0] == "no_subject"
    assert gone[-1].chest_range_m is None


def test_frames_lost_are_counted_and_degrade(chirp):
    rng = np.random.default_rng(0)
    dropped = set(rng.choice(np.arange(600, 2200), 60, replace=False).tolist())
    seen = outcome(chirp, (f for f in frames(chirp, Heart(70), seconds=24) if f.seq not in dropped))
    assert seen[-1].frames.lost == 60
    assert seen[-1].frames.received + seen[-1].frames.lost == pytest.approx(2400, abs=110)
    assert all("frame_loss" in v.quality.flags for v in at(seen, 14, 24))
    for v in at(seen, 10, 24):
        if v.heart_rate_bpm is not None:
            assert v.quality.state == "degraded"
            assert v.heart_rate_bpm == pytest.approx(70, abs=7)


def test_a_third_of_all_frames_lost_is_unusable(chirp):
    seen = outcome(chirp, (f for f in frames(chirp, Heart(70), seconds=20) if f.seq % 3))
    assert all(v.heart_rate_bpm is None for v in seen)


def assert_right_when_valid(seen: list[Vitals], heart: Heart) -> int:
    """Every valid rate is right; returns how many there were."""
    valid = [v for v in seen if v.heart_rate_bpm is not None]
    for v in valid:
        assert v.heart_rate_bpm == pytest.approx(heart.rate_bpm(v.t_ns / SECOND_NS, 10), rel=0.1)
    return len(valid)


@pytest.mark.parametrize(
    ("breaths", "bpm", "spoken"), [(24, 95, 10), (15, 60, 10), (20, 60, 10), (22, 66, 10), (28, 75, 0), (32, 80, 0)]
)
def test_fast_breathing_is_not_taken_for_the_heart(chirp, breaths, bpm, spoken):
    heart = Heart(bpm)
    seen = outcome(chirp, frames(chirp, heart, Body(breathing_rate_bpm=breaths), seconds=30))
    assert assert_right_when_valid(seen, heart) >= spoken  # nor is every coincidence a reason to be silent


@pytest.mark.parametrize(
    ("name", "seconds", "spoken"),
    [
        ("off_axis", 16, 5),
        ("rbm_mild", 36, 10),
        ("rbm_extensive", 38, 10),
        ("leaving", 32, 10),
        ("phase_steps", 24, 10),
    ],
)
def test_no_scene_gives_a_wrong_rate(chirp, name, seconds, spoken):
    scene = SCENES[name]
    radar = Fmcw(chirp, scene)
    stream = (
        RadarFrame(k, round(k * chirp.frame_period_s * 1e9), iq, True)
        for first in range(0, round(seconds / chirp.frame_period_s), 20)
        for k, iq in enumerate(radar.frames(first, 20), first)
    )
    seen = outcome(chirp, stream)
    assert assert_right_when_valid(seen, scene.heart) >= spoken
    t_s = np.array([v.t_ns / SECOND_NS for v in seen])
    gone = (scene.body.moving(t_s) & scene.body.moving(t_s - 2)) | (~scene.seated(t_s) & ~scene.seated(t_s - 2))
    assert all(v.heart_rate_bpm is None for v, away in zip(seen, gone, strict=True) if away)


def test_after_an_absence_the_rate_is_back_in_16_s(chirp):
    """Two until the body is still, four to choose points anew, ten of history: those chosen on its way are no use."""
    back_s = 21
    radar = Fmcw(chirp, scene := Scene(absences=(Absence(8, back_s),)))
    stream = (
        RadarFrame(k, round(k * chirp.frame_period_s * 1e9), iq, True)
        for first in range(0, round((back_s + 20) / chirp.frame_period_s), 20)
        for k, iq in enumerate(radar.frames(first, 20), first)
    )
    seen = outcome(chirp, stream)
    assert_right_when_valid(seen, scene.heart)
    assert all(v.heart_rate_bpm is not None for v in at(seen, back_s + 16, back_s + 20))


class Still(Heart):
    """Somebody without a heartbeat."""

    def displacement_mm(self, t_s, at_base=None):
        return np.zeros_like(t_s)


@pytest.mark.parametrize("breaths", [15, 22, 26, 30])
@pytest.mark.parametrize("rx", [(1,), (1, 2, 3, 4)])
def test_breathing_alone_is_not_a_heart(chirp, breaths, rx):
    chirp = replace(chirp, rx=rx)
    seen = outcome(chirp, frames(chirp, Still(), Body(breathing_rate_bpm=breaths), seconds=30))
    assert all(v.heart_rate_bpm is None for v in seen)


@pytest.mark.parametrize(("bpm", "spoken"), [(70, 5), (120, 0), (150, 0), (170, 0)])
def test_with_one_receiver_no_rate_is_halved(chirp, bpm, spoken):
    chirp = replace(chirp, tx_order=(1,), rx=(1,))
    heart = Heart(bpm)
    assert assert_right_when_valid(outcome(chirp, frames(chirp, heart, seconds=30)), heart) >= spoken


def test_after_a_gap_another_person_is_not_given_the_old_rate(chirp):
    def stream():
        yield from frames(chirp, Heart(70), seconds=20)
        for frame in frames(chirp, Heart(110), seconds=20):
            yield replace(frame, seq=frame.seq + 8000, t_ns=frame.t_ns + 80 * SECOND_NS)

    seen = outcome(chirp, stream())
    assert at(seen, 18, 20)[-1].heart_rate_bpm == pytest.approx(70, abs=4)
    assert all(v.heart_rate_bpm is None for v in at(seen, 80, 89))
    assert all("frame_loss" in v.quality.flags for v in at(seen, 80.1, 84))
    assert seen[-1].heart_rate_bpm is None or seen[-1].heart_rate_bpm == pytest.approx(110, abs=6)


def test_holes_filled_with_zeros_are_losses(chirp):
    def stream():
        for frame in frames(chirp, Heart(70), seconds=24):
            zeros = 1200 <= frame.seq < 1215 or 1600 <= frame.seq < 1750
            data = bytes(chirp.frame_bytes) if zeros else encode(frame.iq, "sdk")
            yield decode_frame(RawFrame(frame.seq, frame.t_ns, data, len(data)), chirp, "sdk")

    seen = outcome(chirp, stream())
    assert seen[-1].frames.lost == 165
    assert all(v.heart_rate_bpm is None for v in at(seen, 16, 24))
    assert all(v.heart_rate_bpm is None or np.isfinite(v.heart_rate_bpm) for v in seen)


def falls_silent(chirp, monkeypatch, quiet_s: float, set_back_s: int = 0) -> list[Vitals]:
    """16 s of a person, then nothing, on a clock that may be set back at that moment."""
    now_ns = [0]
    monkeypatch.setattr("edge.pipeline.time.time_ns", lambda: now_ns[0])

    def stream():
        for frame in frames(chirp, Heart(70), seconds=16):
            now_ns[0] = frame.t_ns
            yield frame
        now_ns[0] -= set_back_s * SECOND_NS
        for _ in range(round(quiet_s * 10)):
            now_ns[0] += 100_000_000
            yield None

    seen = outcome(chirp, stream())
    assert seen[14].heart_rate_bpm is not None
    return seen


def test_a_clock_set_back_does_not_revive_a_silent_radar(chirp, monkeypatch):
    seen = falls_silent(chirp, monkeypatch, quiet_s=5, set_back_s=3600)
    assert len(seen) >= 18
    assert all("stale" in v.quality.flags for v in seen[-3:])


def test_a_silent_radar_is_stale_within_two_seconds(chirp, monkeypatch):
    seen = falls_silent(chirp, monkeypatch, quiet_s=8)
    assert seen[17].quality.flags[0] == "stale"
    assert seen[-1].quality.flags[:2] == ("radar_fault", "stale")
    assert all(v.heart_rate_bpm is None for v in seen[17:])
    assert len(seen) == 23


def test_vitals_go_on_without_a_single_frame(chirp, monkeypatch):
    now_ns = [10**18]
    monkeypatch.setattr("edge.pipeline.time.time_ns", lambda: now_ns[0])

    def silence():
        for _ in range(101):
            yield None
            now_ns[0] += 100_000_000

    seen = outcome(chirp, silence())
    assert len(seen) == 10
    assert seen[0].quality.flags[0] == "warming_up"
    assert seen[-1].quality.flags[:2] == ("radar_fault", "stale")


def test_a_clock_set_back_does_not_stop_the_vitals(chirp, monkeypatch):
    times = iter([10**18 + k * 100_000_000 for k in range(30)] + [10**17 + k * 100_000_000 for k in range(30)])
    monkeypatch.setattr("edge.pipeline.time.time_ns", lambda: next(times))
    assert len(outcome(chirp, [None] * 60)) >= 5
