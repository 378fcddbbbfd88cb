"""Calibration measured on the twin's reflector: it undoes a board's errors, and reports when it is impossible."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from edge.core.types import RadarFrame
from edge.dsp.frontend.beamforming import Beamformer, steering
from edge.dsp.frontend.range_profile import range_profile
from edge.dsp.frontend.rcg import RcgExtractor
from edge.dsp.frontend.reflector_calibration import measure
from edge.radar.calibration import UNCALIBRATED, Calibration, CalibrationError
from edge.twin.board import Board, uneven
from edge.twin.fmcw import Fmcw
from edge.twin.scene import SCENES, Scene

BINS = slice(4, 20)
REFLECTOR = SCENES["reflector"]

more = partial(pytest.param, marks=pytest.mark.slow)


def frames(chirp, scene, board=None, count=240):
    iq = Fmcw(chirp, scene, board=board).frames(0, count)
    return [RadarFrame(k, round(k * chirp.frame_period_s * 1e9), frame, True) for k, frame in enumerate(iq)]


def calibrated(chirp, board) -> Calibration:
    found = measure(chirp, frames(chirp, REFLECTOR, board), 1.0)
    return Calibration(found.range_bias_m, found.factors)


def corner(azimuth_deg=0.0, range_m=1.0, counts=3000.0) -> Scene:
    x, y, z, _ = REFLECTOR.things[0]
    a = np.radians(azimuth_deg)
    return replace(REFLECTOR, things=((x + range_m * np.sin(a), y - 1 + range_m * np.cos(a), z, counts),))


@pytest.mark.parametrize(
    ("phase_rad", "tx_order"),
    [(0.3, (1, 2, 3)), more(3.0, (1, 2, 3)), more(0.3, (1, 3, 2)), (3.0, (1, 3, 2))],
)
def test_factors_and_bias_are_the_board_s(mmecg, phase_rad, tx_order):
    """Up to one factor common to all; the table that stands 4 cm behind the reflector costs 0.03 rad."""
    chirp, board = replace(mmecg, tx_order=tx_order), uneven(2, phase_rad)
    found = measure(chirp, frames(chirp, REFLECTOR, board), 1.0)
    made_even = np.array(found.factors) * board.of(chirp).ravel()
    assert np.ptp(np.angle(made_even / made_even.mean())) < 0.08
    assert np.ptp(20 * np.log10(np.abs(made_even))) < 0.6
    assert np.abs(found.factors).max() == pytest.approx(1)
    assert found.range_bias_m == pytest.approx(board.range_bias_m, abs=0.003)
    assert found.residual_rad < 0.03
    assert found.contrast_db > 30


@pytest.mark.parametrize("point_m", [(0.0, 0.45, 0.0), (0.12, 0.5, -0.1), (-0.2, 0.4, 0.15)])
def test_calibration_restores_the_focus(mmecg, point_m):
    """Measured 1 m straight ahead, it holds for a point of a chest near and to the side."""
    board = uneven(2, 1.0)
    echo = Fmcw(mmecg, Scene(), board=board).echoes(np.broadcast_to(point_m, (1, 3, 1, 3)), np.array([[100.0]]))
    profile = range_profile(echo.reshape(1, *mmecg.frame_shape))[0][:, BINS].ravel()

    def gain_db(calibration: Calibration) -> float:
        """Output over what the profile's power could give at best."""
        filters = steering(mmecg, np.array([point_m]), BINS, calibration)[0]
        return 20 * np.log10(abs(filters @ profile) / np.linalg.norm(filters) / np.linalg.norm(profile))

    assert gain_db(UNCALIBRATED) < -8
    assert gain_db(Calibration(board.range_bias_m)) < -3  # the phases alone
    assert gain_db(calibrated(mmecg, board)) > -0.05


