"""The digital twin: physics, documented bytes, and the process that a user starts."""

import json
import math
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from edge.dsp.frontend.range_profile import range_profile
from edge.radar.antennas import AWR1843
from edge.radar.dca1000.data_port import DataPort
from edge.radar.iq import decode, encode
from edge.twin import dca1000_emulator
from edge.twin.body import Body, Movement
from edge.twin.card import EmulatedCard
from edge.twin.fmcw import Fmcw
from edge.twin.heart import Heart
from edge.twin.scene import SCENES, Scene
from tests.helpers.brokers import free_port
from tests.helpers.processes import child

ONE = np.array([0.0, 0.45, 0.0])


def echo(chirp, *points: np.ndarray) -> np.ndarray:
    """Returns a frame [slot, rx, sample] of echoes of 100 counts."""
    places = np.broadcast_to(np.array(points), (1, 3, len(points), 3))
    return Fmcw(chirp, Scene()).echoes(places, np.full((1, len(points)), 100.0))[0]


def beat_equation(chirp, points: np.ndarray) -> np.ndarray:
    """Returns the same frame from the equation, sample by sample."""
    used, light = AWR1843.of(chirp), 299_792_458.0
    t = chirp.adc_start_s + np.arange(chirp.samples) / chirp.sample_rate_hz
    total = np.zeros((3, 4, chirp.samples), complex)
    for slot, rx in np.ndindex(3, 4):
        for point in points:
            tau = (math.dist(point, used.tx_m[slot]) + math.dist(point, used.rx_m[rx])) / light
            turns = chirp.start_hz * tau + chirp.slope_hz_s * (tau * t - tau**2 / 2)
            total[slot, rx] += 100 * np.exp(2j * np.pi * turns)
    return total


def profiles(chirp, scene: Scene, start_s: float, seconds: float) -> np.ndarray:
    """Returns range profiles [frame, channel, bin] in ADC counts."""
    iq = Fmcw(chirp, scene).frames(round(start_s / chirp.frame_period_s), round(seconds / chirp.frame_period_s))
    return range_profile(iq) / (chirp.samples / 2)


def test_an_echo_sits_at_its_range(mmecg):
    profile = np.abs(np.fft.fft(echo(mmecg, ONE)))[0, 0]
    assert profile.argmax() == round(0.45 / mmecg.range_bin_m) == 10


def test_phase_per_millimetre_is_that_of_the_wavelength_in_the_middle_of_the_window(mmecg):
    near, far = (np.fft.fft(echo(mmecg, ONE + [0, offset_m, 0]))[1, 2, 10] for offset_m in (0.0, 0.2e-3))
    turned = np.angle(far * near.conj())
    assert turned / 0.2 == pytest.approx(4 * math.pi / (mmecg.wavelength_m * 1e3), rel=0.01)
    assert turned > 0  # phase grows with range


@pytest.mark.parametrize("azimuth_deg", [-20.0, 0.0, 20.0])
def test_samples_are_those_of_the_beat_equation(mmecg, azimuth_deg):
    points = Scene(azimuth_deg=azimuth_deg).points_m
    expected = beat_equation(mmecg, points)
    assert np.abs(echo(mmecg, *points) - expected).max() < 1e-4 * np.abs(expected).max()


def test_the_same_seed_is_the_same_frame_however_many_are_made_at_once(mmecg):
    one, other = (Fmcw(mmecg, Scene(Heart(seed=5)), seed=5) for _ in range(2))
    pieces = np.concatenate([other.frames(40, 2), other.frames(42, 4)])
    assert encode(one.frames(40, 6), "sdk") == encode(pieces, "sdk")
    assert not np.array_equal(Fmcw(mmecg, Scene(Heart(seed=5)), seed=6).frames(40, 6), pieces)


@pytest.mark.parametrize("name", sorted(SCENES.keys() - {"reflector"}))
def test_the_chest_is_in_its_bins_and_the_leakage_above_it_in_the_first_four(mmecg, name):
    profile = profiles(mmecg, SCENES[name], 0, 0.1)
    power = np.abs(profile).mean(axis=(0, 1))
    chest = 8 + power[8:128].argmax()
    assert 8 <= chest <= 13
    assert power[:4].min() > 2 * power[chest]
    assert power[chest] > 20 * power[-64:].mean()  # nothing but noise at negative ranges


@pytest.mark.parametrize("name", SCENES)
def test_samples_are_int16_of_twelve_bits_that_do_not_clip(mmecg, name):
    words = np.frombuffer(encode(Fmcw(mmecg, SCENES[name]).frames(0, 4), "sdk"), "<i2")
    assert 1000 < np.abs(words).max() < 6000
    assert not (words % 16).any()


