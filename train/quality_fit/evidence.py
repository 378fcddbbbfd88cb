"""Evidence about the heart rate, second by second, with the true rate, from simulated and from open real people.

People of five kinds:

    simulated  as for training, with all their disturbances
    weak       the same with few points, white noise of the displacement, and a low frame rate: mostly the pulse remains
    raw        from raw frames through the whole chain, undisturbed, with a weak echo or with lost packets: not learnt
               from, but the limits are chosen on them, too
    real       seismocardiograms of MSCardio's people who may be trained on, where they are clear
    noisy      the same with noise
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import signal

from edge.core.spec import RCG_RATE_HZ, VITALS_PERIOD_S
from edge.core.types import Float32, Float64
from edge.dsp.frontend.phase import SecondDerivative
from edge.inference.loader import load_network
from edge.pipeline import Pipeline
from edge.radar.chirp import ChirpConfig
from edge.vitals.rate_evidence import RATES_BPM, SOURCES
from train.data.motion_beats import find_motion_beats
from train.data.readers import mscardio
from train.data.readers.motion import integrated
from train.simulation.scenarios import Scenario, draw_scenario, feed_rcg, frames, true_bpm
from train.simulation.session import draw_session
from train.simulation.subject import draw_subject
from train.simulation.trial import simulate

SECONDS = 60
FIRST_S = 6.5  # before, there is hardly any evidence
WEAK_POINTS = (1, 1, 2, 4, 8)
WEAK_FRAME_RATES_HZ = (200.0, 80.0, 36.0, 20.0)
NOISE_DB = {"weak": (-6.0, 28.0), "noisy": (-8.0, 4.0)}  # above the vibration, in VIBRATION_HZ
VIBRATION_HZ = (4.0, 20.0)
RAW_KINDS = ("undisturbed", "weak", "weak", "heavy loss")  # the people in turn

_ROWS = sum(len(features) for features in SOURCES.values())


class Track(NamedTuple):
    """One person: features [SECONDS, k, R] of all sources, their strengths [SECONDS, 5], and the true rate [SECONDS].

    A source that is absent is 0. The true rate is NaN where it is not known.
    """

    features: Float32
    strengths: Float32
    true_bpm: Float64


def simulated_track(chirp: ChirpConfig, seed: int, person: int, is_weak: bool) -> Track:
    """Return the track of a simulated person."""
    trial = simulate(draw_session(draw_subject(seed, person), 1, float(SECONDS)), SECONDS * RCG_RATE_HZ)
    rcg = trial.rcg.astype(np.float64)
    if is_weak:
        rng = np.random.default_rng((seed, person))
        rcg = rcg[np.sort(rng.choice(len(rcg), rng.choice(WEAK_POINTS), replace=False))]
        white = SecondDerivative(RCG_RATE_HZ).push(rng.standard_normal(rcg.shape), np.ones(rcg.shape[1], bool))[1]
        rcg = _with_noise(rcg, white, rng.uniform(*NOISE_DB["weak"]))
        frame_rate_hz = rng.choice(WEAK_FRAME_RATES_HZ)
        if frame_rate_hz < RCG_RATE_HZ:
            low = signal.butter(4, 0.45 * frame_rate_hz, fs=RCG_RATE_HZ, output="sos")
            rcg = np.asarray(signal.sosfilt(low, rcg))
    r_peaks_s = trial.r_peaks_s
    assert r_peaks_s is not None
    return _rcg_track(chirp, rcg, lambda now_s: true_bpm(r_peaks_s, now_s))


def raw_track(chirp: ChirpConfig, seed: int, person: int) -> Track:
    """Return the track of a simulated person whose raw frames go through the whole chain."""
    scenario = draw_scenario(RAW_KINDS[person % len(RAW_KINDS)], seed, person, chirp)
    beats_s = scenario.session.scene.heart.beats_s(0, SECONDS)
    pipeline = _pipeline(chirp)
    return _track(pipeline, _feed_frames(pipeline, scenario, chirp), lambda now_s: true_bpm(beats_s, now_s))


def real_track(chirp: ChirpConfig, folder: Path, index: int, is_noisy: bool) -> Track:
    """Return the track of the first recording of the person number `index`, from 0, of `real_people`."""
    recording = real_people(folder)[index]
    x = recording.acceleration_mm_s2
    beats = find_motion_beats(x)
    rate_bpm = np.full(SECONDS, np.nan)
    known = np.where(beats.clear, beats.bpm, np.nan)[:SECONDS]
    rate_bpm[: len(known)] = known
    x = x[None, : SECONDS * RCG_RATE_HZ]
    if is_noisy:
        rng = np.random.default_rng(recording.person)
        white = rng.standard_normal(x.shape)
        for _ in range(rng.choice(3)):  # derivatives: white acceleration, velocity or displacement
            white = np.gradient(white, axis=1)
        x = _with_noise(x, white, rng.uniform(*NOISE_DB["noisy"]))
    return _rcg_track(chirp, x, lambda now_s: rate_bpm[round(now_s) - 1])


@cache
def real_people(folder: Path) -> list[mscardio.Seismocardiogram]:
    """Return the first recording of each person who may be trained on. Raises TrialError."""
    first: dict[int, mscardio.Seismocardiogram] = {}
    for recording in mscardio.read_recordings(folder):
        if not recording.is_test:
            first.setdefault(recording.person, recording)
    return list(first.values())


def _with_noise(x: Float64, noise: Float64, level_db: float) -> Float64:
    """Return x [P, n] with noise that is level_db above the median vibration of its channels in VIBRATION_HZ."""
    band = signal.butter(2, VIBRATION_HZ, "bandpass", fs=RCG_RATE_HZ, output="sos")
    power, noise_power = (np.median(signal.sosfiltfilt(band, y) ** 2) for y in (x, noise))
    return np.asarray(x + noise * np.sqrt(power / noise_power * 10 ** (level_db / 10)))


def _pipeline(chirp: ChirpConfig) -> Pipeline:
    return Pipeline(chirp, lambda: True, network=load_network(threads=1).begin)


def _feed_frames(pipeline: Pipeline, scenario: Scenario, chirp: ChirpConfig) -> Iterator[float]:
    """Pass the frames of a scenario to the pipeline; yield the time at every full second."""
    due_s = VITALS_PERIOD_S
    for frame in frames(scenario, chirp):
        pipeline.push(frame)
        if frame.t_ns * 1e-9 >= due_s:
            yield due_s
            due_s += VITALS_PERIOD_S


def _rcg_track(chirp: ChirpConfig, rcg: Float64, true_at: Callable[[float], float]) -> Track:
    pipeline = _pipeline(chirp)
    return _track(pipeline, feed_rcg(pipeline, rcg, integrated(rcg)), true_at)


def _track(pipeline: Pipeline, seconds: Iterator[float], true_at: Callable[[float], float]) -> Track:
    """Collect the evidence at each of the `seconds`; the true rate at a time is `true_at`."""
    features = np.zeros((SECONDS, _ROWS, len(RATES_BPM)), np.float32)
    strengths = np.zeros((SECONDS, len(SOURCES)), np.float32)
    true = np.full(SECONDS, np.nan)
    for now_s in seconds:
        sources, second = pipeline.collect_evidence(round(now_s * 1e9)).sources, round(now_s) - 1
        row = 0
        for number, (name, names) in enumerate(SOURCES.items()):
            if name in sources:
                features[second, row : row + len(names)] = sources[name].features
                strengths[second, number] = sources[name].strength
            row += len(names)
        if now_s >= FIRST_S:
            true[second] = true_at(now_s)
    return Track(features, strengths, true)
