"""Fits the detector of movement: blocks of raw frames in which people move, against blocks in which they do not."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge.core.spec import BLOCK_S, RCG_RATE_HZ
from edge.core.types import Bool, Float64
from edge.dsp.frontend.rcg import RcgExtractor
from edge.radar.chirp import ChirpConfig
from edge.vitals.movement import MovementDetector
from edge.vitals.quality_model import Logistic, MovementFit
from train.quality_fit.logistic import fit_logistic, rounded
from train.simulation.scenarios import draw_scenario, frames

FOLDS = 5
STILL_FLAGGED = 0.003  # fraction of the blocks of people who sit still
SETTLED_S = 6.0


class Rows(NamedTuple):
    """Features [n, names], targets [n] and numbers of the people [n], by row."""

    names: list[str]
    features: Float64
    targets: Float64
    person: Float64


def movement_rows(chirp: ChirpConfig, seed: int, person: int) -> Rows:
    """Simulate a person and return one row per block.

    Targets: 0 still, 1 within a mild movement, 2 within an extensive one, NaN at their edges.
    """
    names, features, targets = [], [], []
    for level, kind in enumerate(("undisturbed", "mild", "extensive")):
        scenario = draw_scenario(kind, seed, person, chirp)
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
        mild=rounded(np.quantile(scores[~moving], 1 - STILL_FLAGGED)),
        extensive=rounded(places[int(np.argmin(mistakes))]),
    )


def _cross_fitted(rows: Rows, targets: Bool) -> tuple[Logistic, Float64]:
    """Return the fit to all people, and each row's score by a fit to other people."""
    scores = np.zeros(len(targets))
    for fold in range(FOLDS):
        mine = rows.person % FOLDS == fold
        fit = fit_logistic(rows.names, rows.features[~mine], targets[~mine])
        scores[mine] = rows.features[mine] @ list(fit.weights.values()) + fit.offset
    return fit_logistic(rows.names, rows.features, targets), scores
