"""Measures by how much the network's beats are later than a person's R peaks.

The time from the R peak to the motion of the chest differs by tens of milliseconds between people and is nearly
constant in one person. The network cannot see it in the motion, so it assumes that of its training. The remaining
delay, constant for one person and one network, is the median over the beats of both devices that belong together.

Only clocks that agree to a few milliseconds allow this: an offset of the reference's clock cannot be distinguished from
the delay. An offset larger than MAX_DELAY_S is detected, a smaller one is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.core.errors import InputError
from edge.core.types import Float64
from edge.filters.smoothing import gaussian_smooth

MIN_OVERLAP_S = 55.0  # a minute, less what is lost when two devices are started by hand
MAX_DELAY_S = 0.11
"""From the R peak to the opening of the aortic valve, 0.03 to 0.14 s pass: two people differ by no more than this."""
MIN_USABLE_FRACTION = 0.6  # of the time must have R peaks, and beats of the radar in usable seconds
_MAX_CYCLE_S = 2.0
MIN_MATCHED_FRACTION = 0.75  # of the radar's beats must be within MATCH_S of an R peak, after removing the delay
MATCH_S = 0.05
MAX_DRIFT_S = 0.03  # between the halves of the recording
MAX_RATE_DIFFERENCE = 0.1
CLOCK_SEARCH_S = 10.0  # larger errors of a clock are not distinguished from another person's beats
_CLOCK_EVIDENCE = 0.1  # how much better an impossible delay must fit: in a regular rhythm, one beat later fits as well
_STEP_S, _SIGMA_S = 0.005, 0.03
_SEARCH_S = CLOCK_SEARCH_S + 5 * _SIGMA_S
_MEDIAN_ERROR = 1.2533 * 1.4826  # standard error of a median, from the median absolute deviation


class PersonalDelayError(InputError):
    """The delay cannot be measured or cannot be used. The message gives the cause and the remedy."""


@dataclass(frozen=True, slots=True)
class PersonalDelay:
    """Seconds by which the network's beats are later than the R peaks, its standard error, and the number of beats."""

    delay_s: float
    error_s: float
    n_beats: int


def measure_delay(beats_s: Float64, r_peaks_s: Float64, start_s: float, end_s: float) -> PersonalDelay:
    """Measure the delay in a recording from `start_s` to `end_s`. All times are on one clock.

    Args:
        beats_s: Beats of the network in the seconds with usable quality [k], rising.
        r_peaks_s: R peaks of the reference [m], rising.
        start_s: Start of the recording.
        end_s: End of the recording.

    Raises:
        PersonalDelayError: The reference is too short or does not fit, or the signal is too poor.
    """
    start_s, end_s = check_overlap(r_peaks_s, start_s, end_s)
    beats_s = beats_s[(beats_s >= start_s) & (beats_s <= end_s)]
    true_s = r_peaks_s[(r_peaks_s >= start_s) & (r_peaks_s <= end_s)]
    for times_s, what, advice in (
        (true_s, "gaps: the reference has R peaks", "check its electrodes or its strap"),
        (beats_s, "poor signal: the radar has beats", "record again, without movement, the chest 0.4 to 0.6 m away"),
    ):
        covered_s = float(sum(cycle_s for cycle_s in np.diff(times_s) if cycle_s < _MAX_CYCLE_S))
        if covered_s < MIN_USABLE_FRACTION * (end_s - start_s):
            raise PersonalDelayError(f"{what} in {covered_s:.0f} of {end_s - start_s:.0f} s; {advice}")
    _check_rates(beats_s, true_s)
    delays_s, scores = _agreement(beats_s, r_peaks_s)
    possible = np.abs(delays_s) <= MAX_DELAY_S + _STEP_S / 2
    best_s = float(delays_s[np.where(possible, scores, -1).argmax()])
    impossible_s = float(delays_s[np.where(possible, -1, scores).argmax()])
    is_clock = scores[~possible].max() > scores[possible].max() + _CLOCK_EVIDENCE
    if is_clock and _matched(beats_s, r_peaks_s, impossible_s)[1].mean() >= MIN_MATCHED_FRACTION:
        raise PersonalDelayError(
            f"the beats agree only if the reference is shifted by {impossible_s:+.2f} s, and a body delays them by at "
            f"most {MAX_DELAY_S:g} s: the clocks differ (set both by the same time service, or correct the start of "
            "the reference), or the network takes another vibration of this heart for the first"
        )
    offsets_s, matched = _matched(beats_s, r_peaks_s, best_s)
    if matched.mean() < MIN_MATCHED_FRACTION:
        raise PersonalDelayError(
            f"only {100 * matched.mean():.0f} % of the radar's beats are at a constant time from an R peak of the "
            f"reference, {100 * MIN_MATCHED_FRACTION:.0f} % are needed: another person, another time, a clock that is "
            f"wrong by more than {CLOCK_SEARCH_S:.0f} s, or a poor signal"
        )
    _check_drift(beats_s[matched], offsets_s[matched])
    delay_s = float(np.median(offsets_s[matched]))
    if abs(delay_s) > MAX_DELAY_S:
        raise PersonalDelayError(
            f"the delay would be {1000 * delay_s:.0f} ms, and a body's is within +-{1000 * MAX_DELAY_S:.0f} ms: check "
            "the clocks of both devices"
        )
    deviation_s = float(np.median(np.abs(offsets_s[matched] - delay_s)))
    n_beats = int(matched.sum())
    return PersonalDelay(delay_s, _MEDIAN_ERROR * deviation_s / np.sqrt(n_beats), n_beats)


