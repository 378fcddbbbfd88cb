"""The twin against physics and the documented bytes, and as the process that a user starts."""

import json
import math
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from edge.radar.dca1000 import DataPort
from edge.radar.decode import decode
from edge.twin.body import Body, Movement
from edge.twin.fmcw import Fmcw
from edge.twin.heart import Heart
from tests.peers.brokers import free_port


class Frozen(Heart):
    """A heart that stands still, and a body moved by hand."""

    def displacement_mm(self, t_s):
        return np.zeros_like(t_s)


class Placed(Body):
    def __init__(self, offset_mm):
        object.__setattr__(self, "offset_mm", offset_mm)

    def displacement_mm(self, t_s):
        return np.full_like(t_s, self.offset_mm)


def spectrum(chirp, offset_mm: float, points: np.ndarray) -> np.ndarray:
    simulated = Fmcw(chirp, Frozen(), Placed(offset_mm))
    still = np.repeat(points[None, :, :3] + [0, offset_mm * 1e-3, 0], 3, axis=0)
    return np.fft.fft(simulated._echoes(still, points[:, 3]), axis=-1)


ONE = np.array([[0.0, 0.45, 0.0, 100.0]])


def test_an_echo_sits_at_its_range(mmecg):
    profile = np.abs(spectrum(mmecg, 0.0, ONE))[0, 0]
    assert profile.argmax() == round(0.45 / mmecg.range_bin_m) == 10


def test_phase_per_millimetre_is_that_of_the_wavelength_in_the_middle_of_the_window(mmecg):
    near, far = (spectrum(mmecg, offset, ONE)[1, 2, 10] for offset in (0.0, 0.2))
    turned = np.angle(far * near.conj())
    assert turned / 0.2 == pytest.approx(4 * math.pi / (mmecg.wavelength_m * 1e3), rel=0.01)
    assert turned > 0  # phase grows with range


def test_samples_are_those_of_the_beat_equation(mmecg):
    c, light = mmecg, 299_792_458.0
    simulated = Fmcw(c, Frozen(), Placed(0.0))
    got = simulated._echoes(np.repeat(ONE[None, :, :3], 3, axis=0), ONE[:, 3])
    for slot in range(3):
        for rx in range(4):
            path = np.linalg.norm(ONE[0, :3] - simulated._tx[slot]) + np.linalg.norm(ONE[0, :3] - simulated._rx[rx])
            tau = path / light
            t = c.adc_start_s + np.arange(c.samples) / c.sample_rate_hz
            beat = 100 * np.exp(2j * np.pi * (c.start_hz * tau + c.slope_hz_s * (tau * t - tau**2 / 2)))
            np.testing.assert_allclose(got[slot, rx], beat, atol=0.05)


def test_the_same_seed_is_the_same_person(mmecg):
    a, b = (Fmcw(mmecg, Heart(seed=5), Body(), seed=5).frames(40, 3) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_rate_is_that_of_the_beats():
    heart = Heart(72, seed=3)
    beats = heart.beats_s(20, 30)
    assert heart.rate_bpm(30, 10) == pytest.approx(60 / np.diff(beats).mean())
    assert heart.rate_bpm(60, 30) == pytest.approx(72, rel=0.1)
    assert Heart(72).rate_bpm(1.0, 0.5) is None


def test_a_movement_moves_the_body_only_in_its_time():
    t = np.arange(0, 20, 0.01)
    moved = Body(movements=(Movement(8, 2, 30),)).displacement_mm(t) - Body().displacement_mm(t)
    assert np.abs(moved[(t < 8) | (t > 10)]).max() < 1e-9
    assert np.abs(moved).max() > 25


def test_the_process_streams_in_real_time_and_tells_the_truth(mmecg):
    port, truth_port = DataPort("127.0.0.1", 0, mmecg.frame_bytes), free_port()
    twin = subprocess.Popen(
        [sys.executable, "-m", "edge", "twin", "--cfg", mmecg.source, "--port", str(port.port)]
        + ["--truth-port", str(truth_port), "--heart-rate-bpm", "80"],
        stderr=subprocess.DEVNULL,
    )
    out = []
    for frame in port.frames():
        if frame is not None:
            out.append((time.monotonic(), frame))
        if len(out) == 601:
            break
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(5)
        asker.sendto(b'{"window_s": 20}', ("127.0.0.1", truth_port))
        truth = json.loads(asker.recv(2048))
        asker.sendto(b"what?", ("127.0.0.1", truth_port))
        assert json.loads(asker.recv(2048)).keys() == truth.keys()
    twin.send_signal(signal.SIGTERM)
    assert twin.wait(timeout=5) == 0
    port.close()
    assert [frame.seq for _, frame in out] == list(range(601))
    assert all(frame.complete for _, frame in out)
    assert out[-1][0] - out[0][0] > 2.8  # never faster than the radar; a loaded machine may be slower
    assert truth["heart_rate_bpm"] == pytest.approx(80, rel=0.1)
    assert truth["frames_sent"] >= 601
    iq = decode(out[0][1].data, mmecg.frame_shape, "sdk")
    assert 100 < np.abs(iq).max() < 20000
