"""Fits the quality model: what is a movement, and how much each source tells about the heart rate.

    python -m train.fit_quality [--mscardio FOLDER] [--limits-only] [--out edge/vitals/fitted.json]

Movement: blocks of raw frames in which simulated people move, against blocks in which they do not. Tracker: evidence
of each second of simulated people, also with weak signals, and of MSCardio's people who may be trained on, with and
without noise. The limits are set by cross-validation over people, also on raw frames through the whole chain. It can be
interrupted at any time: finished people are cached in `runs/`; after a change of the network or of a feature, delete
`runs/fit-quality`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np
from rich.progress import Progress, track

from edge.core.files import write_atomic
from edge.core.interrupts import raise_on_interrupt
from edge.radar.chirp_file.parser import load_chirp
from edge.vitals.quality_model import FILE, QUALITY_MODEL, Fitted
from train.data.trial import TrialError
from train.data.workers import worker_pool
from train.quality_fit.evidence import Track, raw_track, real_people, real_track, simulated_track
from train.quality_fit.movement import Rows, fit_movement, movement_rows
from train.quality_fit.tracker import FOLDS, STEPS, choose_limits, fit_tracker

SEED = 502
"""No person of this seed is used in training or evaluation."""
MOVING_PEOPLE, STILL_PEOPLE = 24, 60
CHIRP_FILE = Path(__file__).parents[1] / "firmware_config" / "awr1843_mmecg.cfg"
CACHE = Path("runs") / "fit-quality"

Made = TypeVar("Made", Rows, Track)


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m train.fit_quality", description=__doc__.splitlines()[0])
    parser.add_argument("--mscardio", type=Path, metavar="FOLDER", help="without it, simulated people only")
    parser.add_argument("--limits-only", action="store_true", help="keep the weights, choose the tracker's limits anew")
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args()
    if not CHIRP_FILE.exists():
        print(f"train.fit_quality: error: {CHIRP_FILE} is not found; run from radarecg's repository", file=sys.stderr)
        return 2
    try:
        fitted = fit(args.mscardio, QUALITY_MODEL if args.limits_only else None)
    except TrialError as error:
        print(f"train.fit_quality: error: {error}", file=sys.stderr)
        return 2
    write_atomic(args.out, msgspec.json.format(msgspec.json.encode(fitted), indent=2) + b"\n")
    needed = fitted.tracker.needed
    print(f"{args.out} is written. A heart rate is published if its probability is above {needed}.")
    return 0


def fit(mscardio: Path | None, kept: Fitted | None = None) -> Fitted:
    """Fit all parts, or only the tracker's limits for the weights `kept`; `mscardio`: the folder of real people.

    Raises TrialError.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    chirp = load_chirp(CHIRP_FILE)
    tracks: list[Track] = []
    people: list[int] = []
    simulated = {name: partial(simulated_track, chirp, SEED, is_weak=name == "weak") for name in ("simulated", "weak")}
    for name, make in simulated.items():
        tracks += _gather(name, make, STILL_PEOPLE, Track)
        people += range(STILL_PEOPLE)
    if mscardio:
        real = [recording.person // 2 for recording in real_people(mscardio)]  # their numbers are even
        for name in ("real", "noisy"):
            tracks += _gather(name, partial(real_track, chirp, mscardio, is_noisy=name == "noisy"), len(real), Track)
            people += real
    raw = _gather("raw", partial(raw_track, chirp, SEED), STILL_PEOPLE, Track)
    if kept:
        made_by = f"{kept.made_by.partition(', then')[0]}, then --limits-only"
        return Fitted(made_by=made_by, movement=kept.movement, tracker=choose_limits(kept.tracker, [*tracks, *raw]))
    used = [k for k, track in enumerate(tracks) if np.isfinite(track.true_bpm).any()]
    with Progress() as progress:
        task = progress.add_task("tracker", total=(FOLDS + 1) * STEPS)
        tracker = fit_tracker(
            [tracks[k] for k in used],
            [people[k] for k in used],
            raw,
            range(STILL_PEOPLE),
            lambda: progress.advance(task),
        )
    moves = _gather("movement", partial(movement_rows, chirp, SEED), MOVING_PEOPLE, Rows)
    made_by = "python -m train.fit_quality" + " --mscardio FOLDER" * (mscardio is not None)
    return Fitted(made_by=made_by, movement=fit_movement(_joined(moves)), tracker=tracker)


def _gather(name: str, make: Callable[[int], Made], count: int, kind: type[Made]) -> list[Made]:
    with worker_pool() as pool:
        made = pool.map(partial(_cached, name, make, kind), range(count))
        return list(track(made, name, total=count))


def _cached(name: str, make: Callable[[int], Made], kind: type[Made], number: int) -> Made:
    path = CACHE / f"{name}-{number}.npz"
    if not path.exists():
        buffer = BytesIO()
        np.savez_compressed(buffer, **make(number)._asdict())
        write_atomic(path, buffer.getvalue())
    with np.load(path) as file:
        return kind(**{field: file[field] for field in kind._fields})


def _joined(rows: list[Rows]) -> Rows:
    return Rows(rows[0].names, *(np.concatenate(parts) for parts in list(zip(*rows, strict=True))[1:]))


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
