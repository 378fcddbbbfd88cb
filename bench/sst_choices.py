"""Compares each choice in the SST's definition with its alternatives, on the twin and on real phase recordings.

    pip install -e '.[bench]' && python bench/sst_choices.py [FOLDER OF RECORDINGS]

The reference is the transform of the whole recording, including the future, as in the paper. An error is the root of
the summed squared difference of magnitudes over that of the reference; windows are four seconds, several per recording.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import signal

from edge.core.spec import (
    RCG_RATE_HZ,
    SST_BIN_OCTAVES,
    SST_BINS,
    SST_LOW_HZ,
    SST_PAST,
    SST_PERIOD,
    SST_SCALES,
    SST_WINDOW,
)
from edge.dsp.frontend.phase import Resampler, SecondDerivative
from edge.dsp.sst.reference import extend, morlet
from edge.dsp.sst.transform import HighPass
from edge.twin.body import Body
from edge.twin.heart import Heart

FRAME_RATE_HZ = 60
FRAMES = SST_WINDOW * FRAME_RATE_HZ // RCG_RATE_HZ
MARGIN = 2000


def recordings(folder: Path) -> dict[str, np.ndarray]:
    """Returns RCG [n], not high-passed."""
    t_s = np.arange(60 * RCG_RATE_HZ) / RCG_RATE_HZ
    noise = np.random.default_rng(0).standard_normal(len(t_s))
    moved = {
        f"twin, breathing {mm:g} mm, noise {noise_mm * 1e3:g} um": Heart(seed=3).displacement_mm(t_s)
        + Body(breathing_mm=mm).displacement_mm(t_s)
        + noise_mm * noise
        for mm, noise_mm in ((6, 1e-4), (30, 1e-4), (6, 1e-3))
    }
    for path in sorted((folder / "phase80" / "radar").glob("*.npy"))[::8]:
        raw = np.load(path).astype(float)[None]
        moved[path.stem] = Resampler(80.0, RCG_RATE_HZ).push(raw, np.ones(raw.shape[1], bool))[0][0]
    derive = [SecondDerivative(RCG_RATE_HZ).push(x[None], np.ones(len(x), bool))[1][0] for x in moved.values()]
    return dict(zip(moved, derive, strict=True))


def sst(circle: np.ndarray, frame_rate_hz: int = FRAME_RATE_HZ) -> np.ndarray:
    """Returns |SST| [71, frames] of a circular signal of any length on a frame grid."""
    n = len(circle)
    frames = n * frame_rate_hz // RCG_RATE_HZ
    k = np.arange(1, n // 2)
    omega, spectrum = 2 * np.pi * k / n, np.fft.fft(circle)[1 : n // 2] * 2 / n
    squeezed = np.zeros((SST_BINS, frames), complex)
    for scale in SST_SCALES:
        band = spectrum * morlet(scale, omega)
        folded = np.zeros((2, frames), complex)
        np.add.at(folded[0], k % frames, band)
        np.add.at(folded[1], k % frames, band * omega)
        wavelet, derivative = np.fft.ifft(folded, norm="forward")
        power = np.maximum(np.abs(wavelet) ** 2, 1e-30)
        hz = (derivative * wavelet.conj()).real / power * RCG_RATE_HZ / (2 * np.pi)
        bins = np.floor(np.log2(np.maximum(hz, 1e-9) / SST_LOW_HZ) / SST_BIN_OCTAVES).astype(int)
        inside = np.nonzero((bins >= 0) & (bins < SST_BINS))[0]
        squeezed[bins[inside], inside] += wavelet[inside]
    return np.abs(squeezed)


def whole(x: np.ndarray, frame_rate_hz: int = FRAME_RATE_HZ) -> np.ndarray:
    """Returns |SST| of a whole recording, mirrored at its ends."""
    circle = np.zeros(-(-(len(x) + 2 * MARGIN) // RCG_RATE_HZ) * RCG_RATE_HZ)
    circle[: len(x) + 2 * MARGIN] = np.pad(x, MARGIN, mode="symmetric")
    first = MARGIN * frame_rate_hz // RCG_RATE_HZ
    return sst(circle, frame_rate_hz)[:, first : first + len(x) * frame_rate_hz // RCG_RATE_HZ]


def windows(x: np.ndarray) -> range:
    """Returns the ends of the windows to evaluate."""
    return range(1400, len(x) - 900, 900)


def edge_error(x: np.ndarray, truth: np.ndarray, past: int, look_ahead: int, continued: Callable) -> float:
    difference = total = 0.0
    for end in windows(x):
        circle = continued(x[end - SST_WINDOW - past : end + look_ahead], past)
        ours = sst(circle)[:, past * FRAME_RATE_HZ // RCG_RATE_HZ :][:, :FRAMES]
        theirs = truth[:, (end - SST_WINDOW) * FRAME_RATE_HZ // RCG_RATE_HZ :][:, :FRAMES]
        difference += float(((ours - theirs) ** 2).sum())
        total += float((theirs**2).sum())
    return float(np.sqrt(difference / total))


def predicted(segment: np.ndarray, past: int) -> np.ndarray:
    circle = extend(segment[-SST_PERIOD:]) if past <= SST_PAST else extend(segment[past - SST_PAST :])
    before = segment[: max(0, past - SST_PAST)]
    return np.concatenate([before, circle])[: past + SST_PERIOD - SST_PAST]


def mirrored(segment: np.ndarray, past: int) -> np.ndarray:
    length = past + SST_PERIOD - SST_PAST
    return np.pad(segment, (0, length - len(segment)), mode="symmetric")


def nothing(segment: np.ndarray, past: int) -> np.ndarray:
    return np.pad(segment, (0, past + SST_PERIOD - SST_PAST - len(segment)))


def edges(signals: dict[str, np.ndarray]) -> None:
    print("Error of a causal window, by the treatment of its ends")
    rows: dict[str, tuple[bool, int, int, Callable]] = {
        "ours: high-pass, 2 s of past, prediction": (True, 400, 0, predicted),
        "  without the high-pass": (False, 400, 0, predicted),
        "  mirrored instead of predicted": (True, 400, 0, mirrored),
        "  zeros instead of predicted": (True, 400, 0, nothing),
        "  no past": (True, 0, 0, predicted),
        "  1 s of past": (True, 200, 0, predicted),
        "  look-ahead 0.25 s": (True, 400, 50, predicted),
        "  look-ahead 0.5 s": (True, 400, 100, predicted),
    }
    filtered = {name: HighPass().push(x[None])[0] for name, x in signals.items()}
    truths = {(name, passed): whole((filtered if passed else signals)[name]) for name in signals for passed in (0, 1)}
    for title, (passed, past, look_ahead, continued) in rows.items():
        source = filtered if passed else signals
        errors = [edge_error(x, truths[name, int(passed)], past, look_ahead, continued) for name, x in source.items()]
        print(f"{title:44s}", *(f"{error:6.3f}" for error in errors), f"  mean {np.mean(errors):.3f}")


def averaging(signals: dict[str, np.ndarray]) -> None:
    print("\nCorrelation of 30 columns a second with |SST| at 200 Hz, low-passed at 13.5 Hz, by method")
    low_pass = signal.firwin(101, 13.5, fs=RCG_RATE_HZ)
    ways = {
        "30 frames a second": [1],
        "60, averaged 1 2 1 (ours)": [1, 2, 1],
        "60, 1 4 6 4 1": [1, 4, 6, 4, 1],
        "60, half-band of 7 (goes below 0)": [-1, 0, 9, 16, 9, 0, -1],
    }
    for title, taps in ways.items():
        row = []
        for x in (HighPass().push(x[None])[0] for x in signals.values()):
            fine = signal.filtfilt(low_pass, [1], whole(x, RCG_RATE_HZ), axis=1)[:, ::20]  # every third column
            frames = signal.convolve(whole(x), np.array([taps]) / sum(taps), mode="same")[:, ::6]
            n = min(fine.shape[1], frames.shape[1])
            row.append(np.corrcoef(fine[:, 50 : n - 50].ravel(), frames[:, 50 : n - 50].ravel())[0, 1])
        print(f"{title:44s}", *(f"{r:6.3f}" for r in row), f"  mean {np.mean(row):.3f}")


def scaling(signals: dict[str, np.ndarray]) -> None:
    print("\nSpread in dB of a beat's scaled height over a recording's windows, by the value scaled to 1")
    spreads: dict[str, list[float]] = {}
    for x in (HighPass().push(x[None])[0] for x in signals.values()):
        magnitude = whole(x)
        peak = magnitude.max(axis=0)
        heights: dict[str, list[float]] = {}
        for end in range(600, len(peak), FRAME_RATE_HZ):
            window, beat = magnitude[:, end - FRAMES : end], np.median(np.sort(peak[end - FRAMES : end])[-24:])
            age_s = np.arange(end)[::-1] / FRAME_RATE_HZ
            ones = {
                "the window's 0.1 % quantile (ours)": np.quantile(window, 0.999),
                "the window's largest cell": window.max(),
                "running maximum, 10 s": (peak[:end] * np.exp(-age_s / 10)).max(),
                "running maximum, 30 s": (peak[:end] * np.exp(-age_s / 30)).max(),
            }
            for name, one in ones.items():
                heights.setdefault(name, []).append(20 * np.log10(beat / one))
        for name, values in heights.items():
            spreads.setdefault(name, []).append(float(np.std(values)))
    for name, row in spreads.items():
        print(f"{name:44s}", *(f"{spread:6.2f}" for spread in row), f"  mean {np.mean(row):.2f}")


def main() -> None:
    signals = recordings(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/real"))
    for number, name in enumerate(signals):
        print(f"{number + 1}: {name}")
    print()
    edges(signals)
    averaging(signals)
    scaling(signals)


if __name__ == "__main__":
    main()
