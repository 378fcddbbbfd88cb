"""Evaluates the 50 chest points on the twin: correlation with the heart's motion, position and computing time.

    python bench/rcg.py

Every scene runs through `RcgExtractor` from raw frames. A channel's correlation is that of its RCG, 2 to 25 Hz, with
the true acceleration of the heart's motion at the channel's position, at the best delay; the result is the median over
channels and chests. Two simple choices serve as baselines: the range bin of one antenna pair with the strongest echo,
and the one that moves most, compared with the truth where the heartbeat is strongest. The share is that of points
within 3 cm of the chest's surface. The last rows simulate a board with random errors of its twelve phases, without and
with the calibration that `edge.dsp.frontend.reflector_calibration` measures on the twin's reflector.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import signal

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import RadarFrame, RcgBlock
from edge.dsp.frontend.beamforming import Beamformer
from edge.dsp.frontend.phase import PhaseTracker, SecondDerivative
from edge.dsp.frontend.range_profile import range_profile
from edge.dsp.frontend.rcg import RcgExtractor
from edge.dsp.frontend.reflector_calibration import measure as measure_reflector
from edge.radar.calibration import UNCALIBRATED, Calibration
from edge.radar.chirp_file.parser import load_chirp
from edge.twin.board import Board, uneven
from edge.twin.fmcw import Fmcw
from edge.twin.scene import SCENES, Scene

CHIRP = load_chirp(Path(__file__).parents[1] / "firmware_config" / "awr1843_mmecg.cfg")
BAND = signal.butter(2, (2, 25), "bandpass", fs=RCG_RATE_HZ, output="sos")
CHESTS = (1, 2, 3)
# Scene, end and start of the evaluation: the first points are found after four seconds, the movement ends at 22.5 s.
LOOKED_AT = {
    "still": (14, 6),
    "breathing": (14, 6),
    "off_axis": (14, 6),
    "rbm_mild": (34, 24),
    "rbm_extensive": (38, 28),
}
STEP = 20
PHASE_RAD = 1.0  # of the uneven board, standard deviation


def frames(scene: Scene, seconds: float, seed: int, board: Board | None = None) -> Iterator[np.ndarray]:
    radar = Fmcw(CHIRP, scene, seed, board)
    for first in range(0, round(seconds * CHIRP.frame_rate_hz), STEP):
        yield radar.frames(first, STEP)


def stamped(stacks: Iterable[np.ndarray]) -> Iterator[RadarFrame]:
    for number, iq in enumerate(frame for stack in stacks for frame in stack):
        yield RadarFrame(number, round(number * CHIRP.frame_period_s * 1e9), iq, True)


def correlation(x: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Returns the correlation of rows, after the band-pass filter, at the best delay from -10 to 60 ms."""
    x, truth = (signal.sosfiltfilt(BAND, y, axis=1)[:, 100:-100] for y in (x, truth))
    best = np.full(len(x), -1.0)
    for late in range(-2, 13):
        a, b = x[:, 20 + late : x.shape[1] - 20 + late], truth[:, 20:-20]
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        best = np.maximum(best, (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)))
    return best


def ours(scene: Scene, blocks: list[RcgBlock], from_s: float) -> tuple[float, float]:
    """Returns the median correlation of the channels tracked last, and the share of them on the chest."""
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
    """Returns one range bin [n] of one antenna pair."""
    displacement, covered = PhaseTracker(CHIRP.wavelength_m).push(list(range(len(echo))), echo[:, None])
    rcg = SecondDerivative(RCG_RATE_HZ).push(displacement, covered)[1]
    t_s = np.arange(rcg.shape[1]) / RCG_RATE_HZ
    seen = t_s >= from_s
    return float(correlation(rcg[:, seen], scene.cardiac_mm_s2(t_s[seen], scene.heart_m[None]).T)[0])


def measured(board: Board) -> Calibration:
    found = measure_reflector(CHIRP, stamped(frames(SCENES["reflector"], 2, 1, board)), 1.0)
    return Calibration(found.range_bias_m, found.factors)


def measure(name: str, board: Board | None = None, calibration: Calibration = UNCALIBRATED) -> dict[str, float]:
    rows, (seconds, from_s) = [], LOOKED_AT[name]
    for seed in CHESTS:
        scene = replace(SCENES[name], chest_seed=seed)
        stacks = list(frames(scene, seconds, seed, board))
        extractor = RcgExtractor(CHIRP, calibration)
        blocks = [block for frame in stamped(stacks) if (block := extractor.push(frame))]
        profiles = [range_profile(iq)[:, :1, :30] for iq in stacks]
        correlation, share = ours(scene, blocks, from_s)
        pair = np.concatenate(profiles)[:, 0, 4:]  # beyond the leakage
        choices = np.square(np.abs(pair)).mean(axis=0), pair.var(axis=0)
        rows.append((correlation, share, *(simple(scene, pair[:, choice.argmax()], from_s) for choice in choices)))
    return dict(zip(("corr", "share", "strongest", "moving"), np.median(rows, axis=0).tolist(), strict=True))


def cost() -> tuple[float, float, float]:
    """Measures the front end: microseconds per frame, milliseconds per selection at once and of the longest pause.

    A pause is the processor's time between a frame and its block, once points are followed.
    """
    stacks = list(frames(SCENES["breathing"], 24, 1))
    zone = slice(4, 57)
    focus = Beamformer(CHIRP, zone)
    for iq in stacks:
        focus.push(range_profile(iq)[:, :, zone])
    selection_s = []
    for _ in range(5):
        start = time.perf_counter()
        any(focus.refocus(10, 0.46))
        selection_s.append(time.perf_counter() - start)
    extractor, spent = RcgExtractor(CHIRP), []
    for frame in stamped(stacks):
        start = time.process_time()
        extractor.push(frame)
        spent.append(time.process_time() - start)
    blocks = np.array(spent[1600:]).reshape(-1, STEP).sum(axis=1)
    return float(np.median(blocks)) / STEP * 1e6, float(np.median(selection_s)) * 1e3, float(np.sort(blocks)[-1]) * 1e3


def show(name: str, row: dict[str, float]) -> None:
    print(
        f"{name:20s} {row['corr']:10.3f} {row['share']:13.2f} {row['strongest']:14.3f} {row['moving']:11.3f}",
        flush=True,
    )


def main() -> None:
    print(f"{'scene':20s} {'50 points':>10s} {'on the chest':>13s} {'strongest bin':>14s} {'moving bin':>11s}")
    found = {}
    for name in LOOKED_AT:
        found[name] = row = measure(name)
        show(name, row)
    board = uneven(1, PHASE_RAD)
    show("still, uneven board", measure("still", board))
    show("the same, calibrated", measure("still", board, measured(board)))
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
