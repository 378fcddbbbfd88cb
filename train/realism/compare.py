"""Compares statistics of real and simulated recordings.

    python -m train.realism.compare --simulated DIR [--real FOLDER] [--figure FILE.png]

A statistic's median over the simulated recordings should lie between the real quartiles, a share within
MAX_SHARE_DIFFERENCE of the real one. All sets are processed under the same conditions: ten-second segments, R peaks
detected in the ECG, at rest, without labelled movements, and at most nine neighbouring points. The output contains
summaries only, no recordings. `train.realism.statistics` defines the statistics; docs/twin-calibration.md has the
results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from edge.core.types import Float64
from train.data.readers import mmecg, phase80, ustc_af
from train.data.trial import Trial
from train.realism.measured import CONTEXT_ROWS, ROWS, SHARES, Measured, measure, segments, share, values
from train.realism.picture import draw

SETTLED_S = 5.0  # phase80 starts with transients
MAX_SHARE_DIFFERENCE = 0.05


def compare(real: list[Measured], other: list[Measured], simulated: list[Measured]) -> Table:
    """Return a table of medians and quartiles; `simulated` is judged against `real`, `other` is shown for context."""
    table = Table("", "ustc_af", "phase80", "simulated", "median", title="median [quartiles]")
    for name, label in (ROWS | CONTEXT_ROWS).items():
        found = [values(one, name) for one in (real, other, simulated)]
        low, high = np.percentile(found[0], (25, 75))
        verdict = "inside" if low <= np.median(found[2]) <= high else "outside"
        table.add_row(label, *map(_quartiles, found), "" if name in CONTEXT_ROWS else verdict)
    af = float(np.mean([one.fibrillating for one in real]))
    for name, label in SHARES.items():
        means = share(real, name, af), share(other, name, 0), share(simulated, name, af)
        table.add_row(label, *(f"{mean:.0%}" for mean in means), _near(means[0], means[2]))
    table.add_row(
        "segments (people)", *(f"{len(s)} ({len({one.subject for one in s})})" for s in (real, other, simulated))
    )
    return table


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m train.realism.compare", description="Compare real and simulated recordings."
    )
    parser.add_argument("--real", type=Path, required=True, metavar="DIR", help="real recordings, a folder per set")
    parser.add_argument("--simulated", type=Path, required=True, metavar="DIR", help="written by train.simulate")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="also draw a figure")
    args = parser.parse_args(arguments)
    try:
        real = _measured("ustc_af", segments(ustc_af.read(args.real / "ustc_af")))
        other = _measured("phase80", segments(phase80.read(args.real / "phase80"), SETTLED_S))
        simulated = _measured("simulated", segments(mmecg.read(args.simulated)))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    Console().print(compare(real, other, simulated))
    if args.figure:
        draw({"ustc_af": real, "phase80": other, "simulated": simulated}).savefig(args.figure, dpi=100)
    return 0


def _measured(name: str, parts: Iterator[Trial]) -> list[Measured]:
    found = [one for part in track(parts, name) if (one := measure(part))]
    if not found:
        raise InputError(f"{name}: no ten seconds at rest with an ECG to compare")
    return found


def _quartiles(found: Float64) -> str:
    if not len(found):
        return "-"
    low, median, high = np.percentile(found, (25, 50, 75))
    return f"{median:.2f} [{low:.2f} {high:.2f}]"


def _near(real: float, simulated: float) -> str:
    return "inside" if abs(real - simulated) <= MAX_SHARE_DIFFERENCE else "outside"


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
