"""Fits what the verdicts rest on to simulated people: what is movement, and which heart rate is to be trusted.

    python -m train.fit_quality [--out edge/vitals/fitted.json]

Two logistic regressions. Movement: blocks of raw frames in which people move, against blocks in which they do not.
Trust: a second's signs, of RCG with all that `train.simulate` puts into it, against whether the network's rate was
right. Limits are set on people whom the numbers were not fitted to (FOLDS), as strict as the constants below say.
Stop it when you like: what is finished is kept in `runs/`.
"""

from __future__ import annotations

import argparse
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
from train.simulation.scenarios import SECONDS, draw_scenario, frames, true_bpm, watch_rcg
from train.simulation.session import draw_session
from train.simulation.subject import draw_subject
from train.simulation.trial import simulate

SEED = 502
"""Nobody of this seed is trained on or measured on."""
MOVING_PEOPLE, TRUSTED_PEOPLE = 24, 200
FOLDS = 5
STILL_FLAGGED = 0.003  # of the blocks of people who sit still
WRONG_TRUSTED = 0.004  # of the rates above `needed`
WRONG_GOOD = 0.0005
SETTLED_S = 6.0
CHIRP = load_chirp(Path(__file__).parents[1] / "firmware_config" / "awr1843_mmecg.cfg")
SPOOLED = Path("runs") / "fit-quality"


class Rows(NamedTuple):
    """Signs [n, names], what they are to tell [n], and of whom each is [n]."""

    names: list[str]
    signs: Float64
    wanted: Float64
    person: Float64


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m train.fit_quality", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FILE)
    out: Path = parser.parse_args().out
    SPOOLED.mkdir(parents=True, exist_ok=True)
    moves = _gather("movement", movement_rows, MOVING_PEOPLE)
    trusts = _gather("trust", trust_rows, TRUSTED_PEOPLE)
    fitted = Fitted(made_by="python -m train.fit_quality", movement=fit_movement(moves), trust=fit_trust(trusts))
    write_atomic(out, msgspec.json.format(msgspec.json.encode(fitted), indent=2) + b"\n")
    print(f"{out}: {fitted}")


def movement_rows(person: int) -> Rows:
    """Of each block; wanted: 0 still, 1 in the middle of a mild movement, 2 of an extensive one, NaN at its edges."""
    names, signs, wanted = [], [], []
    for level, kind in enumerate(("undisturbed", "mild", "extensive")):
        scenario = draw_scenario(kind, SEED, person, CHIRP)
        extractor, watch = RcgExtractor(CHIRP), MovementDetector(CHIRP.max_speed_m_s * 1e3)
        for frame in frames(scenario, CHIRP):
            if block := extractor.push(frame):
                now_s = frame.t_ns * 1e-9
                found = watch.features(block)
                moving = scenario.moving(now_s - np.arange(0, BLOCK_S, 1 / RCG_RATE_HZ)).mean()
                names = list(found)
                signs.append(list(found.values()))
                label = level if moving == 1 else 0 if moving == 0 else np.nan
                wanted.append(label if now_s > SETTLED_S else np.nan)
    return Rows(names, np.array(signs), np.array(wanted), np.full(len(signs), float(person)))


def trust_rows(person: int) -> Rows:
    """Of each second with a rate; wanted: 1 if it is right."""
    session = draw_session(draw_subject(SEED, person), 1, SECONDS)
    trial = simulate(session, round(SECONDS * RCG_RATE_HZ))
    assert trial.r_peaks_s is not None
    names, signs, wanted = [], [], []
    pipeline = Pipeline(CHIRP, lambda: True, network=load_network(threads=1).begin)
    rcg = trial.rcg.astype(np.float64)
    for now_s in watch_rcg(pipeline, rcg, integrated(rcg)):
        evidence, true = pipeline.collect_evidence(round(now_s * 1e9)), true_bpm(trial.r_peaks_s, now_s)
        if (beats := evidence.beats) and np.isfinite(true):
            found = trust_features(beats, evidence.classical)
            names = list(found)
            signs.append(list(found.values()))
            wanted.append(float(abs(beats.bpm - true) <= tolerance_bpm(true)))
    return Rows(names, np.reshape(signs, (len(wanted), -1)), np.array(wanted), np.full(len(wanted), float(person)))


