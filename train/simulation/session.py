"""Draws the session of a trial: breathing, movements, heart rate and noise of one person.

A session contains all random parameters of a trial. Both the fast simulation (`trial`) and the one with raw radar
frames (`slow_motion`) start from the same session.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import signal

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Float64
from edge.twin.body import Body, Movement, Unrest
from edge.twin.breathing import Breaths
from edge.twin.heart import Heart
from edge.twin.rhythm import Fibrillation, OverTime, Rhythm, Sinus, WithEctopics
from edge.twin.scene import Scene
from train.data.trial import Status
from train.simulation import ranges
from train.simulation.ranges import Range, StatusRanges
from train.simulation.subject import Subject

_MARGIN_S = 5.0  # breathing and unrest start before the trial and end after it


@dataclass(frozen=True)
class Session:
    """Trial `number` (from 1) of a subject. `seed` is for the random numbers of the measurement."""

    subject: Subject
    number: int
    status: Status
    seconds: float
    scene: Scene
    slips: tuple[tuple[float, float], ...]
    """Time of each phase slip, and its point as a fraction of the number of points."""
    ecg_noise_mv: float
    wander_mv: float
    seed: tuple[int, ...]


def draw_session(subject: Subject, number: int, seconds: float) -> Session:
    """Draw trial `number` of the subject, with a random status."""
    seed = (*subject.seed, number)
    rng = np.random.default_rng(seed)
    status: Status = rng.choice(list(ranges.STATUSES), p=list(ranges.STATUSES.values())).item()
    of_status = ranges.STATUS[status]
    breaths = _breaths(rng, of_status, seconds)
    heart = _heart(rng, subject, of_status, breaths)
    moved = _movements(rng, of_status.mild_per_minute, ranges.MILD_MM, ranges.MILD_S, seconds)
    moved += _movements(rng, of_status.extensive_per_minute, ranges.EXTENSIVE_MM, ranges.EXTENSIVE_S, seconds)
    body = Body(breaths=breaths, movements=tuple(moved), unrest=_unrest(rng, heart, seconds))
    slips = rng.poisson(ranges.SLIPS_PER_TRIAL.draw(rng))
    return Session(
        subject=subject,
        number=number,
        status=status,
        seconds=seconds,
        scene=Scene(
            heart=heart,
            body=body,
            spread=subject.spread,
            range_m=ranges.RANGE_M.draw(rng),
            azimuth_deg=ranges.AZIMUTH_DEG.draw(rng),
            noise_counts=ranges.NOISE_COUNTS.draw(rng),
            phase_noise_rad=ranges.PHASE_NOISE_RAD.draw(rng),
            chest_seed=subject.chest_seed,
        ),
        slips=tuple((float(at_s), float(point)) for at_s, point in rng.uniform((0, 0), (seconds, 1), (slips, 2))),
        ecg_noise_mv=ranges.ECG_NOISE_MV.draw(rng),
        wander_mv=ranges.WANDER_MV.draw(rng),
        seed=seed,
    )


def _breaths(rng: np.random.Generator, of_status: StatusRanges, seconds: float) -> Breaths:
    mean_s = 60 / max(6.0, of_status.breaths_bpm.draw(rng))
    depth_mm, irregular = of_status.depth_mm.draw(rng), of_status.irregular.draw(rng)
    in_share, out_share = ranges.IN_SHARE.draw(rng), ranges.OUT_SHARE.draw(rng)
    count = math.ceil(2.5 * (seconds + 2 * _MARGIN_S) / mean_s)
    length_s = mean_s * np.exp(irregular * np.clip(rng.standard_normal(count), -2, 2))
    pause_s = np.where(rng.random(count) < of_status.pause_share, [ranges.PAUSE_S.draw(rng) for _ in range(count)], 0)
    start_s = np.cumsum(length_s + pause_s) - length_s - pause_s - _MARGIN_S - rng.uniform(0, mean_s)
    depth = depth_mm * (length_s / mean_s) ** 0.5 * np.exp(irregular * rng.standard_normal(count))
    if of_status.recovery_s < seconds:  # after effort, breaths become shallower
        depth *= 1 - ranges.RECOVERY_DEPTH * (1 - np.exp(-np.maximum(start_s, 0) / of_status.recovery_s))
    return Breaths(start_s, in_share * length_s, out_share * length_s, depth)


def _heart(rng: np.random.Generator, subject: Subject, of_status: StatusRanges, breaths: Breaths) -> Heart:
    faster_bpm, recovery_s = of_status.faster_bpm.draw(rng), of_status.recovery_s
    max_bpm = ranges.MAX_FIBRILLATION_BPM if subject.rhythm == "af" else ranges.MAX_BPM

    def rate_bpm(t_s: float) -> float:
        return min(max_bpm, max(40.0, subject.resting_bpm + faster_bpm * math.exp(-max(t_s, 0) / recovery_s)))

    calm = min(1.0, subject.resting_bpm / rate_bpm(0)) ** ranges.EFFORT_CALM
    return Heart(
        seed=int(rng.integers(2**32)),
        rhythm=_rhythm(subject, rate_bpm, breaths.state, calm),
        mechanics=subject.mechanics,
        breath=breaths.state,
    )


def _rhythm(subject: Subject, rate_bpm: OverTime, breath: OverTime, calm: float) -> Rhythm:
    """Return the subject's rhythm; `calm` scales the variation of the cycles."""
    if subject.rhythm == "af":
        return Fibrillation(rate_bpm, subject.rhythm_spread * math.sqrt(calm))
    depths = calm * subject.breath_depth, calm * subject.mayer_depth
    drift = tuple((memory, calm * kick) for memory, kick in subject.drift)
    sinus = Sinus(rate_bpm, breath, *depths, drift, calm * subject.jitter)
    if subject.rhythm == "ectopic":
        return WithEctopics(
            sinus,
            subject.ectopic_share,
            subject.ectopic_coupling,
            subject.ectopic_coupling_spread,
            subject.ectopic_every,
            subject.ectopic_atrial,
        )
    return sinus


