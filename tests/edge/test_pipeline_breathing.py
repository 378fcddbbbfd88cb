"""Breathing and its harmonics are not reported as a heart rate, and no rate is halved."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from edge.twin.body import Body
from edge.twin.heart import Heart
from tests.helpers.chain import assert_right_when_valid, outcome
from tests.helpers.chest import frames

SECONDS = 26

more = partial(pytest.param, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def chirp(mmecg):
    return replace(mmecg, frame_period_s=0.02)  # a quarter of the frames to simulate; breathing is slow


@pytest.mark.parametrize(
    ("breaths", "bpm", "min_valid"),
    [(24, 95, 8), more(15, 60, 8), more(20, 60, 8), more(22, 66, 8), more(28, 75, 0), more(32, 80, 0)],
)
def test_fast_breathing_is_not_taken_for_the_heart(chirp, breaths, bpm, min_valid):
    heart = Heart(bpm)
    seen = outcome(chirp, frames(chirp, heart, Body(breathing_rate_bpm=breaths), SECONDS))
    assert assert_right_when_valid(seen, heart) >= min_valid  # a coincidence alone must not suppress the rate


class Still(Heart):
    """A body without a heartbeat."""

    def displacement_mm(self, t_s, at_base=None):
        return np.zeros_like(t_s)


@pytest.mark.parametrize("breaths", [15, more(22), more(26), more(30)])
def test_breathing_alone_gives_no_heart_rate(chirp, breaths):
    stream = list(frames(chirp, Still(), Body(breathing_rate_bpm=breaths), SECONDS))
    for receivers in (1, 4):
        seen = outcome(
            replace(chirp, rx=chirp.rx[:receivers]), (replace(frame, iq=frame.iq[:, :, :receivers]) for frame in stream)
        )
        assert [v.heart_rate_bpm for v in seen] == [None] * (SECONDS - 1), f"{receivers} receivers"


@pytest.mark.parametrize(("bpm", "min_valid"), [(70, 5), more(120, 0), (150, 0), more(170, 0)])
def test_with_one_receiver_no_rate_is_halved(chirp, bpm, min_valid):
    chirp = replace(chirp, tx_order=(1,), rx=(1,))
    heart = Heart(bpm)
    assert assert_right_when_valid(outcome(chirp, frames(chirp, heart, seconds=30)), heart) >= min_valid