def test_points_lie_on_the_chest_again_and_its_range_is_true(mmecg):
    board, scene = uneven(1, 1.0), SCENES["still"]
    seen, share, range_m = frames(mmecg, scene, board, 1000), {}, {}
    for calibration in (UNCALIBRATED, calibrated(mmecg, board)):
        extractor = RcgExtractor(mmecg, calibration)
        blocks = [b for frame in seen if (b := extractor.push(frame))]
        share[calibration] = scene.on_chest(blocks[-1].points_m).mean()
        range_m[calibration] = blocks[-1].chest.range_m
    without, with_it = share.values()
    assert with_it > 0.5 > 0.3 > without
    assert np.subtract(*range_m.values()) == pytest.approx(board.range_bias_m, abs=0.002)


@pytest.mark.parametrize(("azimuth_deg", "phase_rad"), [(-25, 0.0), more(8, 0.0), more(-25, 0.5), (8, 0.5)])
def test_a_reflector_to_the_side_is_refused(mmecg, azimuth_deg, phase_rad):
    scene = corner(azimuth_deg)
    side = "left" if azimuth_deg < 0 else "right"
    with pytest.raises(CalibrationError, match=f"{abs(azimuth_deg)} degrees to the {side}"):
        measure(mmecg, frames(mmecg, scene, uneven(1, phase_rad)), 1.0)


@pytest.mark.parametrize(
    ("scene", "range_m", "message"),
    [
        (corner(counts=100.0), 1.0, "use a larger reflector"),
        (corner(range_m=1.5), 1.0, "correct its distance"),
        (corner(), 0.3, "put it at 0.7 to 3.0 m"),
        (
            replace(corner(), things=((*corner().things[0][:3], 3000.0), (0.1, 1.06, 0, 2000.0))),
            1.0,
            "not that of a single point",
        ),
        (SCENES["breathing"], 0.7, "above the others"),
    ],
)
def test_an_unusable_reflector_is_an_error_with_the_reason(mmecg, scene, range_m, message):
    with pytest.raises(CalibrationError, match=message):
        measure(mmecg, frames(mmecg, scene), range_m)


def test_a_moving_reflector_is_refused(mmecg):
    still = frames(mmecg, REFLECTOR)
    turned = [RadarFrame(f.seq, f.t_ns, f.iq * np.complex64(np.exp(0.01j * f.seq)), True) for f in still]
    with pytest.raises(CalibrationError, match="nothing may move"):
        measure(mmecg, turned, 1.0)


def test_an_antenna_that_receives_nothing_is_named(mmecg):
    gains = np.ones((3, 4), complex)
    gains[1, 2] = 0.02
    with pytest.raises(CalibrationError, match="TX2 to RX3 receives hardly any echo"):
        measure(mmecg, frames(mmecg, REFLECTOR, Board(tuple(map(tuple, gains)))), 1.0)


def test_too_few_complete_frames_or_unknown_antennas_are_refused(mmecg, iwr6843):
    some = frames(mmecg, REFLECTOR)
    broken = [replace(frame, iq=frame.iq * 0, complete=frame.seq < 150) for frame in some]
    with pytest.raises(CalibrationError, match="150 complete frames are too few"):
        measure(mmecg, broken, 1.0)
    with pytest.raises(CalibrationError, match="unknown antenna positions"):
        measure(iwr6843, [], 1.0)


def test_focus_takes_the_calibration_it_is_given(mmecg):
    """A uniform factor and no bias change nothing but the unit."""
    seen = range_profile(Fmcw(mmecg, SCENES["still"]).frames(0, 1000))[:, :, 4:57]
    plain, given = Beamformer(mmecg, slice(4, 57)), Beamformer(mmecg, slice(4, 57), Calibration(0.0, (0.5j,) * 12))
    for focus in (plain, given):
        focus.push(seen)
        assert any(focus.refocus(10, 0.46))
    assert (plain.points_m == given.points_m).all()
    assert np.allclose(given.echo(seen[:5]), 0.5j * plain.echo(seen[:5]), rtol=1e-4)