def check_overlap(r_peaks_s: Float64, start_s: float, end_s: float) -> tuple[float, float]:
    """Return start and end of the time that the reference has in common with a recording.

    Raises PersonalDelayError if it is shorter than MIN_OVERLAP_S.
    """
    if len(r_peaks_s) < 2:
        raise PersonalDelayError(f"the reference has {len(r_peaks_s)} R peaks; it must be a minute or longer")
    common_s = min(end_s, r_peaks_s[-1]) - max(start_s, r_peaks_s[0])
    if common_s <= 0:
        ahead_s = r_peaks_s[0] - start_s
        raise PersonalDelayError(
            f"the reference begins {abs(ahead_s):.0f} s {'after' if ahead_s > 0 else 'before'} the recording and has "
            "no time in common with it: they are not of the same time, or the reference's clock is wrong"
        )
    if common_s < MIN_OVERLAP_S:
        raise PersonalDelayError(
            f"too short: recording and reference have {common_s:.0f} s in common; record both for a minute or longer"
        )
    return max(start_s, float(r_peaks_s[0])), min(end_s, float(r_peaks_s[-1]))


def _check_rates(beats_s: Float64, true_s: Float64) -> None:
    """Raise PersonalDelayError if the heart rates of the radar and the reference differ."""
    ours, theirs = (60 / float(np.median(np.diff(times))) for times in (beats_s, true_s))
    if abs(ours / theirs - 1) > MAX_RATE_DIFFERENCE:
        raise PersonalDelayError(
            f"the heart rate is {theirs:.0f} bpm in the reference and {ours:.0f} bpm by radar: another person, another "
            "time, or R peaks that are missing or counted twice"
        )


def _check_drift(times_s: Float64, offsets_s: Float64) -> None:
    """Raise PersonalDelayError if the offsets change during the recording."""
    late = times_s > np.median(times_s)
    drift_s = float(np.median(offsets_s[late]) - np.median(offsets_s[~late]))
    if abs(drift_s) > MAX_DRIFT_S:
        raise PersonalDelayError(
            f"the delay changes by {1000 * drift_s:.0f} ms within the recording: the reference's clock runs at another "
            "rate, or its R peaks were derived from rounded intervals"
        )


def _matched(beats_s: Float64, r_peaks_s: Float64, delay_s: float) -> tuple[Float64, np.ndarray]:
    """Return each beat's time after its R peak, and whether that is within MATCH_S of the delay."""
    away_s = _from_nearest(beats_s - delay_s, r_peaks_s)
    return away_s + delay_s, np.abs(away_s) <= MATCH_S


def _agreement(beats_s: Float64, r_peaks_s: Float64) -> tuple[Float64, Float64]:
    """Return all delays within CLOCK_SEARCH_S, and the fraction of beats that are so much later than an R peak.

    A beat counts less, the farther it is from the delay, with the standard deviation _SIGMA_S.
    """
    near = (r_peaks_s[slice(*np.searchsorted(r_peaks_s, [t - _SEARCH_S, t + _SEARCH_S]))] for t in beats_s)
    offsets_s = np.concatenate([t - found for t, found in zip(beats_s, near, strict=True)])
    steps = round(_SEARCH_S / _STEP_S)
    delays_s = np.arange(-steps, steps + 1) * _STEP_S
    count = np.bincount(
        np.clip(np.rint(offsets_s / _STEP_S).astype(int) + steps, 0, 2 * steps), minlength=2 * steps + 1
    )
    sigma = _SIGMA_S / _STEP_S
    scores = gaussian_smooth(count.astype(np.float64), sigma) * np.sqrt(2 * np.pi) * sigma / len(beats_s)
    inside = np.abs(delays_s) <= CLOCK_SEARCH_S + _STEP_S / 2
    return delays_s[inside], scores[inside]


def _from_nearest(beats_s: Float64, r_peaks_s: Float64) -> Float64:
    """Return the time of each beat after the nearest of at least two R peaks."""
    after = np.clip(np.searchsorted(r_peaks_s, beats_s), 1, len(r_peaks_s) - 1)
    before_s, after_s = beats_s - r_peaks_s[after - 1], beats_s - r_peaks_s[after]
    return np.asarray(np.where(before_s < -after_s, before_s, after_s))
