"""Fits the quality model to simulated people: what is a movement, and which heart rates are reliable.

    python -m train.fit_quality [--out edge/vitals/fitted.json]

Two logistic regressions. Movement: blocks of raw frames in which people move, against blocks in which they do not.
Trust: features of each second, of RCG with all disturbances of `train.simulate`, against whether the network's rate was
right. Limits are set by cross-validation over people (FOLDS), with the error rates of the constants below. It can be
interrupted at any time: finished people are cached in `runs/`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from rich.progress import track
from scipy import optimize, special

from edge.core.files import write_atomic
from edge.core.interrupts import raise_on_interrupt
from edge.core.spec import BLOCK_S, RCG_RATE_HZ
from edge.core.types import Bool, Float64
from edge.dsp.frontend.rcg import RcgExtractor
from edge.inference.loader import load_network
from edge.pipeline import Pipeline
from edge.radar.chirp_file.parser import load_chirp
from edge.vitals.movement import MovementDetector
from edge.vitals.quality import tolerance_bpm, trust_features
from edge.vitals.quality_model import FILE, Fitted, Logistic, MovementFit, TrustFit
from train.data.readers.motion import integrated
from train.data.workers import worker_pool
from train.simulation.scenarios import SECONDS, draw_scenario, feed_rcg, frames, true_bpm
from train.simulation.session import draw_session
from train.simulation.subject import draw_subject
from train.simulation.trial import simulate

SEED = 502
"""No person of this seed is used in training or evaluation."""
MOVING_PEOPLE, TRUSTED_PEOPLE = 24, 200
FOLDS = 5
STILL_FLAGGED = 0.003  # fraction of the blocks of people who sit still
WRONG_TRUSTED = 0.004  # fraction of the rates above `needed` that may be wrong
WRONG_GOOD = 0.0005
SETTLED_S = 6.0
CHIRP_FILE = Path(__file__).parents[1] / "firmware_config" / "awr1843_mmecg.cfg"
CACHE = Path("runs") / "fit-quality"


class Rows(NamedTuple):
    """Features [n, names], targets [n] and numbers of the people [n], by row."""

    names: list[str]
    features: Float64
    targets: Float64
    person: Float64


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m train.fit_quality", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FILE)
    out: Path = parser.parse_args().out
    if not CHIRP_FILE.exists():
        print(f"train.fit_quality: error: {CHIRP_FILE} is not found; run from radarecg's repository", file=sys.stderr)
        return 2
    CACHE.mkdir(parents=True, exist_ok=True)
    moves = _gather("movement", movement_rows, MOVING_PEOPLE)
    trusts = _gather("trust", trust_rows, TRUSTED_PEOPLE)
    fitted = Fitted(made_by="python -m train.fit_quality", movement=fit_movement(moves), trust=fit_trust(trusts))
    write_atomic(out, msgspec.json.format(msgspec.json.encode(fitted), indent=2) + b"\n")
    print(f"{out}: {fitted}")
    return 0


def movement_rows(person: int) -> Rows:
    """Return one row per block; targets: 0 still, 1 within a mild movement, 2 within an extensive one, NaN at edges."""
    chirp = load_chirp(CHIRP_FILE)
    names, features, targets = [], [], []
    for level, kind in enumerate(("undisturbed", "mild", "extensive")):
        scenario = draw_scenario(kind, SEED, person, chirp)
        extractor, watch = RcgExtractor(chirp), MovementDetector(chirp.max_speed_m_s * 1e3)
        for frame in frames(scenario, chirp):
            if block := extractor.push(frame):
                now_s = frame.t_ns * 1e-9
                found = watch.features(block)
                moving = scenario.moving(now_s - np.arange(0, BLOCK_S, 1 / RCG_RATE_HZ)).mean()
                names = list(found)
                features.append(list(found.values()))
                label = level if moving == 1 else 0 if moving == 0 else np.nan
                targets.append(label if now_s > SETTLED_S else np.nan)
    return Rows(names, np.array(features), np.array(targets), np.full(len(features), float(person)))


def trust_rows(person: int) -> Rows:
    """Return one row per second with a rate; targets: 1 if the rate is right."""
    session = draw_session(draw_subject(SEED, person), 1, SECONDS)
    trial = simulate(session, round(SECONDS * RCG_RATE_HZ))
    assert trial.r_peaks_s is not None
    names, features, targets = [], [], []
    pipeline = Pipeline(load_chirp(CHIRP_FILE), lambda: True, network=load_network(threads=1).begin)
    rcg = trial.rcg.astype(np.float64)
    for now_s in feed_rcg(pipeline, rcg, integrated(rcg)):
        evidence, true = pipeline.collect_evidence(round(now_s * 1e9)), true_bpm(trial.r_peaks_s, now_s)
        if (beats := evidence.beats) and np.isfinite(true):
            found = trust_features(beats, evidence.classical)
            names = list(found)
            features.append(list(found.values()))
            targets.append(float(abs(beats.bpm - true) <= tolerance_bpm(true)))
    return Rows(
        names, np.reshape(features, (len(targets), -1)), np.array(targets), np.full(len(targets), float(person))
    )


def fit_movement(rows: Rows) -> MovementFit:
    """Fit still against moving; `extensive` is the highest-score limit with equal error rates for both kinds."""
    valid = np.isfinite(rows.targets)
    rows = Rows(rows.names, rows.features[valid], rows.targets[valid], rows.person[valid])
    moving = rows.targets > 0
    fit, scores = _cross_fitted(rows, moving)
    begins = np.flatnonzero(np.diff(rows.targets, prepend=0) > 0)
    ends = np.flatnonzero(np.diff(rows.targets, append=0) < 0) + 1
    highest = np.array([scores[begin:end].max() for begin, end in zip(begins, ends, strict=True)])
    mild, extensive = (highest[rows.targets[begins] == level] for level in (1, 2))
    places = np.sort(highest)
    mistakes = [abs((mild > place).mean() - (extensive < place).mean()) for place in places]
    return MovementFit(
        weights=fit.weights,
        offset=fit.offset,
        mild=_rounded(np.quantile(scores[~moving], 1 - STILL_FLAGGED)),
        extensive=_rounded(places[int(np.argmin(mistakes))]),
    )


def fit_trust(rows: Rows) -> TrustFit:
    """Fit right rates; `needed` and `good`: lowest limits with at most WRONG_TRUSTED and WRONG_GOOD wrong above."""
    right = rows.targets > 0
    fit, scores = _cross_fitted(rows, right)
    order = np.argsort(-scores)
    wrong = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    needed, good = (
        special.expit(scores[order[np.flatnonzero(wrong <= most)[-1]]]) for most in (WRONG_TRUSTED, WRONG_GOOD)
    )
    return TrustFit(weights=fit.weights, offset=fit.offset, needed=_rounded(needed), good=_rounded(good))


def _cross_fitted(rows: Rows, targets: Bool) -> tuple[Logistic, Float64]:
    """Return the fit to all people, and each row's score by a fit to other people."""
    scores = np.zeros(len(targets))
    for fold in range(FOLDS):
        mine = rows.person % FOLDS == fold
        fit = _fit(rows.names, rows.features[~mine], targets[~mine])
        scores[mine] = rows.features[mine] @ list(fit.weights.values()) + fit.offset
    return _fit(rows.names, rows.features, targets), scores


