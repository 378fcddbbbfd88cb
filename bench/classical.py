"""The classical heart rate on real recordings with a reference, side by side with the plain method.

    pip install -e '.[bench]' && python bench/classical.py [FOLDER OF RECORDINGS]

The plain method takes each 10 s window by itself: band 2-20 Hz, Hilbert envelope 0.5-4 Hz, autocorrelation summed
over the channels, strongest peak. Ours is `edge.dsp.classical`, streaming. Both see the same displacement and are
asked once a second, from 6 s on; "right" is within max(5 bpm, 10 %) of the mean rate of the reference in the last 10 s.
"Published" passes the gates of confidence and doubt; the runtime asks for 10 s of history beside.
The constants of `edge.dsp.classical` were chosen on these very recordings, so its figures here are optimistic.
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

from edge.dsp.breathing import BreathingEstimator
from edge.dsp.classical import HeartRateEstimator
from edge.dsp.phase import PhaseTracker, Resampler, SecondDerivative
from edge.frames import Chest, RcgBlock
from edge.spec import RCG_RATE_HZ, WINDOW_S
from edge.vitals.quality import CONFIDENCE_NEEDED

BGT60_WAVELENGTH_M = 299_792_458 / 60.75e9


@dataclass
class Record:
    displacement_mm: np.ndarray  # [channel, n] at RCG_RATE_HZ
    r_peaks_s: np.ndarray


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


SETS = {"ustc_af": ustc_af, "phase80": phase80, "bgt60": bgt60}


def plain(window_mm: np.ndarray) -> float:
    band = signal.butter(2, (2, 20), "bandpass", output="sos", fs=RCG_RATE_HZ)
    beat = signal.butter(2, (0.5, 4), "bandpass", output="sos", fs=RCG_RATE_HZ)
    envelope = np.abs(signal.hilbert(signal.sosfiltfilt(band, window_mm)))
    envelope = signal.sosfiltfilt(beat, envelope)
    n = envelope.shape[1]
    correlation = np.fft.irfft(np.square(np.abs(np.fft.rfft(envelope, 2 * n))).sum(axis=0))
    lags = np.arange(math.ceil(RCG_RATE_HZ * 60 / 160), RCG_RATE_HZ * 60 // 45 + 1)
    return float(60 * RCG_RATE_HZ / lags[correlation[lags].argmax()])


def follow(record: Record) -> Iterator[tuple[float, float, float, bool]]:
    """(truth, plain, ours, whether ours passes the gates) once a second."""
    x = record.displacement_mm
    _, rcg, covered = SecondDerivative(RCG_RATE_HZ).push(x, np.ones(x.shape[1], bool))
    weights = np.full(len(x), 1 / len(x))
    estimator, breathing, window = HeartRateEstimator(), BreathingEstimator(), round(WINDOW_S * RCG_RATE_HZ)
    for start in range(0, x.shape[1] - RCG_RATE_HZ + 1, RCG_RATE_HZ):
        part = slice(start, start + RCG_RATE_HZ)
        block = RcgBlock(0, x[:, part], rcg[:, part], weights, covered[part], 0.0, Chest(0.5, 30, True), start == 0)
        estimator.push(block)
        breathing.push(block)
        ours = estimator.update(breathing.estimate().bpm)
        now_s = part.stop / RCG_RATE_HZ
        peaks = record.r_peaks_s[(record.r_peaks_s > now_s - WINDOW_S) & (record.r_peaks_s <= now_s)]
        if ours.bpm is not None and len(peaks) > 3:
            truth = 60 / float(np.diff(peaks).mean())
            sure = ours.doubt is None and ours.confidence >= CONFIDENCE_NEEDED
            yield truth, plain(x[:, max(0, part.stop - window) : part.stop]), ours.bpm, sure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, nargs="?", default=Path(__file__).parents[2] / "shared" / "real")
    root = parser.parse_args().recordings
    print("set        seconds  plain right  ours right  ratio   published  of these right")
    for name, read in SETS.items():
        rows = np.array([row for record in read(root / name) for row in follow(record)])
        tolerance = np.maximum(5, 0.1 * rows[:, 0])
        plain_right = np.abs(rows[:, 1] - rows[:, 0]) <= tolerance
        ours_right = np.abs(rows[:, 2] - rows[:, 0]) <= tolerance
        published = rows[:, 3] > 0
        print(
            f"{name:<10} {len(rows):>7} {plain_right.mean():>12.1%} {ours_right.mean():>11.1%}"
            f" {ours_right.mean() / plain_right.mean():>6.2f} {published.mean():>11.1%}"
            f" {ours_right[published].mean():>15.1%}"
        )


if __name__ == "__main__":
    main()
