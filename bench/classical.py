"""Compares the classical heart rate with a simple method on real recordings that have a reference.

    pip install -e '.[bench]' && python bench/classical.py [FOLDER OF RECORDINGS]

The simple method ("plain") processes each 10 s window independently: band 2-20 Hz, Hilbert envelope 0.5-4 Hz,
autocorrelation summed over the channels, strongest peak. Ours is the tracker with the evidence of the motion alone.
Both receive the same displacement and are evaluated once a second, from 6 s on; "right" means within max(5 bpm, 10 %)
of the reference's mean rate in the last 10 s. "Published" rates pass the limit of confidence. If a belt measured the
breathing rate, the last column is our median error, from 9 s on. The filters' bands were chosen on these recordings,
except cw_iq; the tracker's weights were not.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import neurokit2 as nk
import numpy as np
from scipy import io, signal

from edge.core.spec import RCG_RATE_HZ, WINDOW_S
from edge.core.types import Chest, RcgBlock
from edge.dsp.frontend.phase import PhaseTracker, Resampler, SecondDerivative
from edge.vitals.breathing_rate import BreathingEstimator
from edge.vitals.heart_motion import HeartMotion
from edge.vitals.quality import tolerance_bpm
from edge.vitals.quality_model import QUALITY_MODEL
from edge.vitals.rate_tracker import RateTracker

BGT60_WAVELENGTH_M = 299_792_458 / 60.75e9
CW_RATE_HZ, CW_HEART_BPM, CW_BREATHING_BPM = 2560, 58.5, 11.4  # one rate each for the whole recording


@dataclass
class Record:
    displacement_mm: np.ndarray  # [channel, n] at RCG_RATE_HZ
    r_peaks_s: np.ndarray
    breathing_bpm: float = math.nan


def resampled(x: np.ndarray, rate_hz: float) -> np.ndarray:
    return Resampler(rate_hz, RCG_RATE_HZ).push(x, np.ones(x.shape[1], bool))[0]


def r_peaks_s(ecg: np.ndarray, rate_hz: int) -> np.ndarray:
    up = signal.resample_poly(ecg, 5, 1)
    _, found = nk.ecg_peaks(nk.ecg_clean(up, sampling_rate=5 * rate_hz), sampling_rate=5 * rate_hz)
    return np.asarray(found["ECG_R_Peaks"]) / (5 * rate_hz)


def ustc_af(folder: Path) -> Iterator[Record]:
    for path in sorted(folder.glob("*.mat")):
        mat = io.loadmat(path)
        radar = np.asarray(mat["Radar_data"], float).reshape(1000, 9).T
        yield Record(resampled(radar, 100.0), r_peaks_s(np.ravel(mat["ECG_data"]).astype(float), 100))


def phase80(folder: Path) -> Iterator[Record]:
    for path in sorted((folder / "radar").glob("*.npy")):
        phase = np.load(path).astype(float)[None]
        yield Record(resampled(phase, 80.0), r_peaks_s(np.load(folder / "ecg" / path.name).astype(float), 80))


def bgt60(folder: Path) -> Iterator[Record]:
    for path in sorted(folder.glob("*.npz")):
        echo = np.load(path)["z_tau"].reshape(-1, 1)
        displacement, _ = PhaseTracker(BGT60_WAVELENGTH_M).push(list(range(len(echo))), echo)
        peaks = np.loadtxt(path.with_suffix(".r_peaks.csv"), delimiter=",", skiprows=1)
        yield Record(resampled(displacement, 36.0), peaks[:, 0])


def cw_iq(folder: Path) -> Iterator[Record]:
    mat = io.loadmat(folder / "data1.mat")
    iq = on_circle(np.ravel(mat["radar_I"]), np.ravel(mat["radar_Q"]))
    # Decimate before the arctangent, so that noise causes no phase jumps; the scale in mm does not affect a rate.
    phase = np.unwrap(np.angle(signal.resample_poly(iq, 1, 8)))
    displacement = resampled(phase[None], CW_RATE_HZ / 8)
    beats_s = np.arange(0, displacement.shape[1] / RCG_RATE_HZ, 60 / CW_HEART_BPM)
    yield Record(displacement, beats_s, CW_BREATHING_BPM)


def on_circle(i: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Corrects offset and imbalance of I/Q: maps the ellipse a i^2 + b i q + c q^2 + d i + e q = 1 to a circle."""
    i, q = i / np.abs(i).max(), q / np.abs(i).max()
    terms = np.stack([i * i, i * q, q * q, i, q], axis=1)
    a, b, c, d, e = np.linalg.lstsq(terms, np.ones(len(i)), rcond=None)[0]
    shape = np.array([[a, b / 2], [b / 2, c]])
    centre = np.linalg.solve(shape, [-d / 2, -e / 2])
    x, y = np.linalg.cholesky(shape).T @ (np.stack([i, q]) - centre[:, None])
    return x + 1j * y


