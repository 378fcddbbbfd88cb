"""The complete pipeline on a person who sits still: published rates are right, and uncertain ones are not published."""

import random
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
import pytest

from edge.core.types import RadarFrame, RawFrame, Vitals
from edge.ecg.reconstructor import NoNetworkError
from edge.pipeline import Pipeline, run
from edge.radar.iq import decode_frame, encode
from edge.twin.heart import Heart
from tests.helpers.chain import SECOND_NS, at, outcome
from tests.helpers.chest import frames

HEART = Heart(70)

more = partial(pytest.param, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def chirp(mmecg_100):
    return mmecg_100


def test_vitals_come_every_second_and_are_right_when_valid(chirp, person):
    seen = outcome(chirp, person)
    assert len(seen) == 29
    assert np.diff([v.t_ns for v in seen]) == pytest.approx(SECOND_NS, rel=0.02)
    valid = [v for v in seen if v.heart_rate_bpm is not None]
    assert len(valid) >= 15
    for v in valid:
        assert v.heart_rate_bpm == pytest.approx(HEART.rate_bpm(v.t_ns / SECOND_NS, 10), abs=3)
        assert v.quality.state in ("good", "degraded")
    assert seen[-1].breathing_rate_bpm == pytest.approx(15, abs=1)
    assert seen[-1].chest_range_m == pytest.approx(0.46, abs=0.03)
    assert all(v.heart_rate_bpm is None for v in seen if v.quality.state == "unusable")


def test_when_the_person_leaves_there_is_no_rate(chirp, person):
    def stream():
        rng = np.random.default_rng(0)
        yield from person[:2000]
        last = person[1999]
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


def test_lost_frames_are_counted_and_degrade_the_quality(chirp, person):
    rng = np.random.default_rng(0)
    dropped = set(rng.choice(np.arange(600, 2200), 60, replace=False).tolist())
    seen = outcome(chirp, (f for f in person[:2400] if f.seq not in dropped))
    assert seen[-1].frames.lost == 60
    assert seen[-1].frames.received + seen[-1].frames.lost == pytest.approx(2400, abs=110)
    assert all("frame_loss" in v.quality.flags for v in at(seen, 14, 24))
    for v in at(seen, 10, 24):
        if v.heart_rate_bpm is not None:
            assert v.quality.state == "degraded"
            assert v.heart_rate_bpm == pytest.approx(70, abs=7)


def test_a_third_of_all_frames_lost_is_unusable(chirp, person):
    seen = outcome(chirp, (f for f in person[:2000] if f.seq % 3))
    assert all(v.heart_rate_bpm is None for v in seen)


def test_after_a_gap_another_person_is_not_given_the_old_rate(chirp, person):
    def stream():
        yield from person[:2000]
        for frame in frames(chirp, Heart(110), seconds=20):
            yield replace(frame, seq=frame.seq + 8000, t_ns=frame.t_ns + 80 * SECOND_NS)

    seen = outcome(chirp, stream())
    assert at(seen, 18, 20)[-1].heart_rate_bpm == pytest.approx(70, abs=4)
    assert all(v.heart_rate_bpm is None for v in at(seen, 80, 89))
    assert all("frame_loss" in v.quality.flags for v in at(seen, 80.1, 84))
    assert seen[-1].heart_rate_bpm is None or seen[-1].heart_rate_bpm == pytest.approx(110, abs=6)


def test_holes_filled_with_zeros_are_losses(chirp, person):
    def stream():
        for frame in person[:2400]:
            zeros = 1200 <= frame.seq < 1215 or 1600 <= frame.seq < 1750
            data = bytes(chirp.frame_bytes) if zeros else encode(frame.iq, "sdk")
            yield decode_frame(RawFrame(frame.seq, frame.t_ns, data, len(data)), chirp, "sdk")

    seen = outcome(chirp, stream())
    assert seen[-1].frames.lost == 165
    assert all(v.heart_rate_bpm is None for v in at(seen, 16, 24))
    assert all(v.heart_rate_bpm is None or np.isfinite(v.heart_rate_bpm) for v in seen)


def falls_silent(chirp, person, monkeypatch, quiet_s: float, set_back_s: int = 0) -> list[Vitals]:
    """16 s of a person, then nothing, on a clock that may be set back at that moment."""
    now_ns, steady_ns = [0], [7 * SECOND_NS]
    monkeypatch.setattr("edge.pipeline.time.time_ns", lambda: now_ns[0])
    monkeypatch.setattr("edge.pipeline.time.monotonic_ns", lambda: steady_ns[0])

    def stream():
        for frame in person[:1600]:
            now_ns[0] = frame.t_ns
            steady_ns[0] += 10_000_000
            yield replace(frame, steady_ns=steady_ns[0])
        now_ns[0] -= set_back_s * SECOND_NS
        for _ in range(round(quiet_s * 10)):
            now_ns[0] += 100_000_000
            steady_ns[0] += 100_000_000
            yield None

    seen = outcome(chirp, stream())
    assert seen[14].heart_rate_bpm is not None
    return seen


@pytest.mark.parametrize("set_back_s", [3600, more(4), 2, more(1), more(-2), -3600])
def test_a_clock_that_is_set_does_not_revive_a_silent_radar(chirp, person, monkeypatch, set_back_s):
    seen = falls_silent(chirp, person, monkeypatch, quiet_s=8, set_back_s=set_back_s)
    assert len(seen) == 23
    assert all("stale" in v.quality.flags for v in seen[17:])
    assert all(v.heart_rate_bpm is None for v in seen[17:])


def test_a_pause_is_found_although_the_clock_is_set_back_by_its_length(chirp, person):
    """Frame numbers and host times continue, the monotonic time does not: the history before the pause is void."""

    def stream():
        for frame in person[:2400]:
            pause_ns = 4 * SECOND_NS if frame.seq >= 1600 else 0
            yield replace(frame, steady_ns=frame.t_ns + pause_ns)

    seen = outcome(chirp, stream())
    assert at(seen, 14, 16)[-1].heart_rate_bpm is not None
    assert all("warming_up" in v.quality.flags for v in at(seen, 17, 20))


def test_frames_of_a_source_with_two_senders_give_no_rate(chirp, person):
    pipeline = Pipeline(
        chirp, lambda: True, source_fault=lambda: "a second sender" if pipeline.frames.received > 1800 else None
    )
    for frame in person[:2000]:
        pipeline.push(frame)
        if frame.seq % 100 == 99:
            vitals = pipeline.vitals(frame.t_ns)
            if frame.seq == 1799:
                assert vitals.heart_rate_bpm is not None
    assert "radar_fault" in vitals.quality.flags
    assert vitals.heart_rate_bpm is None


def test_a_silent_radar_is_stale_within_two_seconds(chirp, person, monkeypatch):
    seen = falls_silent(chirp, person, monkeypatch, quiet_s=8)
    assert seen[17].quality.flags[0] == "stale"
    assert seen[-1].quality.flags[:2] == ("radar_fault", "stale")
    assert all(v.heart_rate_bpm is None for v in seen[17:])
    assert len(seen) == 23


def test_vitals_go_on_without_a_single_frame(chirp, monkeypatch):
    steady_ns = [10**18]
    monkeypatch.setattr("edge.pipeline.time.monotonic_ns", lambda: steady_ns[0])

    def silence():
        for _ in range(101):
            yield None
            steady_ns[0] += 100_000_000

    seen = outcome(chirp, silence())
    assert len(seen) == 10
    assert seen[0].quality.flags[0] == "warming_up"
    assert seen[-1].quality.flags[:2] == ("radar_fault", "stale")


def test_a_clock_that_jumps_does_not_stop_the_vitals(chirp, monkeypatch):
    steady_ns = iter(range(0, 7 * SECOND_NS, 100_000_000))
    monkeypatch.setattr("edge.pipeline.time.monotonic_ns", lambda: next(steady_ns))
    monkeypatch.setattr("edge.pipeline.time.time_ns", lambda: random.randrange(10**18))
    assert len(outcome(chirp, [None] * 61)) == 6


class HeldBack:
    """A source that holds frames back until there are as many as the pipeline wants."""

    def __init__(self, chirp, frames, wanted):
        self.chirp, self._frames, self._wanted = chirp, iter(frames), wanted
        self.group_ends_ns = set()

    def frames(self):
        while group := list(islice(self._frames, self._wanted())):
            self.group_ends_ns.add(group[-1].t_ns)
            yield from group


class Times:
    """A sink that notes the times of the results."""

    def __init__(self):
        self.waveform_ns, self.vitals_ns = [], []

    def waveform(self, wave):
        self.waveform_ns.append(wave.t_ns)

    def vitals(self, vitals):
        self.vitals_ns.append(vitals.t_ns)


def test_no_result_is_late_because_frames_are_held_back(chirp, person):
    pipeline, times = Pipeline(chirp, lambda: True), Times()
    some_lost = [frame for frame in person[:1200] if frame.seq not in (650, 651, 652)]
    source = HeldBack(chirp, some_lost, pipeline.frames_wanted)
    run(source, pipeline, times)
    assert len(times.waveform_ns) > 60
    assert len(times.vitals_ns) == 11
    assert source.group_ends_ns.issuperset(times.waveform_ns + times.vitals_ns)
    assert len(source.group_ends_ns) < 400  # half a block is 5 frames


def test_the_waveform_of_a_block_is_sent_before_the_network_runs(chirp, person):
    events = []

    def infer(_segment):
        events.append("network")
        raise NoNetworkError

    pipeline = Pipeline(chirp, lambda: True, network=lambda _channels: infer)
    for frame in person[:1250]:
        before = len(events)
        pipeline.push(frame, lambda _wave: events.append("waveform"))
        assert events[before:] in ([], ["waveform"], ["waveform", "network"])
    assert "network" in events
