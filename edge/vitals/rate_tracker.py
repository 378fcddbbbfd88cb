"""Tracker of the heart rate: a Bayesian filter that adds the evidence of every source.

The state is the rate, on a logarithmic grid. Once a second it takes a step of a random walk, or, rarely, jumps to any
rate. Then the evidence changes the probability of every rate: the log-likelihood is the sum over the sources of
`gate * (weights @ features)`. The gate of a source is `exp(offset + sum of slopes * strengths)` of the strengths of all
sources, because a pronounced periodicity of the motion makes the network's outputs credible, and its absence makes them
worthless. A source that is absent adds nothing.

The confidence in the rate is its probability by agreement: two further filters have the motion alone and the network
alone, and the log odds that they give to the rate are weighed and added. Their errors are nearly independent, whereas
the common posterior becomes certain when one source is wrong for long. Without evidence of both kinds the confidence is
the posterior's. All parameters are fitted (`train.fit_quality`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from edge.core.types import BeatRate, Bool, Float64, RateEstimate
from edge.vitals.quality_model import QUALITY_MODEL, TrackerFit
from edge.vitals.rate_evidence import MOTION_SOURCES, RATES_BPM, SOURCES, RateEvidence

BEATS_NEAR = 0.04  # of the rate's logarithm: closer beats refine the rate
NEAR = 0.07  # of a rate's logarithm: what counts as the same rate
GATE_RANGE = (-2.0, 1.0)  # limits of a gate's logarithm
PROBABILITY_RANGE = (1e-3, 1 - 1e-4)  # limits of what one filter alone gives to a rate
_LOG_RATES = np.log(RATES_BPM)


class RateTracker:
    """Call `update` once a second with the evidence that there is."""

    def __init__(self, fit: TrackerFit = QUALITY_MODEL.tracker) -> None:
        self._fit = fit
        walk = np.exp(-0.5 * np.square((_LOG_RATES[:, None] - _LOG_RATES) / fit.walk))
        self._walk: Float64 = walk / walk.sum(axis=0)
        self.reset()

    def reset(self) -> None:
        """Discard the rate, because the chest moved or may be another one."""
        self._posteriors: Float64 = np.full((3, len(RATES_BPM)), 1 / len(RATES_BPM))

    @property
    def posterior(self) -> Float64:
        """Return the probability [R] of each of RATES_BPM."""
        of_all: Float64 = self._posteriors[0]
        return of_all

    def update(self, sources: Mapping[str, RateEvidence]) -> RateEstimate:
        """Advance by one second and return the most probable rate; no rate without any evidence."""
        of_motion = {name: each for name, each in sources.items() if name in MOTION_SOURCES}
        of_network = {name: each for name, each in sources.items() if name not in MOTION_SOURCES}
        likelihood = np.stack([self.log_likelihood(part) for part in (sources, of_motion, of_network)])
        moved = (1 - self._fit.jump) * (self._posteriors @ self._walk.T) + self._fit.jump / len(RATES_BPM)
        self._posteriors = moved * np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
        self._posteriors /= self._posteriors.sum(axis=1, keepdims=True)
        if not sources:
            return RateEstimate()
        near = np.abs(_LOG_RATES - _LOG_RATES[self.posterior.argmax()]) <= NEAR
        bpm = math.exp(float((self.posterior * _LOG_RATES)[near].sum() / self.posterior[near].sum()))
        below = np.cumsum(self.posterior) - self.posterior / 2
        low, high = np.exp(np.interp((0.025, 0.975), below, _LOG_RATES))
        confidence = self._agreement(near) if of_motion and of_network else float(self.posterior[near].sum())
        return RateEstimate(bpm, confidence, (min(bpm, float(low)), max(bpm, float(high))))

    def _agreement(self, near: Bool) -> float:
        """Return the probability that the rate is right, from what motion and network alone give to rates near it."""
        _, motion, network = np.clip(self._posteriors[:, near].sum(axis=1), *PROBABILITY_RANGE)
        odds = {"motion": math.log(motion / (1 - motion)), "network": math.log(network / (1 - network))}
        return 1 / (1 + math.exp(-self._fit.agreement.score(odds)))

    def log_likelihood(self, sources: Mapping[str, RateEvidence]) -> Float64:
        """Return the logarithm of the likelihood [R] of each rate, up to a constant."""
        strength = {name: sources[name].strength if name in sources else 0.0 for name in SOURCES}
        total = np.zeros(len(RATES_BPM))
        for name, evidence in sources.items():
            fit = self._fit.sources[name]
            gate = fit.offset + sum(slope * strength[other] for other, slope in fit.slopes.items())
            weights = math.exp(min(max(gate, GATE_RANGE[0]), GATE_RANGE[1])) * np.array(fit.weights)
            total += weights @ evidence.features
        return total


def refine(rate: RateEstimate, beats: BeatRate | None) -> tuple[RateEstimate, BeatRate | None]:
    """Return the rate of the beats, which is finer than the tracker's grid, and the beats, if they agree with it.

    The interval and the confidence remain the tracker's. Without such beats, return the tracker's rate and None.
    """
    if rate.bpm is None or beats is None or abs(math.log(beats.bpm / rate.bpm)) > BEATS_NEAR:
        return rate, None
    low, high = rate.ci95_bpm or (rate.bpm, rate.bpm)
    return RateEstimate(beats.bpm, rate.confidence, (min(low, beats.bpm), max(high, beats.bpm))), beats
