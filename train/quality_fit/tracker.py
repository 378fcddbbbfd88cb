"""Fits the tracker of the heart rate: the weights of all evidence, so that the true rate becomes probable.

The tracker is run over whole tracks, in torch, and the mean logarithm of the posterior probability near the true rate
is maximised. In some tracks the network's sources are left out, because the tracker must also work without a network.
The confidence is a logistic regression on what the motion alone and the network alone give to the tracker's rate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy import special
from torch import Tensor, nn

from edge.core.types import Bool, Float64
from edge.vitals.quality import tolerance_bpm
from edge.vitals.quality_model import Logistic, SourceFit, TrackerFit
from edge.vitals.rate_evidence import MOTION_SOURCES, RATES_BPM, SOURCES
from edge.vitals.rate_tracker import GATE_RANGE, NEAR, PROBABILITY_RANGE
from train.quality_fit.evidence import Track
from train.quality_fit.logistic import fit_logistic, rounded

FOLDS = 3
STEPS, BATCH, LEARNING_RATE = 250, 64, 0.01
WITHOUT_NETWORK = 0.5  # fraction of the tracks of a batch
FLOOR = 0.01  # limits the loss of a second in which all evidence is wrong
GATE_PENALTY = 0.01
WRONG_PUBLISHED = 0.003  # fraction of the rates above `needed` that may be wrong
WRONG_GOOD = 0.0005

# Start: a cycle and its multiple support a rate, half a cycle contradicts it.
_START = {
    "envelope": (1.5, 0.75, -1.5),
    "pulse": (1.0, 0.5, 0.0),
    "anchors": (0.7, 0.3, -0.3),
    "cycle": (0.5,),
    "beats": (0.7,),
}
_COUNTS = [len(features) for features in SOURCES.values()]
_LOG_RATES = torch.tensor(np.log(RATES_BPM), dtype=torch.float32)
_OF_NETWORK = torch.tensor([name not in MOTION_SOURCES for name in SOURCES])


class Batch(NamedTuple):
    """features [B, T, k, R], strengths [B, T, 5], the right rates `near` [B, T, R], and `known` [B, T]: has a truth."""

    features: Tensor
    strengths: Tensor
    near: Tensor
    known: Tensor

    def without(self, left_out: Tensor) -> Batch:
        """Return the batch without the sources [B, 5] or [5] that are left out of each track."""
        kept = ~left_out.expand(len(self.features), -1)[:, None]
        rows = kept.repeat_interleave(torch.tensor(_COUNTS), -1)[..., None]
        return self._replace(features=self.features * rows, strengths=self.strengths * kept)


class Tracker(nn.Module):
    """The tracker of `edge.vitals.rate_tracker`, differentiable."""

    def __init__(self, middle: Tensor) -> None:
        super().__init__()
        self.middle = middle
        self.weights = nn.Parameter(torch.tensor([w for name in SOURCES for w in _START[name]]))
        self.slopes = nn.Parameter(torch.zeros(len(SOURCES), len(SOURCES)))
        self.offsets = nn.Parameter(torch.zeros(len(SOURCES)))
        self.log_walk = nn.Parameter(torch.tensor(0.015).log())
        self.log_jump = nn.Parameter(torch.tensor(0.05).log())

    def forward(self, features: Tensor, strengths: Tensor) -> Tensor:
        """Return the posteriors [B, T, R] of features [B, T, k, R] and strengths [B, T, 5]."""
        gates = (self.offsets + (strengths - self.middle) @ self.slopes.T).clamp(*GATE_RANGE).exp()
        weights = self.weights * gates.repeat_interleave(torch.tensor(_COUNTS), -1)
        likelihood = torch.einsum("btk,btkr->btr", weights, features)
        likelihood = (likelihood - likelihood.amax(-1, keepdim=True)).exp()
        walk = (-0.5 * ((_LOG_RATES[:, None] - _LOG_RATES) / self.log_walk.exp()) ** 2).exp()
        walk, jump = walk / walk.sum(0), self.log_jump.exp()
        posterior = torch.full((len(features), len(_LOG_RATES)), 1 / len(_LOG_RATES))
        posteriors = []
        for second in range(features.shape[1]):
            posterior = (1 - jump) * (posterior @ walk.T) + jump / len(_LOG_RATES)
            posterior = posterior * likelihood[:, second]
            posterior = posterior / posterior.sum(-1, keepdim=True)
            posteriors.append(posterior)
        return torch.stack(posteriors, 1)

    def fitted(self, agreement: Logistic, needed: float, good: float) -> TrackerFit:
        """Return the parameters with this regression and these limits of the confidence."""
        offsets, gates = (self.offsets - self.slopes @ self.middle).detach(), self.slopes.detach()
        sources, first = {}, 0
        for number, (name, count) in enumerate(zip(SOURCES, _COUNTS, strict=True)):
            weights = [rounded(w) for w in self.weights.detach()[first : first + count]]
            slopes = {other: rounded(gates[number, k]) for k, other in enumerate(SOURCES)}
            sources[name] = SourceFit(weights=weights, offset=rounded(offsets[number]), slopes=slopes)
            first += count
        walk, jump = (rounded(log.detach().exp()) for log in (self.log_walk, self.log_jump))
        needed, good = rounded(needed), rounded(good)
        return TrackerFit(sources=sources, walk=walk, jump=jump, agreement=agreement, needed=needed, good=good)


def fit_tracker(
    learnt: Sequence[Track],
    people: Sequence[int],
    judged: Sequence[Track],
    judged_people: Sequence[int],
    advance: Callable[[], None],
) -> TrackerFit:
    """Fit the tracker to the tracks `learnt` of these people; its confidence and the limits by cross-validation.

    The confidence and its limits are fitted to these tracks and to `judged`, each with a tracker that has not learnt
    from its person. `advance` is called after each of `(FOLDS + 1) * STEPS` steps.
    """
    folds, judged_folds = np.array(people) % FOLDS, np.array(judged_people) % FOLDS
    found = []
    for fold in range(FOLDS):
        tracker = _fit(_of(learnt, folds != fold), advance)
        found.append(judge(tracker, _of(learnt, folds == fold) + _of(judged, judged_folds == fold)))
    odds, right = (np.concatenate(parts) for parts in zip(*found, strict=True))
    agreement = fit_logistic(("motion", "network"), odds, right)
    confidence = special.expit(agreement.offset + odds @ np.array(list(agreement.weights.values())))
    needed, good = (lowest_limit(confidence, right, most) for most in (WRONG_PUBLISHED, WRONG_GOOD))
    return _fit(learnt, advance).fitted(agreement, needed, good)


def judge(tracker: Tracker, tracks: Sequence[Track]) -> tuple[Float64, Bool]:
    """Return, for all seconds with a known rate, whether the tracker's rate is right, and log odds [n, 2] of it.

    The log odds are those that a tracker of the motion alone gives to the rate, and one of the network alone.
    """
    batch = _batch(tracks)
    with torch.no_grad():
        posterior, *alone = (
            tracker(part.features, part.strengths).double()
            for part in (batch, batch.without(_OF_NETWORK), batch.without(~_OF_NETWORK))
        )
    best = _LOG_RATES[posterior.argmax(-1)]
    near = (_LOG_RATES - best[..., None]).abs() <= NEAR
    bpm = ((posterior * near * _LOG_RATES).sum(-1) / (posterior * near).sum(-1)).exp().numpy()
    odds = torch.stack([(each * near).sum(-1).clamp(*PROBABILITY_RANGE).logit() for each in alone], -1).numpy()
    true = np.stack([track.true_bpm for track in tracks])
    known = np.isfinite(true)
    tolerance = np.array([tolerance_bpm(rate) for rate in true[known]])
    return odds[known], np.abs(bpm[known] - true[known]) <= tolerance


def lowest_limit(confidence: Float64, right: Bool, most_wrong: float) -> float:
    """Return the lowest limit above which at most this fraction is wrong; the highest confidence if there is none."""
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~right[order]) / np.arange(1, len(order) + 1)
    allowed = np.flatnonzero(wrong <= most_wrong)
    return float(confidence[order[allowed[-1] if len(allowed) else 0]])


def _of(tracks: Sequence[Track], chosen: Bool) -> list[Track]:
    return [track for track, is_chosen in zip(tracks, chosen, strict=True) if is_chosen]


def _fit(tracks: Sequence[Track], advance: Callable[[], None]) -> Tracker:
    rng, whole = np.random.default_rng(0), _batch(tracks)
    present = whole.strengths.abs().sum((0, 1)) / (whole.strengths != 0).sum((0, 1)).clamp(min=1)
    tracker = Tracker(present * whole.strengths.sum((0, 1)).sign())
    optimizer = torch.optim.Adam(tracker.parameters(), lr=LEARNING_RATE)
    for _ in range(STEPS):
        chosen = torch.tensor(rng.permutation(len(tracks))[:BATCH])
        without_network = torch.tensor(rng.random(len(chosen)) < WITHOUT_NETWORK)
        batch = Batch(*(each[chosen] for each in whole)).without(without_network[:, None] & _OF_NETWORK)
        near, known = batch.near, batch.known
        probability = (tracker(batch.features, batch.strengths) * near).sum(-1)[known]
        loss = -((1 - FLOOR) * probability + FLOOR * near.mean(-1)[known]).log().mean()
        loss = loss + GATE_PENALTY * tracker.slopes.square().sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(tracker.parameters(), 1.0)
        optimizer.step()
        advance()
    return tracker


def _batch(tracks: Sequence[Track]) -> Batch:
    true = torch.tensor(np.stack([track.true_bpm for track in tracks]), dtype=torch.float32)
    known = torch.isfinite(true)
    tolerance = torch.clamp(0.1 * true, min=5.0)
    near = ((_LOG_RATES.exp() - true[..., None]).abs() <= tolerance[..., None]).float()
    features, strengths = (torch.tensor(np.stack([track[k] for track in tracks])) for k in (0, 1))
    return Batch(features, strengths, near, known)