def _movements(
    rng: np.random.Generator, per_minute: float, size_mm: Range, length_s: Range, seconds: float
) -> list[Movement]:
    moved = []
    for start_s in np.sort(rng.uniform(0, seconds, rng.poisson(per_minute * seconds / 60))).tolist():
        whole_s, largest_mm = length_s.draw(rng), size_mm.draw(rng)
        for _ in range(round(ranges.MOVEMENT_PARTS.draw(rng))):
            share = ranges.PART_SHARE.draw(rng)
            begin_s = start_s + rng.uniform(0, 1 - share) * whole_s
            away_mm, aside = largest_mm * rng.uniform(-1, 1), rng.uniform(-0.5, 0.5)
            moved.append(Movement(begin_s, share * whole_s, away_mm, aside * away_mm))
    return moved


def _unrest(rng: np.random.Generator, heart: Heart, seconds: float) -> Unrest:
    """Draw band noise of varying strength, relative to the heart's acceleration, and a slow sway."""
    samples = round((seconds + _MARGIN_S) * RCG_RATE_HZ)
    beating = heart.displacement_mm(np.arange(samples) / RCG_RATE_HZ)
    rms_mm_s2 = float(np.diff(beating, 2).std()) * RCG_RATE_HZ**2
    middle_hz, half = ranges.UNREST_HZ.draw(rng), 2 ** (ranges.UNREST_OCTAVES / 2)
    noise = rng.standard_normal((3, samples))
    band = signal.butter(2, (middle_hz / half, middle_hz * half), "bandpass", fs=RCG_RATE_HZ, output="sos")
    shaking = _spectrally_integrated(signal.sosfilt(band, noise[0]))
    strength = np.exp(0.5 * _low_passed(noise[1], 0.3))
    sway = ranges.SWAY_MM.draw(rng) * _low_passed(noise[2], ranges.SWAY_HZ)
    wanted = ranges.UNREST_TO_HEART.draw(rng) * rms_mm_s2
    shaking *= wanted / (float(np.diff(shaking, 2).std()) * RCG_RATE_HZ**2)
    return Unrest(shaking * strength + sway, RCG_RATE_HZ)


def _spectrally_integrated(acceleration: Float64) -> Float64:
    """Integrate twice, up to a factor; components below 0.5 Hz are attenuated."""
    spectrum = np.fft.rfft(acceleration)
    omega = 2 * np.pi * np.fft.rfftfreq(len(acceleration), 1 / RCG_RATE_HZ)
    return np.asarray(np.fft.irfft(spectrum / np.maximum(omega, np.pi) ** 2, len(acceleration)))


def _low_passed(noise: Float64, below_hz: float) -> Float64:
    """Low-pass white noise and scale it to rms 1; order 4, so that also its acceleration is smooth."""
    smooth = signal.sosfilt(signal.butter(4, below_hz, fs=RCG_RATE_HZ, output="sos"), noise)
    return np.asarray(smooth / smooth.std())