def _fit(names: list[str], features: Float64, targets: Bool) -> Logistic:
    """Fit a logistic regression with a small ridge penalty. Every row has the same weight, whatever its class."""
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    x = np.column_stack([(features - mean) / deviation, np.ones(len(features))])
    sign = np.where(targets, 1.0, -1.0)

    def loss(w: Float64) -> tuple[float, Float64]:
        margin = sign * (x @ w)
        value = np.logaddexp(0, -margin).sum() + 0.5 * w[:-1] @ w[:-1]
        return float(value), -(x.T @ (sign * special.expit(-margin))) + np.append(w[:-1], 0)

    w = optimize.minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x
    weights = w[:-1] / deviation
    rounded = {name: _rounded(weight) for name, weight in zip(names, weights, strict=True)}
    return Logistic(weights=rounded, offset=_rounded(w[-1] - weights @ mean))


def _gather(name: str, make: Callable[[int], Rows], people: int) -> Rows:
    with worker_pool() as pool:
        made = pool.map(partial(_cached_rows, name, make), range(1, people + 1))
        parts = list(track(made, name, total=people))
    names = next(part.names for part in parts if part.names)
    full = [part for part in parts if part.names]
    return Rows(names, *(np.concatenate([part[k] for part in full]) for k in (1, 2, 3)))


def _cached_rows(name: str, make: Callable[[int], Rows], person: int) -> Rows:
    path = CACHE / f"{name}-{person}.npz"
    if not path.exists():
        rows = make(person)
        buffer = BytesIO()
        np.savez(buffer, names=rows.names, signs=rows.features, wanted=rows.targets, person=rows.person)
        write_atomic(path, buffer.getvalue())
    with np.load(path) as file:
        return Rows(file["names"].tolist(), file["signs"], file["wanted"], file["person"])


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
