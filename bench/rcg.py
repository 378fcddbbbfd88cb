"""The 50 chest points on the twin: how well they hear the heart, where they lie, and what they cost.

    python bench/rcg.py

Every scene runs through `RcgExtractor` from raw frames. A channel's correlation is that of its RCG, 2 to 25 Hz, with
the true acceleration of the heart's motion at the place where it listens, at the best delay; the median over the
channels and chests counts. Beside it the simple choices: of one antenna pair, the range bin whose echo is strongest,
and that which moves most, against the truth at the spot where the heart beats strongest. The share is that of points
within 3 cm of the chest's surface.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import signal

from edge.dsp.chest import range_profile
from edge.dsp.focus import Focus
from edge.dsp.phase import PhaseTracker, SecondDerivative
from edge.dsp.rcg import RcgExtractor
from edge.frames import RadarFrame, RcgBlock
from edge.radar.firmware import load_chirp
from edge.spec import RCG_RATE_HZ
from edge.twin.fmcw import Fmcw
from edge.twin.scene import SCENES, Scene

CHIRP = load_chirp(Path(__file__).parents[1] / "firmware_config" / "awr1843_mmecg.cfg")
BAND = signal.butter(2, (2, 25), "bandpass", fs=RCG_RATE_HZ, output="sos")
CHESTS = (1, 2, 3)
# Scene, its end, and from when it is looked at: the first points come after four seconds, the movement ends at 22.5.
LOOKED_AT = {
    "still": (14, 6),
    "breathing": (14, 6),
    "off_axis": (14, 6),
    "rbm_mild": (34, 24),
    "rbm_extensive": (38, 28),
}
STEP = 20


def frames(scene: Scene, seconds: float, seed: int) -> Iterator[np.ndarray]:
    radar = Fmcw(CHIRP, scene, seed)
    for first in range(0, round(seconds * CHIRP.frame_rate_hz), STEP):
        yield radar.frames(first, STEP)


def correlation(x: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Of rows, at the best delay from -10 to 60 ms, after the band."""
    x, truth = (signal.sosfiltfilt(BAND, y, axis=1)[:, 100:-100] for y in (x, truth))
    best = np.full(len(x), -1.0)
    for late in range(-2, 13):
        a, b = x[:, 20 + late : x.shape[1] - 20 + late], truth[:, 20:-20]
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        best = np.maximum(best, (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)))
    return best


def ours(scene: Scene, blocks: list[RcgBlock], from_s: float) -> tuple[float, float]:
    """Median correlation of the channels followed last, and the share of them on the chest."""
    start = max(k for k, block in enumerate(blocks) if block.restarted)
    rcg = np.concatenate([block.rcg_mm_s2 for block in blocks[start:]], axis=1)
    last_s = blocks[-1].t_ns / 1e9
    t_s = last_s - np.arange(rcg.shape[1])[::-1] / RCG_RATE_HZ
    points_m = blocks[-1].points_m
    assert points_m is not None
    seen = t_s >= from_s
    return (
        float(np.median(correlation(rcg[:, seen], scene.cardiac_mm_s2(t_s[seen], points_m).T))),
        float(scene.on_chest(points_m).mean()),
    )


def simple(scene: Scene, echo: np.ndarray, from_s: float) -> float:
    """One range bin [n] of one antenna pair."""
    displacement, covered = PhaseTracker(CHIRP.wavelength_m).push(list(range(len(echo))), echo[:, None])
    rcg = SecondDerivative(RCG_RATE_HZ).push(displacement, covered)[1]
    t_s = np.arange(rcg.shape[1]) / RCG_RATE_HZ
    seen = t_s >= from_s
    return float(correlation(rcg[:, seen], scene.cardiac_mm_s2(t_s[seen], scene.heart_m[None]).T)[0])


def measure(name: str, seconds: float, from_s: float) -> dict[str, float]:
    rows = []
    for seed in CHESTS:
        scene = replace(SCENES[name], chest_seed=seed)
        extractor, blocks, profiles, number = RcgExtractor(CHIRP), [], [], 0
        for iq in frames(scene, seconds, seed):
            profiles.append(range_profile(iq)[:, :1, :30])
            for frame in iq:
                stamped = RadarFrame(number, round(number * CHIRP.frame_period_s * 1e9), frame, True)
                number += 1
                if block := extractor.push(stamped):
                    blocks.append(block)
        heard, share = ours(scene, blocks, from_s)
        pair = np.concatenate(profiles)[:, 0, 4:]  # beyond the leakage
        choices = np.square(np.abs(pair)).mean(axis=0), pair.var(axis=0)
        rows.append((heard, share, *(simple(scene, pair[:, choice.argmax()], from_s) for choice in choices)))
    return dict(zip(("corr", "share", "strongest", "moving"), np.median(rows, axis=0).tolist(), strict=True))


def cost() -> tuple[float, float, float]:
    """Microseconds a frame of the whole front end, and milliseconds a selection at once and of the longest pause.

    A pause is the processor's time between a frame and its block, once points are followed.
    """
    stacks = list(frames(SCENES["breathing"], 24, 1))
    zone = slice(4, 57)
    focus = Focus(CHIRP, zone)
    for iq in stacks:
        focus.push(range_profile(iq)[:, :, zone])
    looks = []
    for _ in range(5):
        start = time.perf_counter()
        any(focus.look(10, 0.46))
        looks.append(time.perf_counter() - start)
    extractor, spent = RcgExtractor(CHIRP), []
    for number, frame in enumerate(frame for iq in stacks for frame in iq):
        stamped = RadarFrame(number, round(number * CHIRP.frame_period_s * 1e9), frame, True)
        start = time.process_time()
        extractor.push(stamped)
        spent.append(time.process_time() - start)
    blocks = np.array(spent[1600:]).reshape(-1, STEP).sum(axis=1)
    return float(np.median(blocks)) / STEP * 1e6, float(np.median(looks)) * 1e3, float(np.sort(blocks)[-1]) * 1e3


def main() -> None:
    print(f"{'scene':15s} {'50 points':>10s} {'on the chest':>13s} {'strongest bin':>14s} {'moving bin':>11s}")
    found = {}
    for name, (seconds, from_s) in LOOKED_AT.items():
        found[name] = row = measure(name, seconds, from_s)
        print(
            f"{name:15s} {row['corr']:10.3f} {row['share']:13.2f} {row['strongest']:14.3f} {row['moving']:11.3f}",
            flush=True,
        )
    us_per_frame, ms_per_selection, ms_longest_block = cost()
    print(
        json.dumps(
            {
                "us_per_frame": round(us_per_frame, 1),
                "ms_per_selection": round(ms_per_selection, 1),
                "ms_longest_block": round(ms_longest_block, 1),
                "corr_still": round(found["still"]["corr"], 3),
                "corr_off_axis": round(found["off_axis"]["corr"], 3),
                "share_on_chest": round(float(np.mean([row["share"] for row in found.values()])), 2),
            }
        )
    )


if __name__ == "__main__":
    main()
