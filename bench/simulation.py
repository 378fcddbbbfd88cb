"""Compares the quick simulation with the full one through raw radar frames, for the same people.

    python bench/simulation.py

Every person sits still (movements and slips are left out); both simulations start from the same session. Each row is a
median over the persons: how much of the RCG repeats with every beat (power of the mean beat over the power of the rest,
2 to 25 Hz, of the median point), the rms in the heart's band and above it, the slope of the spectrum, the similarity of
the points, the share of points with inverted polarity, and the spread of their amplitudes. The last row is the
computing time in seconds of a trial of 177.5 s on one core.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import signal

from edge.core.spec import RCG_RATE_HZ
from edge.radar.chirp_file.parser import load_chirp
from edge.twin.body import Body
from train.simulation.session import Session, draw_session
from train.simulation.slow_motion import through_frames
from train.simulation.subject import draw_subject
from train.simulation.trial import SAMPLES, simulate

CHIRP = load_chirp(Path(__file__).parents[1] / "firmware_config" / "awr1843_mmecg.cfg")
PERSONS = 8
SECONDS = 30
BAND = signal.butter(2, (2, 25), "bandpass", fs=RCG_RATE_HZ, output="sos")
BEAT = (-0.15, 0.45)  # seconds around R


def still(number: int) -> Session:
    session = draw_session(draw_subject(7, number), 1, SECONDS)
    body = session.scene.body
    still = Body(breaths=body.breaths, unrest=body.unrest)
    return replace(session, scene=replace(session.scene, body=still), slips=())


def measures(rcg: np.ndarray, t_s: np.ndarray, r_s: np.ndarray) -> dict[str, float]:
    """Computes the figures of RCG [P, n] at times t_s with R peaks at r_s."""
    heart = signal.sosfiltfilt(BAND, rcg, axis=1)
    first = np.searchsorted(t_s, r_s + BEAT[0])
    length = round((BEAT[1] - BEAT[0]) * RCG_RATE_HZ)
    beats = np.stack([heart[:, k : k + length] for k in first if 0 < k < len(t_s) - length], axis=1)
    mean = beats.mean(axis=1)
    rest = ((beats - mean[:, None]) ** 2).mean(axis=(1, 2))
    repeated = np.maximum((mean**2).mean(axis=1) - rest / beats.shape[1], 1e-12)
    hz, power = signal.welch(rcg, RCG_RATE_HZ, nperseg=512, axis=1)
    rms = {name: np.sqrt(power[:, (hz >= a) & (hz < b)].sum(axis=1) * hz[1]) for name, a, b in BANDS}
    sloping = (hz > 8) & (hz < 25)
    slope = np.polyfit(np.log2(hz[sloping]), 10 * np.log10(power[:, sloping]).T, 1)[0]
    main = np.linalg.svd(mean, full_matrices=False)[2][0]
    sign = np.sign(mean @ main)
    return {
        "R-locked SNR, dB": float(np.median(10 * np.log10(repeated / rest))),
        **{f"rms {name}, mm/s²": float(np.median(value)) for name, value in rms.items()},
        "slope 8 to 25 Hz, dB/octave": float(np.median(slope)),
        "correlation of points": float(np.median(np.abs(np.corrcoef(heart)[np.triu_indices(len(rcg), 1)]))),
        "heart upside down": float(min((sign > 0).mean(), (sign < 0).mean())),
        "strength, 90 % over 10 %": float(np.divide(*np.quantile(np.abs(mean @ main), [0.9, 0.1]))),
    }


BANDS = (("2 to 8 Hz", 2, 8), ("8 to 25 Hz", 8, 25), ("25 to 80 Hz", 25, 80))


def main() -> None:
    rows: dict[str, list[dict[str, float]]] = {"quick": [], "frames": []}
    spent = {"quick": 0.0, "frames": 0.0}
    for number in range(1, PERSONS + 1):
        start = time.process_time()
        full = through_frames(still(number), CHIRP, SECONDS)
        spent["frames"] += (time.process_time() - start) * SAMPLES / (SECONDS * RCG_RATE_HZ)
        trial = simulate(still(number), SECONDS * RCG_RATE_HZ)
        r_s = trial.r_peaks_s
        assert r_s is not None
        from_s, to_s = full.t_s[0] + 1, full.t_s[-1] - 0.5
        t_s = np.arange(trial.rcg.shape[1]) / RCG_RATE_HZ
        for name, rcg, at_s in (("quick", trial.rcg.astype(float), t_s), ("frames", full.rcg_mm_s2, full.t_s)):
            seen = (at_s > from_s) & (at_s < to_s)
            rows[name].append(measures(rcg[:, seen], at_s[seen], r_s))
        start = time.process_time()
        simulate(draw_session(draw_subject(8, number), 1, SAMPLES / RCG_RATE_HZ))
        spent["quick"] += time.process_time() - start
    print(f"{PERSONS} persons, {SECONDS} s{'':19s} {'quick':>20s} {'frames':>20s}   median (10 % to 90 %)")
    for what in rows["quick"][0]:
        cells = [np.quantile([row[what] for row in rows[name]], [0.5, 0.1, 0.9]) for name in ("quick", "frames")]
        print(f"{what:36s}", *(f"{m:7.2f} ({a:5.2f} {b:6.2f})" for m, a, b in cells))
    print(f"{'seconds per trial':36s}", *(f"{spent[name] / PERSONS:20.2f}" for name in rows))


if __name__ == "__main__":
    main()
