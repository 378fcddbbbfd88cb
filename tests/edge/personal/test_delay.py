"""The delay between the beats of two devices: found to a millisecond, or refused with the reason."""

import numpy as np
import pytest

from edge.personal.delay import MAX_DELAY_S, PersonalDelayError, measure_delay

START_S = 1_795_196_400.0
SECONDS = 70.0


def heart(seed: int = 1, bpm: float = 66.0, spread: float = 0.05) -> np.ndarray:
    """R peaks of a minute, with the variation of a person at rest."""
    rng = np.random.default_rng(seed)
    return START_S + np.cumsum(60 / bpm * (1 + spread * rng.standard_normal(round(SECONDS * bpm / 60) - 2)))


def by_radar(r_peaks_s: np.ndarray, delay_s: float, seed: int = 2) -> np.ndarray:
    """The same beats with the timing error of the network, and a few missed."""
    rng = np.random.default_rng(seed)
    beats_s = r_peaks_s + delay_s + 0.008 * rng.standard_normal(len(r_peaks_s))
    return beats_s[rng.random(len(beats_s)) > 0.05]


def measured(beats_s, r_peaks_s, seconds=SECONDS):
    return measure_delay(beats_s, r_peaks_s, START_S, START_S + seconds)


@pytest.mark.parametrize("delay_s", [-0.06, 0.0, 0.031, 0.1])
@pytest.mark.parametrize("spread", [0.0, 0.05, 0.2])
def test_a_delay_is_found(delay_s, spread):
    r_peaks_s = heart(spread=spread)
    found = measured(by_radar(r_peaks_s, delay_s), r_peaks_s)
    assert found.n_beats > 60
    # 1.25 * 8 ms / sqrt(60) is the standard error of the median.
    assert found.error_s == pytest.approx(0.0013, rel=0.5)
    assert found.delay_s == pytest.approx(delay_s, abs=0.004)


def test_beats_that_were_detected_falsely_do_not_change_it():
    r_peaks_s = heart()
    false = np.random.default_rng(3).uniform(START_S, START_S + SECONDS, 8)
    beats_s = np.sort(np.concatenate([by_radar(r_peaks_s, 0.03), false]))
    assert measured(beats_s, r_peaks_s).delay_s == pytest.approx(0.03, abs=0.004)


def refused(beats_s, r_peaks_s, *words, seconds=SECONDS):
    with pytest.raises(PersonalDelayError) as caught:
        measured(beats_s, r_peaks_s, seconds)
    for word in words:
        assert word in str(caught.value)


def test_a_reference_that_is_too_short():
    r_peaks_s = heart()
    beats_s = by_radar(r_peaks_s, 0.03)
    refused(beats_s, r_peaks_s[r_peaks_s < START_S + 40], "too short", "in common")
    refused(beats_s, r_peaks_s, "too short", "29 s in common", seconds=30)
    refused(beats_s, r_peaks_s[:1], "1 R peaks")


@pytest.mark.parametrize(("hours", "word"), [(1, "after"), (-1, "before")])
def test_a_reference_of_another_time(hours, word):
    r_peaks_s = heart()
    refused(by_radar(r_peaks_s, 0.03), r_peaks_s + 3600 * hours, f"{word} the recording", "clock is wrong")


@pytest.mark.parametrize("offset_s", [-1.34, 0.25, 4.0])
def test_a_clock_with_an_offset(offset_s):
    r_peaks_s = heart()
    refused(by_radar(r_peaks_s, offset_s), r_peaks_s, f"{offset_s:+.2f} s", "clocks differ")


def test_a_delay_that_no_body_has():
    r_peaks_s = heart()
    refused(by_radar(r_peaks_s, MAX_DELAY_S + 0.01), r_peaks_s, "check the clocks")
    refused(by_radar(r_peaks_s, -MAX_DELAY_S - 0.04), r_peaks_s, "clocks differ")


def test_a_clock_that_runs_at_another_rate():
    r_peaks_s = heart()
    drifting = by_radar(r_peaks_s, 0.0)
    drifting = drifting + (drifting - START_S) * 0.0012  # 84 ms in 70 s: still within the reach of a match
    refused(drifting, r_peaks_s, "runs at another rate")


def test_another_person():
    r_peaks_s, others_s = heart(1, bpm=66), heart(5, bpm=84, spread=0)
    refused(by_radar(r_peaks_s, 0.03), others_s, "84 bpm in the reference", "another person")
    refused(by_radar(heart(1), 0.03), heart(5), "constant time", "another person")


def test_t_waves_counted_as_beats():
    r_peaks_s = heart()
    doubled = np.sort(np.concatenate([r_peaks_s, r_peaks_s + 0.3]))
    refused(by_radar(r_peaks_s, 0.03), doubled, "counted twice")


def test_a_reference_with_gaps():
    r_peaks_s = heart()
    beats_s = by_radar(r_peaks_s, 0.03)
    refused(beats_s, r_peaks_s[[0, -1]], "gaps", "0 of")
    refused(beats_s, np.delete(r_peaks_s, slice(10, 60)), "gaps", "electrodes")


def test_a_poor_signal():
    r_peaks_s = heart()
    beats_s = by_radar(r_peaks_s, 0.03)
    refused(beats_s[beats_s < START_S + 20], r_peaks_s, "poor signal", "without movement")
    refused(np.zeros(0), r_peaks_s, "poor signal")