def fit_movement(rows: Rows) -> MovementFit:
    """Still or moving. `extensive` parts the two kinds by a movement's highest score, with mistakes alike in both."""
    known = np.isfinite(rows.wanted)
    rows = Rows(rows.names, rows.signs[known], rows.wanted[known], rows.person[known])
    moving = rows.wanted > 0
    fit, scores = _cross_fitted(rows, moving)
    begins = np.flatnonzero(np.diff(rows.wanted, prepend=0) > 0)
    ends = np.flatnonzero(np.diff(rows.wanted, append=0) < 0) + 1
    highest = np.array([scores[begin:end].max() for begin, end in zip(begins, ends, strict=True)])
    mild, extensive = (highest[rows.wanted[begins] == level] for level in (1, 2))
    places = np.sort(highest)
    mistakes = [abs((mild > place).mean() - (extensive < place).mean()) for place in places]
    return MovementFit(
        weights=fit.weights,
        offset=fit.offset,
        mild=_rounded(np.quantile(scores[~moving], 1 - STILL_FLAGGED)),
        extensive=_rounded(places[int(np.argmin(mistakes))]),
    )


def fit_trust(rows: Rows) -> TrustFit:
    """The lowest probabilities above which no more are wrong than WRONG_TRUSTED and WRONG_GOOD."""
    right = rows.wanted > 0
    fit, scores = _cross_fitted(rows, right)
    order = np.argsort(-scores)
    wrong = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    needed, good = (
        special.expit(scores[order[np.flatnonzero(wrong <= most)[-1]]]) for most in (WRONG_TRUSTED, WRONG_GOOD)
    )
    return TrustFit(weights=fit.weights, offset=fit.offset, needed=_rounded(needed), good=_rounded(good))


def _cross_fitted(rows: Rows, wanted: Bool) -> tuple[Logistic, Float64]:
    """The fit to everybody, and each row's score by a fit to other people."""
    scores = np.zeros(len(wanted))
    for fold in range(FOLDS):
        mine = rows.person % FOLDS == fold
        fit = _fit(rows.names, rows.signs[~mine], wanted[~mine])
        scores[mine] = rows.signs[mine] @ list(fit.weights.values()) + fit.offset
    return _fit(rows.names, rows.signs, wanted), scores


def _fit(names: list[str], signs: Float64, wanted: Bool) -> Logistic:
    """Logistic regression with a little ridge; both answers weigh the same."""
    mean, deviation = signs.mean(axis=0), signs.std(axis=0)
    x = np.column_stack([(signs - mean) / deviation, np.ones(len(signs))])
    sign = np.where(wanted, 1.0, -1.0)

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
        made = pool.map(partial(_kept, name, make), range(1, people + 1))
        parts = list(track(made, name, total=people))
    names = next(part.names for part in parts if part.names)
    full = [part for part in parts if part.names]
    return Rows(names, *(np.concatenate([part[k] for part in full]) for k in (1, 2, 3)))


def _kept(name: str, make: Callable[[int], Rows], person: int) -> Rows:
    path = SPOOLED / f"{name}-{person}.npz"
    if not path.exists():
        rows = make(person)
        buffer = BytesIO()
        np.savez(buffer, **rows._asdict())
        write_atomic(path, buffer.getvalue())
    with np.load(path) as file:
        return Rows(file["names"].tolist(), file["signs"], file["wanted"], file["person"])


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


if __name__ == "__main__":
    raise_on_interrupt()
    main()
