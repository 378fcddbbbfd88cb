"""The front end on simulated frames: it finds the chest and recovers its motion."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.core.types import RadarFrame
from edge.dsp.frontend.phase import SecondDerivative
from edge.dsp.frontend.rcg import RcgExtractor
from edge.radar.iq import decode, encode
from edge.twin.body import Body
from edge.twin.heart import Heart
from tests.helpers.chest import frames

more = partial(pytest.param, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def person(mmecg):
    """14 s of a person who sits still, at 200 frames a second."""
    return list(frames(mmecg, Heart(), seconds=14))


@pytest.fixture(scope="module")
def chirp_100(mmecg):
    return replace(mmecg, frame_period_s=0.01)


@pytest.fixture(scope="module")
def deep(chirp_100):
    """13 s of a person who breathes deeply, at 100 frames a second."""
    return list(frames(chirp_100, Heart(), DEEP, seconds=13))


def blocks_of(chirp, stream):
    extractor = RcgExtractor(chirp)
    return extractor, [block for frame in stream if (block := extractor.push(frame)) is not None]


def chest_mm(blocks):
    return np.concatenate([block.weights @ block.displacement_mm for block in blocks])


def true_mm(n: int, rate_hz: float = 200.0, heart: Heart | None = None) -> np.ndarray:
    t = np.arange(n) / rate_hz
    return Body().displacement_mm(t) + 0.6 * (heart or Heart()).displacement_mm(t)


@pytest.mark.parametrize("period_s", [0.05, more(0.01), 0.005, more(0.003)])
def test_displacement_is_the_chest_s_at_any_frame_rate(mmecg, person, period_s):
    chirp = replace(mmecg, frame_period_s=period_s)
    _, blocks = blocks_of(chirp, person[:2400] if chirp == mmecg else frames(chirp, Heart(), seconds=12))
    found = chest_mm(blocks)
    truth = true_mm(len(found))
    assert len(found) > 10.5 * 200
    delay = np.arange(-10, 20)
    correlation = [np.corrcoef(np.roll(found, -d)[300:-300], truth[300:-300])[0, 1] for d in delay]
    assert max(correlation) > 0.995  # the points of a chest do not all move equally
    assert np.ptp(found[200:]) == pytest.approx(np.ptp(truth[200:]), rel=0.2)
    assert blocks[0].restarted
    assert not any(block.restarted for block in blocks[1:])


@pytest.mark.parametrize(
    ("tx", "rx", "channels"),
    [((1,), (1,), 3), more((1,), (1, 2, 3, 4), 12), more((1, 3), (1, 2, 3, 4), 50), ((1, 2, 3), (2, 3), 18)],
)
def test_any_antennas(mmecg, tx, rx, channels):
    chirp = replace(mmecg, tx_order=tx, rx=rx)
    _, blocks = blocks_of(chirp, frames(chirp, Heart(), seconds=8))
    assert blocks[-1].displacement_mm.shape[0] == channels
    assert blocks[-1].chest.range_m == pytest.approx(0.46, abs=0.05)
    assert blocks[-1].chest.present
    assert blocks[-1].weights.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"frame_period_s": 0.2}, "too few to see a heartbeat"), ({"slope_hz_s": 5e12}, "a chest cannot be found")],
)
def test_a_chirp_that_cannot_show_a_chest_is_refused(mmecg, change, message):
    with pytest.raises(InputError, match=message):
        RcgExtractor(replace(mmecg, **change))


def test_a_constant_adc_is_a_problem_not_a_crash(mmecg):
    dead = (RadarFrame(k, k, np.zeros(mmecg.frame_shape, np.complex64), True) for k in range(1200))
    extractor, blocks = blocks_of(mmecg, dead)
    assert "not radar data" in extractor.problem
    assert all(np.isfinite(block.weights).all() and np.isfinite(block.speed_mm_s) for block in blocks)


def test_an_empty_room_has_no_chest(mmecg):
    still = (
        RadarFrame(frame.seq, frame.t_ns, frame.iq - 0, True)
        for frame in frames(mmecg, Heart(), Body(breathing_mm=0.0), seconds=6)
    )
    rng = np.random.default_rng(1)
    first = next(still).iq
    noise = (
        RadarFrame(k, k, first + rng.normal(0, 8, (*first.shape, 2)).view(complex)[..., 0].astype(np.complex64), True)
        for k in range(1200)
    )
    _, blocks = blocks_of(mmecg, noise)
    assert not blocks[-1].chest.present


def test_the_wrong_iq_order_is_noticed(mmecg, person):
    swapped = (
        RadarFrame(f.seq, f.t_ns, decode(encode(f.iq, "sdk"), mmecg.frame_shape, "studio"), True) for f in person[:1200]
    )
    extractor, _ = blocks_of(mmecg, swapped)
    assert "IQ order" in extractor.problem
    right, _ = blocks_of(mmecg, person[:1200])
    assert right.problem is None


def test_random_bytes_are_not_radar_data(mmecg):
    rng = np.random.default_rng(0)
    junk = (RadarFrame(k, k, decode(rng.bytes(12288), mmecg.frame_shape, "sdk"), True) for k in range(60))
    extractor, _ = blocks_of(mmecg, junk)
    assert "not radar data" in extractor.problem


def test_missing_and_incomplete_frames_are_bridged_and_marked(mmecg, person):
    lost, broken = {1001, 1002, 1500}, {1200}
    clean = person[:1800]
    damaged = [RadarFrame(f.seq, f.t_ns, f.iq * 0, False) if f.seq in broken else f for f in clean if f.seq not in lost]
    _, undamaged = blocks_of(mmecg, clean)
    _, blocks = blocks_of(mmecg, damaged)
    covered = np.concatenate([block.covered for block in blocks])
    assert {k + SecondDerivative.DELAY for k in lost | broken} <= set(np.flatnonzero(~covered))
    n = len(covered)
    assert np.abs(chest_mm(blocks) - chest_mm(undamaged)[:n]).max() < 0.1
    assert not any(block.restarted for block in blocks[1:])


DEEP = Body(breathing_mm=12.0)


def breathing_with_a_gap(deep, chirp, gap_s):
    """The deep breathing without frames for gap_s around the steepest point after 7.5 s."""
    t_s = np.arange(750, 1100) * chirp.frame_period_s
    middle = 750 + int(np.abs(np.gradient(DEEP.displacement_mm(t_s))).argmax())
    half = gap_s / chirp.frame_period_s / 2
    return middle, (f for f in deep if abs(f.seq - middle) >= half)


def test_a_gap_in_the_steepest_breath_is_bridged_to_where_the_chest_went(chirp_100, deep):
    middle, damaged = breathing_with_a_gap(deep, chirp_100, 0.19)
    _, blocks = blocks_of(chirp_100, damaged)
    found = chest_mm(blocks)
    off = found - chest_mm(blocks_of(chirp_100, deep)[1])[: len(found)]
    assert not any(block.restarted for block in blocks[1:])
    assert np.abs(off[2 * middle + 40 :]).max() < 0.3  # a turn is 1.9 mm


def test_a_gap_too_long_to_bridge_restarts_the_tracks_alone(chirp_100, deep):
    middle, damaged = breathing_with_a_gap(deep, chirp_100, 0.27)
    extractor, blocks = blocks_of(chirp_100, damaged)
    assert extractor.restarts == 0
    again = [k for k, block in enumerate(blocks) if block.restarted]
    assert len(again) == 2
    before, after = blocks[again[1] - 1], blocks[again[1]]
    assert after.t_ns - before.t_ns < 0.6e9
    assert before.t_ns < middle * 10_000_000 < after.t_ns
    np.testing.assert_array_equal(before.points_m, after.points_m)


def test_a_long_gap_restarts_everything(mmecg, person):
    _, blocks = blocks_of(mmecg, (f for f in person if not 1300 < f.seq < 1500))
    assert blocks[0].restarted
    assert sum(block.restarted for block in blocks) == 2
