"""Plots our SST beside ssqueezepy's: docs/sst_twin.png, docs/sst_ustc_af.png and docs/sst_iwr6843.png.

    pip install -e '.[bench]' && python bench/sst_pictures.py [FOLDER OF RECORDINGS]

ssqueezepy (its own defaults, RCG of the strongest channel, the whole period at once) uses future samples; ours are the
causal windows that a device computes. Both colours are the root of the magnitude over its 0.1 % quantile.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy import io
from ssqueezepy import ssq_cwt

from edge.cli.plot import ChestMotion, draw, motion_of_displacement, motion_of_recording
from edge.core.spec import RCG_RATE_HZ
from edge.sources.recording import open_recording
from edge.twin.body import Body
from edge.twin.heart import Heart

ROOT = Path(__file__).parents[1]


def ustc_af(path: Path) -> ChestMotion:
    mat = io.loadmat(path)
    raw = np.asarray(mat["Radar_data"], float).reshape(1000, 9).T
    ecg = np.ravel(mat["ECG_data"]).astype(float)
    return motion_of_displacement(f"ustc_af {path.stem}", raw, 100.0, ecg, 100.0)


def twin() -> ChestMotion:
    """Returns the motion of the twin's chest, with its R peaks in place of an ECG."""
    t_s = np.arange(12 * RCG_RATE_HZ) / RCG_RATE_HZ
    heart = Heart(seed=2)
    noise = np.random.default_rng(0).normal(0, 3e-4, (4, len(t_s)))
    moved = heart.displacement_mm(t_s) + Body().displacement_mm(t_s) + noise
    peaks = np.isin(np.arange(len(t_s)), np.rint(heart.beats_s(0, t_s[-1]) * RCG_RATE_HZ)).astype(float)
    return motion_of_displacement("The twin; below, its R peaks", moved, RCG_RATE_HZ, peaks, RCG_RATE_HZ)


def picture(motion: ChestMotion, seconds: float, name: str) -> None:
    figure = draw(motion, seconds=seconds)
    displacement, ours = figure.axes[:2]
    x = motion.rcg_mm_s2[np.argmax(motion.rcg_mm_s2.std(axis=1))]
    squeezed, _, hz, *_ = ssq_cwt(x, fs=RCG_RATE_HZ)
    magnitude = np.abs(squeezed)
    rows = figure.add_gridspec(len(figure.axes) + 1, 1, height_ratios=[1, 2, 2, 1][: len(figure.axes) + 1])
    for axes, row in zip(figure.axes, (0, 1, 3), strict=False):
        axes.set_subplotspec(rows[row])
    theirs = figure.add_subplot(rows[2], sharex=displacement)
    t_s = np.arange(len(x)) / RCG_RATE_HZ
    level = np.sqrt(magnitude / np.quantile(magnitude, 0.999))
    theirs.pcolormesh(t_s, hz, level, cmap="magma", vmin=0, vmax=1, rasterized=True, shading="nearest")
    theirs.set_yscale("log")
    theirs.set_ylim(ours.get_ylim())
    theirs.set_ylabel("ssqueezepy, Hz")
    ours.set_ylabel("ours, Hz")
    figure.set_size_inches(11, 8.5)
    figure.savefig(ROOT / "docs" / name, dpi=70)
    print(ROOT / "docs" / name)


def main() -> None:
    picture(twin(), 5, "sst_twin.png")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT.parent / "shared" / "real")
    picture(ustc_af(folder / "ustc_af" / (sys.argv[2] if len(sys.argv) > 2 else "N_0001_1.mat")), 6, "sst_ustc_af.png")
    recording = open_recording(
        folder / "iwr6843_dca1000" / "demo.bin", ROOT / "firmware_config" / "iwr6843_recording.cfg", "studio"
    )
    picture(motion_of_recording("IWR6843, demo.bin", recording), 8, "sst_iwr6843.png")


if __name__ == "__main__":
    main()