def test_phase_noise_is_a_few_milliradians_and_common_to_the_receivers(mmecg):
    frozen = Scene(Silent(), Body(breathing_mm=0.0))
    chest = profiles(mmecg, frozen, 0, 1)[:, :, 10]
    noise = np.angle(chest * chest.mean(axis=0).conj())
    assert 0.5e-3 < noise.std() < 3e-3
    quiet = replace(frozen, noise_counts=0.0, phase_noise_rad=0.02)
    chest = profiles(mmecg, quiet, 0, 1)[:, :4, 10]
    assert np.corrcoef(np.angle(chest * chest.mean(axis=0).conj()).T).min() > 0.99


class Silent(Heart):
    """A heart that does not beat."""

    def displacement_mm(self, t_s, at_base=None):
        return np.zeros_like(t_s)


def test_the_vibration_is_weaker_and_later_far_from_the_heart():
    scene = SCENES["off_axis"]
    away_m = np.linalg.norm(scene.points_m - scene.heart_m, axis=1)
    t = np.arange(10, 20, 1e-3)
    motion = scene.cardiac_mm(t, np.stack([scene.heart_m, scene.points_m[away_m.argmax()]]))
    assert 3 * np.ptp(motion[:, 1]) < np.ptp(motion[:, 0]) < 0.5
    delays = np.arange(40)
    late_ms = max(delays, key=lambda d: np.corrcoef(motion[:-40, 0], motion[d : len(t) - 40 + d, 1])[0, 1])
    assert late_ms * 1e-3 == pytest.approx(away_m.max() / scene.spread.wave_m_s, abs=3e-3)
    assert late_ms > 10


@pytest.mark.parametrize("azimuth_deg", [-20.0, 0.0, 20.0])
def test_scatterers_move_by_breath_and_heart_along_the_line_of_sight(azimuth_deg):
    scene = Scene(azimuth_deg=azimuth_deg)
    t = np.arange(0, 8, 0.01)
    middle = np.abs(scene.points_m - scene.points_m.mean(axis=0)).sum(axis=1).argmin()
    range_mm = np.linalg.norm(scene.positions_m(t)[:, middle], axis=1) * 1e3
    cardiac_mm = scene.cardiac_mm(t, scene.points_m[[middle]])[:, 0]
    expected = scene.body.breath_mm(t) + cardiac_mm
    assert 4 < np.ptp(range_mm) < 12
    np.testing.assert_allclose(range_mm - range_mm.mean(), expected - expected.mean(), atol=0.1)
    assert np.degrees(np.arctan2(*scene.points_m.mean(axis=0)[:2])) == pytest.approx(azimuth_deg, abs=2)
    assert scene.on_chest(scene.points_m, 1e-6).all()
    assert not scene.on_chest(scene.points_m + [0, 0.1, 0]).any()


def test_acceleration_is_the_second_derivative():
    scene, t = Scene(), np.arange(10, 12, 1e-3)
    motion = scene.cardiac_mm(t, scene.points_m)
    expected = np.gradient(np.gradient(motion, 1e-3, axis=0), 1e-3, axis=0)
    error = scene.cardiac_mm_s2(t, scene.points_m) - expected
    assert np.abs(error[2:-2]).max() < 0.01 * np.abs(expected).max()


def test_the_radar_measures_the_motion_of_the_chest(mmecg):
    scene, chirp = SCENES["breathing"], replace(mmecg, frame_period_s=0.02)
    seen = np.unwrap(np.angle(profiles(chirp, scene, 0, 4)[:, 0, 10])) * chirp.wavelength_m * 1e3 / (4 * math.pi)
    breath = scene.body.breath_mm(np.arange(200) * 0.02)
    assert np.ptp(seen) == pytest.approx(np.ptp(breath), rel=0.05)
    assert np.corrcoef(seen, breath)[0, 1] > 0.995


def test_an_extensive_movement_leaves_its_bin_and_outruns_the_phase_and_a_mild_one_does_not(mmecg):
    t = np.arange(19, 24, mmecg.frame_period_s)
    middle_m = {name: SCENES[name].positions_m(t).mean(axis=1)[:, 1] for name in ("rbm_mild", "rbm_extensive")}
    steps = {name: np.abs(np.diff(y)).max() / (mmecg.wavelength_m / 4) for name, y in middle_m.items()}
    assert steps["rbm_extensive"] > 1 > 2 * steps["rbm_mild"]
    assert np.ptp(middle_m["rbm_extensive"]) > 1.5 * mmecg.range_bin_m > 3 * np.ptp(middle_m["rbm_mild"])
    chirp = replace(mmecg, frame_period_s=0.02)
    power = np.abs(profiles(chirp, SCENES["rbm_extensive"], 19.9, 2.8)).mean(axis=1)[:, 8:16]
    assert np.ptp(power.argmax(axis=1)) >= 2
    assert not SCENES["rbm_extensive"].body.moving(np.array([19.9, 22.6])).any()
    assert SCENES["rbm_extensive"].body.moving(np.array([20.1, 22.4])).all()


