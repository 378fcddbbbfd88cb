"""Compares the time of the SST in ssqueezepy, textbook numpy and ours, on the same 50 channels in one run.

    pip install -e '.[bench]' && python bench/sst.py

All receive the same samples: the 4 s window and the 2 s before it that its first columns need; one row shows ssqueezepy
with the 4 s alone. The contenders take turns, so that other load affects all of them equally; the result is the median
of ROUNDS turns. Ours starts from high-passed samples and ends with scaled columns 30 times a second; ssqueezepy ends
with the complex SST at 200 Hz. Ratios refer to its fastest setting with the same 90 scales.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np
import ssqueezepy
from ssqueezepy import Wavelet, ssq_cwt

from edge.core.spec import (
    RCG_RATE_HZ,
    SST_BIN_OCTAVES,
    SST_BINS,
    SST_LOW_HZ,
    SST_PAST,
    SST_SCALES,
    SST_WINDOW,
    SstSpec,
)
from edge.dsp.frontend.phase import SecondDerivative
from edge.dsp.sst.reference import extend, morlet, sst_reference
from edge.dsp.sst.transform import HOP, HighPass, Sst
from edge.twin.body import Body
from edge.twin.heart import Heart

CHANNELS = 50
ROUNDS = 40
FAST = SstSpec(frame_rate_hz=30)
BIN_CENTRES_HZ = (SST_LOW_HZ * 2 ** ((np.arange(SST_BINS) + 0.5) * SST_BIN_OCTAVES)).astype(np.float32)
MORLET = Wavelet(("morlet", {"mu": 6, "dtype": "float32"}))


def chest() -> np.ndarray:
    """Returns RCG [50, n], high-passed: one chest, with independent noise in each channel."""
    t_s = np.arange(20 * RCG_RATE_HZ) / RCG_RATE_HZ
    moved = Heart().displacement_mm(t_s) + Body().displacement_mm(t_s)
    rows = moved + np.random.default_rng(0).normal(0, 3e-4, (CHANNELS, len(t_s)))
    return HighPass().push(SecondDerivative(RCG_RATE_HZ).push(rows, np.ones(len(t_s), bool))[1]).astype(np.float32)


def theirs(x: np.ndarray, **settings: object) -> np.ndarray:
    return ssq_cwt(x, MORLET, scales=np.array(SST_SCALES, "f4"), fs=RCG_RATE_HZ, ssq_freqs=BIN_CENTRES_HZ, **settings)[
        0
    ]


def textbook(x: np.ndarray) -> np.ndarray:
    """Computes every scale at every sample with whole-array numpy."""
    n = 2048
    spectrum = np.fft.fft(np.pad(x, ((0, 0), (0, n - x.shape[1])))).astype(np.complex64)
    omega = 2 * np.pi * np.fft.fftfreq(n)
    cells = np.zeros((len(x), SST_BINS + 1, n), np.complex64)
    channel, sample = np.arange(len(x))[:, None], np.arange(n)
    for scale in SST_SCALES:
        band = spectrum * np.where(omega > 0, morlet(scale, np.maximum(omega, 1e-9)), 0).astype(np.float32)
        wavelet = np.fft.ifft(band).astype(np.complex64)
        turned = np.fft.ifft(band * omega.astype(np.float32)).astype(np.complex64) * wavelet.conj()
        power = np.maximum(np.square(np.abs(wavelet)), 1e-30)
        place = np.log2(np.maximum(turned.real / power * RCG_RATE_HZ / (2 * np.pi), 1e-9) / SST_LOW_HZ)
        bins = np.floor(place / SST_BIN_OCTAVES)
        rows = np.where((bins >= 0) & (bins < SST_BINS), bins, SST_BINS).astype(int)
        cells[channel, rows, sample] += wavelet
    return cells


def contenders(x: np.ndarray) -> dict[str, Callable[[], object]]:
    """Returns the calls by name; each sets the environment variables that ssqueezepy reads."""
    now = np.ascontiguousarray(x[:, -SstSpec().segment :])
    window = np.ascontiguousarray(x[:, -SST_WINDOW:])
    calls: dict[str, Callable[[], object]] = {
        "ssqueezepy, its defaults": lambda: ssq_cwt(now, fs=RCG_RATE_HZ),
        "ssqueezepy, 90 scales, batched": lambda: theirs(now),
        "ssqueezepy, 90 scales, batched, cached": lambda: theirs(now, cache_wavelet=True, nan_checks=False),
        "ssqueezepy, 90 scales, channel by channel": lambda: [theirs(row, cache_wavelet=True) for row in now],
        "ssqueezepy, 90 scales, the 4 s alone": lambda: theirs(window, cache_wavelet=True, nan_checks=False),
        "numpy, textbook": lambda: textbook(now),
    }
    for threads in (1, 2):
        for name, spec, hop in (
            ("ours, full", SstSpec(), None),
            ("ours, incremental", SstSpec(), HOP),
            ("ours, full, 30 Hz frames", FAST, None),
            ("ours, incremental, 30 Hz frames", FAST, HOP),
        ):
            transform = Sst(CHANNELS, spec, hop, threads)
            calls[f"{name}, {threads} thread{'s' * (threads > 1)}"] = lambda t=transform: t(now)
    return calls


def correlations(x: np.ndarray) -> tuple[float, float, float]:
    """Of ours with the float64 definition, and with ssqueezepy on the same circle (rows it computes alike).

    Third, the share of cells that differ from the definition by more than 1e-4 of the maximum: in float32, some
    coefficients on a bin's edge fall to its other side.
    """
    segment = np.ascontiguousarray(x[:8, -SstSpec().segment :])
    ours = Sst(8)(segment).values
    definition = np.array([sst_reference(row.astype(float))[0] for row in segment])
    squeezed = theirs(np.array([extend(row.astype(float)) for row in segment], np.float32), padtype=None)
    oracle = np.abs(squeezed)[:, ::-1, SST_PAST : SST_PAST + SST_WINDOW : 20]
    oracle = np.minimum(oracle / np.sort(oracle, axis=None)[-24], 1)
    fast = Sst(8, FAST)(segment).values[:, :, ::3]
    return (
        float(np.corrcoef(ours.ravel(), definition.ravel())[0, 1]),
        float(np.corrcoef(fast[:, 1:67].ravel(), oracle[:, 1:67].ravel())[0, 1]),
        float((np.abs(ours - definition) > 1e-4).mean()),
    )


def main() -> None:
    warnings.simplefilter("ignore")
    os.environ["SSQ_PARALLEL"] = "0"
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, ", end="")
    print(f"ssqueezepy {ssqueezepy.__version__}; {CHANNELS} channels, medians of {ROUNDS} turns\n")
    x = chest()
    calls = contenders(x)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(ROUNDS + 1):
        for name, call in calls.items():
            if "defaults" in name and turn > ROUNDS // 8:
                continue
            call()  # warms the caches that the previous contender used
            start = time.perf_counter()
            call()
            if turn:  # the first turn compiles and allocates
                times[name].append(time.perf_counter() - start)
        print(f"\r{turn}/{ROUNDS}", end="", file=sys.stderr, flush=True)
    median = {name: float(np.median(seconds)) for name, seconds in times.items()}
    peer = min(median[name] for name in median if "90 scales" in name and "alone" not in name)
    alone = median["ssqueezepy, 90 scales, the 4 s alone"]
    print(f"\r{'':45s} {'ms':>8s} {'ssqueezepy / it':>16s}")
    for name, seconds in median.items():
        print(f"{name:45s} {seconds * 1e3:8.2f} {peer / seconds:16.1f}")
    definition, oracle, flipped = correlations(x)
    ratio = {name: round(peer / seconds, 1) for name, seconds in median.items()}
    print(
        json.dumps(
            {
                "ratio_vs_ssqueezepy": ratio["ours, full, 1 thread"],
                "ratio_fast_mode": ratio["ours, full, 30 Hz frames, 1 thread"],
                "ratio_incremental": ratio["ours, incremental, 1 thread"],
                "ratio_vs_ssqueezepy_4_s_alone": round(alone / median["ours, full, 1 thread"], 1),
                "corr_vs_reference": round(definition, 7),
                "corr_vs_ssqueezepy": round(oracle, 5),
                "flipped_share": round(flipped, 6),
            }
        )
    )


if __name__ == "__main__":
    main()