SETS = {"ustc_af": ustc_af, "phase80": phase80, "bgt60": bgt60, "cw_iq": cw_iq}


def plain(window_mm: np.ndarray) -> float:
    band = signal.butter(2, (2, 20), "bandpass", output="sos", fs=RCG_RATE_HZ)
    beat = signal.butter(2, (0.5, 4), "bandpass", output="sos", fs=RCG_RATE_HZ)
    envelope = np.abs(signal.hilbert(signal.sosfiltfilt(band, window_mm)))
    envelope = signal.sosfiltfilt(beat, envelope)
    n = envelope.shape[1]
    correlation = np.fft.irfft(np.square(np.abs(np.fft.rfft(envelope, 2 * n))).sum(axis=0))
    lags = np.arange(math.ceil(RCG_RATE_HZ * 60 / 160), RCG_RATE_HZ * 60 // 45 + 1)
    return float(60 * RCG_RATE_HZ / lags[correlation[lags].argmax()])


def follow(record: Record) -> Iterator[tuple[float, float, float, bool, float]]:
    """Returns (truth, plain, ours, whether ours passes the thresholds, breathing error or NaN) once a second."""
    x = record.displacement_mm
    _, rcg, covered = SecondDerivative(RCG_RATE_HZ).push(x, np.ones(x.shape[1], bool))
    weights = np.full(len(x), 1 / len(x))
    motion, tracker, breathing = HeartMotion(), RateTracker(), BreathingEstimator()
    window = round(WINDOW_S * RCG_RATE_HZ)
    for start in range(0, x.shape[1] - RCG_RATE_HZ + 1, RCG_RATE_HZ):
        part = slice(start, start + RCG_RATE_HZ)
        block = RcgBlock(0, x[:, part], rcg[:, part], weights, covered[part], 0.0, Chest(0.5, 30, True), start == 0)
        motion.push(block)
        breathing.push(block)
        breaths_bpm = breathing.estimate().bpm
        ours = tracker.update(motion.evidence())
        now_s = part.stop / RCG_RATE_HZ
        peaks = record.r_peaks_s[(record.r_peaks_s > now_s - WINDOW_S) & (record.r_peaks_s <= now_s)]
        if ours.bpm is not None and len(peaks) > 3:
            truth = 60 / float(np.diff(peaks).mean())
            sure = ours.confidence >= QUALITY_MODEL.tracker.needed
            breathing_error = math.nan if breaths_bpm is None else abs(breaths_bpm - record.breathing_bpm)
            yield truth, plain(x[:, max(0, part.stop - window) : part.stop]), ours.bpm, sure, breathing_error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "recordings", type=Path, metavar="FOLDER", help="folder with one subfolder per set of real recordings"
    )
    root = parser.parse_args().recordings
    print("set        seconds  plain right  ours right  ratio   published  of these right  breathing off by")
    for name, read in SETS.items():
        rows = np.array([row for record in read(root / name) for row in follow(record)])
        tolerance = np.array([tolerance_bpm(true_bpm) for true_bpm in rows[:, 0]])
        plain_right = np.abs(rows[:, 1] - rows[:, 0]) <= tolerance
        ours_right = np.abs(rows[:, 2] - rows[:, 0]) <= tolerance
        published = rows[:, 3] > 0
        breathing = rows[np.isfinite(rows[:, 4]), 4]
        print(
            f"{name:<10} {len(rows):>7} {plain_right.mean():>12.1%} {ours_right.mean():>11.1%}"
            f" {ours_right.mean() / plain_right.mean():>6.2f} {published.mean():>11.1%}"
            f" {f'{ours_right[published].mean():.1%}' if published.any() else '-':>15}"
            f" {f'{np.median(breathing):.1f} /min' if len(breathing) else '':>17}"
        )


if __name__ == "__main__":
    main()
