"""Playing a recording: pace, pause, seek, and where it ends."""

import threading

import numpy as np
import pytest

from edge.core.types import RawFrame
from edge.sources.player import WARM_UP_S, ReplayPlayer
from edge.sources.recording import Recorder, open_recording
from tests.helpers.publishing import wait

SECONDS = 30
FAST = 1e6  # so that no test waits


@pytest.fixture
def recording(iwr6843, tmp_path):
    """SECONDS of empty frames, with an hour's pause of the clock in the middle."""
    with Recorder(tmp_path / "rec", iwr6843, "sdk") as recorder:
        for seq in range(round(SECONDS * iwr6843.frame_rate_hz)):
            t_ns = round(seq * iwr6843.frame_period_s * 1e9) + (3600 * 10**9 if seq > 15 * iwr6843.frame_rate_hz else 0)
            recorder.write(RawFrame(seq, t_ns, bytes(iwr6843.frame_bytes), iwr6843.frame_bytes))
    return open_recording(tmp_path / "rec")


def states_of(recording, speed=FAST, stays=False):
    states = []
    return ReplayPlayer(recording, speed, stays, states.append), states


def test_every_frame_is_played_once_and_a_set_clock_is_not_waited_for(recording):
    player, states = states_of(recording)
    seen = [frame.seq for _ in player.stretches() for frame in player.frames()]
    assert seen == list(range(len(recording.index)))
    assert states[0].duration_s == pytest.approx(SECONDS, abs=1.1)  # the hour counts one second at most
    assert player.state.position_s == player.state.duration_s


def test_a_seek_begins_a_stretch_with_a_warm_up(recording):
    player, _ = states_of(recording)
    stretches = player.stretches()
    assert next(stretches) == 0
    first = next(player.frames())
    player.seek(14.0)
    assert list(player.frames()) == []  # the stretch has ended
    assert next(stretches) == 14.0
    warm = []
    for frame in player.frames():
        if not player.is_warming_up:
            break
        warm.append(frame.t_ns / 1e9)
    assert first.seq == 0
    assert warm[0] == pytest.approx(14.0 - WARM_UP_S, abs=0.1)
    assert warm[-1] == pytest.approx(14.0, abs=0.1)
    player.close()
    assert list(stretches) == []


@pytest.mark.parametrize(("position_s", "target_s"), [(-5.0, 0.0), (1e9, None)])
def test_a_seek_outside_the_recording_means_its_end(recording, position_s, target_s):
    player, _ = states_of(recording)
    stretches = player.stretches()
    next(stretches)
    player.seek(position_s)
    assert next(stretches) == (player.state.duration_s if target_s is None else target_s)


def test_skips_that_follow_each_other_add_up(recording):
    player, _ = states_of(recording)
    stretches = player.stretches()
    next(stretches)
    for seconds in (10.0, 10.0, -5.0):
        player.skip(seconds)
    assert next(stretches) == 15.0


def test_a_pause_holds_the_frames_back_until_it_ends(recording):
    player, states = states_of(recording)
    seen = []

    def play():
        for _ in player.stretches():
            seen.extend(frame.seq for frame in player.frames())

    player.pause()
    thread = threading.Thread(target=play)
    thread.start()
    wait(lambda: states and states[-1].is_paused)
    assert seen == []
    player.toggle()
    thread.join()
    assert len(seen) == len(recording.index)
    assert not states[-1].is_paused


def test_a_player_that_stays_pauses_at_the_end_and_begins_again(recording):
    player, states = states_of(recording, stays=True)
    starts = []

    def play():
        for start_s in player.stretches():
            starts.append(start_s)
            for _ in player.frames():
                pass

    thread = threading.Thread(target=play)
    thread.start()
    wait(lambda: states and states[-1].is_paused)
    player.resume()
    wait(lambda: len(starts) == 2)
    wait(lambda: states[-1].is_paused)
    player.close()
    thread.join()
    assert starts == [0.0, 0.0]


def test_the_time_of_the_recording_advances_with_the_speed(recording, monkeypatch):
    now_s = [100.0]
    player, _ = states_of(recording, speed=4.0)
    monkeypatch.setattr("edge.sources.player.time.monotonic", lambda: now_s[0])
    next(player.stretches())
    frame = next(player.frames())
    now_s[0] += 0.5
    assert player.now_ns() == frame.t_ns + 2_000_000_000


def test_frames_are_due_at_the_multiple_of_real_time(recording, monkeypatch):
    player, _ = states_of(recording, speed=2.0)
    now_s, waited_s = [100.0], []

    def wait_for(timeout_s):
        waited_s.append(timeout_s)
        now_s[0] += timeout_s

    monkeypatch.setattr("edge.sources.player.time.monotonic", lambda: now_s[0])
    monkeypatch.setattr(player._changed, "wait", wait_for)
    next(player.stretches())
    for frame in player.frames():
        if frame.t_ns >= 4e9:
            break
    assert sum(waited_s) == pytest.approx(2.0, abs=recording.chirp.frame_period_s)
    assert np.all(np.array(waited_s) > 0)