def test_a_person_who_leaves_removes_the_chest_echo_but_not_the_room(mmecg):
    scene = SCENES["leaving"]
    seated, walking, gone, back = (
        np.abs(profiles(mmecg, scene, at_s, 0.05)).mean(axis=(0, 1)) for at_s in (19.9, 21, 27, 35.1)
    )
    assert gone[8:13].max() < 0.1 * seated[8:13].max()
    assert back[8:13].max() == pytest.approx(seated[8:13].max(), rel=0.3)
    assert walking[30:40].max() > 5 * gone[30:40].max()  # half way, between the table and the wall
    for room in (slice(0, 4), slice(56, 60)):
        np.testing.assert_allclose(gone[room], seated[room], rtol=0.02)
    np.testing.assert_array_equal(scene.in_view(np.array([21.0, 27.0, 34.0])), [True, False, True])


def test_a_phase_step_turns_all_echoes_equally(mmecg):
    step = SCENES["phase_steps"].phase_steps[0]
    around = profiles(mmecg, SCENES["phase_steps"], step.start_s - 0.005, 0.01)
    for place in (1, 10, 58):  # leakage, chest, wall
        turned = np.angle(around[1, :, place] * around[0, :, place].conj())
        np.testing.assert_allclose(turned, step.rad, atol=0.25)


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


def test_the_process_streams_in_real_time_and_gives_the_truth(mmecg):
    port, truth_port = DataPort("127.0.0.1", 0, mmecg.frame_bytes), free_port()
    command = [sys.executable, "-m", "edge", "twin", "--cfg", mmecg.source, "--port", str(port.port)]
    command += ["--truth-port", str(truth_port), "--heart-rate-bpm", "80"]
    out = []
    with child(command, stderr=subprocess.DEVNULL) as twin:
        for frame in port.frames():
            assert twin.poll() is None, "the twin ended"
            if frame is not None:
                out.append((time.monotonic(), frame))
            if len(out) == 601:
                break
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(5)
            asker.sendto(b'{"window_s": 20}', ("127.0.0.1", truth_port))
            truth = json.loads(asker.recv(65536))
            asker.sendto(b"what?", ("127.0.0.1", truth_port))
            assert json.loads(asker.recv(65536)).keys() == truth.keys()
        twin.send_signal(signal.SIGTERM)
        assert twin.wait(timeout=5) == 0
    port.close()
    seqs = [frame.seq for _, frame in out]
    assert seqs == sorted(set(seqs))
    # a loaded machine may lose datagrams; the twin sends complete frames.
    assert sum(not frame.complete for _, frame in out) + seqs[-1] - 600 <= 12
    assert out[-1][0] - out[0][0] > 2.8  # never faster than the radar; a loaded machine may be slower
    assert truth["heart_rate_bpm"] == pytest.approx(80, rel=0.1)
    assert truth["frames_sent"] >= 601
    iq = decode(out[0][1].data, mmecg.frame_shape, "sdk")
    assert 100 < np.abs(iq).max() < 20000


@pytest.mark.parametrize("trigger", [1, 2])
def test_the_twin_stops_after_the_frames_that_are_asked_for(mmecg, monkeypatch, trigger):
    monkeypatch.setattr(dca1000_emulator, "EmulatedCard", partial(EmulatedCard, tail_s=0.05))
    chirp = replace(mmecg, frames=6, trigger=trigger)
    port, stopping = DataPort("127.0.0.1", 0, mmecg.frame_bytes), threading.Event()
    twin = dca1000_emulator.Dca1000Emulator(chirp, SCENES["still"], ("127.0.0.1", port.port), 0)
    thread = threading.Thread(target=twin.run, args=(stopping.is_set,))
    thread.start()
    frames = []
    for frame in port.frames():
        frames += [frame] if frame else []
        if len(frames) == 6:
            port.finish()
    stopping.set()
    thread.join()
    assert [(frame.seq, frame.complete) for frame in frames] == [(seq, True) for seq in range(6)]
    assert twin.frames_sent == 6


def test_a_tour_begins_like_a_person_who_sits_still_then_moves_leaves_and_returns():
    tour, t_s = SCENES["tour"], np.arange(0, 30, 0.25)
    np.testing.assert_array_equal(tour.positions_m(t_s), SCENES["still"].positions_m(t_s))
    done = [tour.activity(at_s) for at_s in (0.0, 31.9, 33.0, 36.0, 51.0, 61.0, 63.0)]
    assert done == ["sits still", "sits still", "moves", "sits still", "is away", "is away", "sits still"]
