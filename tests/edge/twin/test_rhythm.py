"""Rhythms, ECG and heart of the twin: beat times, and the signals derived from them."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from edge.twin.breathing import Breaths
from edge.twin.ecg import ECTOPIC, EcgShape, ecg_mv
from edge.twin.heart import PULSE, VALVES, Heart, Mechanics
from edge.twin.rhythm import Fibrillation, Sinus, WithEctopics, since_beats
from tests.helpers.rhythm import GivenCycles


def steady(rate_bpm: float, **more) -> Sinus:
    return Sinus(lambda _: rate_bpm, lambda t_s: np.sin(2 * np.pi * 0.25 * t_s), **more)


def cycles(rhythm, count: int = 400, seed: int = 1) -> np.ndarray:
    return np.diff([beat.r_s for beat in itertools.islice(rhythm.beats(seed), count)])


@pytest.mark.parametrize(
    "rhythm",
    [steady(70), Fibrillation(lambda _: 90), WithEctopics(steady(70))],
    ids=lambda rhythm: type(rhythm).__name__,
)
def test_the_same_seed_gives_the_same_beats_and_a_beat_depends_on_the_cycle_before_it(rhythm):
    beats = list(itertools.islice(rhythm.beats(5), 300))
    assert beats == list(itertools.islice(rhythm.beats(5), 300))
    assert beats[1:] != list(itertools.islice(rhythm.beats(6), 300))[1:]
    np.testing.assert_allclose([beat.cycle_s for beat in beats[1:]], np.diff([beat.r_s for beat in beats]))


def test_cycles_follow_the_breath():
    rhythm = steady(60, breath_depth=0.1, jitter=0.0, drift=((0.9, 0.0),))
    r_s = np.array([beat.r_s for beat in itertools.islice(rhythm.beats(1), 300)])
    np.testing.assert_allclose(np.diff(r_s), 1 + 0.1 * np.sin(2 * np.pi * 0.25 * r_s[:-1]))


def test_fibrillation_is_irregular_from_beat_to_beat_and_sinus_is_not():
    af, sinus = cycles(Fibrillation(lambda _: 90, 0.22)), cycles(steady(90))
    assert 60 / af.mean() == pytest.approx(90, rel=0.05)
    assert np.std(af) / af.mean() == pytest.approx(0.22, rel=0.15)
    assert abs(np.corrcoef(af[1:], af[:-1])[0, 1]) < 0.15 < np.corrcoef(sinus[1:], sinus[:-1])[0, 1]
    assert af.min() >= 0.3


def test_an_ectopic_beat_comes_early_and_the_pause_after_it_makes_up_for_that():
    base = [beat.r_s for beat in itertools.islice(steady(70).beats(3), 300)]
    beats = list(itertools.islice(WithEctopics(steady(70), 0.1, 0.6).beats(3), 300))
    early = [k for k, beat in enumerate(beats) if beat.ectopic]
    assert 15 < len(early) < 45
    assert min(np.diff(early)) > 1
    for k, (beat, usual_s) in enumerate(zip(beats, base, strict=True)):
        expected = base[k - 1] + 0.6 * (base[k] - base[k - 1]) if beat.ectopic else usual_s
        assert beat.r_s == pytest.approx(expected)


def test_premature_beats_of_the_atrium_look_like_the_others_and_may_come_in_threes():
    beats = list(itertools.islice(WithEctopics(steady(70), 0.05, 0.7, 0.02, every=3, atrial=True).beats(3), 2000))
    assert not any(beat.ectopic for beat in beats)
    cycles_s = np.diff([beat.r_s for beat in beats])
    apart = np.diff(np.flatnonzero(cycles_s < 0.85 * np.median(cycles_s)))
    # A premature beat follows in three beats with a probability of 0.7; at random, 0.05 would.
    assert np.mean(apart == 3) == pytest.approx(0.7 * 0.95, abs=0.1)
    assert np.min(apart) > 1


def test_given_cycles_are_kept_and_repeated():
    assert cycles(GivenCycles(np.array([0.8, 1.0, 0.7])), 8) == pytest.approx([0.8, 1.0, 0.7, 0.8, 1.0, 0.7, 0.8])
    with pytest.raises(ValueError, match="between"):
        GivenCycles(np.array([0.8, 0.0]))


def test_since_beats_finds_every_beat_in_reach_of_a_time():
    r_s, t_s = np.array([0.0, 1.0, 1.4]), np.array([-0.5, 0.9, 1.5])
    found = {
        (beat, at)
        for beats, since in since_beats(r_s, t_s, 0.2, 1.2)
        for beat, at, late in zip(beats.tolist(), t_s.tolist(), since.tolist(), strict=True)
        if late < 1.2
    }
    assert found == {(0, 0.9), (1, 0.9), (1, 1.5), (2, 1.5)}


@pytest.mark.parametrize("rhythm", [steady(62), steady(130), Fibrillation(lambda _: 95), WithEctopics(steady(75), 0.2)])
@pytest.mark.parametrize("rate_hz", [200, 1000])
def test_r_peaks_of_the_ecg_are_at_the_beats(rhythm, rate_hz):
    heart = Heart(seed=4, rhythm=rhythm)
    ecg = ecg_mv(heart.beats(-1, 61), EcgShape(), 60 * rate_hz, rate_hz)
    for r_s in heart.beats_s(1, 59):
        near = slice(round((r_s - 0.12) * rate_hz), round((r_s + 0.12) * rate_hz))
        assert (near.start + ecg[near].argmax()) / rate_hz == pytest.approx(r_s, abs=0.5 / rate_hz + 2e-3)


def test_height_of_r_depends_neither_on_the_output_rate_nor_on_the_heart_rate():
    heights = []
    for rate_hz, bpm in itertools.product((200, 250, 500, 1000), (50, 120)):
        heart = Heart(bpm, seed=4)
        ecg = ecg_mv(heart.beats(-1, 121), EcgShape(), 120 * rate_hz, rate_hz)
        peaks = [ecg[round((r - 0.1) * rate_hz) : round((r + 0.1) * rate_hz)].max() for r in heart.beats_s(1, 119)]
        heights.append(np.median(peaks) - np.median(ecg))
    assert np.ptp(heights) < 0.05 * np.mean(heights)


def test_qt_grows_with_the_cycle_and_fibrillation_has_f_waves_and_no_p():
    def t_peak_s(cycle_s: float) -> float:
        heart = Heart(rhythm=GivenCycles(np.array([cycle_s])))
        ecg = ecg_mv(heart.beats(-1, 21), EcgShape(atrial=()), 20_000, 1000)
        first = round(heart.beats_s(10, 20)[0] * 1000)
        return 0.1 + ecg[first + 100 : first + 450].argmax() / 1000

    assert t_peak_s(0.6) == pytest.approx(t_peak_s(1.0) * np.sqrt(0.6), abs=0.01)
    beats = Heart(rhythm=GivenCycles(np.array([1.0]))).beats(-1, 21)
    without = ecg_mv(beats, EcgShape(atrial=()), 4000, 200)
    with_p = ecg_mv(beats, EcgShape(), 4000, 200) - without
    waves = ecg_mv(beats, EcgShape(atrial=(), fibrillation_mv=0.05), 4000, 200) - without
    assert with_p.max() == pytest.approx(0.12, rel=0.2)
    power = np.abs(np.fft.rfft(waves[400:])) ** 2
    hz = np.fft.rfftfreq(3600, 1 / 200)
    assert power[(hz > 3) & (hz < 16)].sum() > 0.9 * power[1:].sum()


def test_an_ectopic_beat_is_wide_in_the_ecg_and_weak_on_the_chest():
    heart = Heart(rhythm=WithEctopics(steady(60), 0.15), mechanics=Mechanics(ectopic_strength=0.4))
    beats = list(heart.beats(2, 100))
    ecg = ecg_mv(heart.beats(-1, 101), EcgShape(), 100_000, 1000)
    t_s = np.arange(0, 0.25, 1e-3)
    widths, strengths = {True: [], False: []}, {True: [], False: []}
    for beat in beats[:-1]:
        around = ecg[round(beat.r_s * 1000) - 80 : round(beat.r_s * 1000) + 80]
        widths[beat.ectopic].append((around > around.max() / 2).sum())
        strengths[beat.ectopic].append(np.ptp(heart.displacement_mm(beat.r_s + t_s, at_base=False)))
    assert np.median(widths[True]) > 2 * np.median(widths[False])
    assert np.median(strengths[True]) < 0.7 * np.median(strengths[False])
    assert ECTOPIC[0].delay_s == 0


def test_systole_is_shorter_after_a_short_cycle():
    def closure_s(cycle_s: float) -> float:
        heart = Heart(rhythm=GivenCycles(np.array([cycle_s])))
        r_s = heart.beats_s(10, 20)[0]
        t_s = np.arange(0.15, 0.5, 1e-3)
        moved = heart.displacement_mm(r_s + t_s, at_base=True)
        return float(t_s[moved.argmin()])

    ejection = VALVES[1].delay_s
    assert closure_s(1.0) == pytest.approx(ejection, abs=2e-3)
    assert closure_s(0.5) == pytest.approx(ejection * np.sqrt(0.5), abs=2e-3)


def test_beats_differ_only_as_much_as_configured():
    t_s = np.arange(0, 0.8, 1e-3)

    def shapes(mechanics: Mechanics) -> np.ndarray:
        heart = Heart(rhythm=GivenCycles(np.array([1.0])), mechanics=mechanics, breath=lambda t_s: 1.0)
        return np.array([heart.displacement_mm(r_s + t_s) for r_s in heart.beats_s(10, 60)])

    same = shapes(Mechanics())
    np.testing.assert_allclose(same, np.broadcast_to(same[0], same.shape), atol=1e-12)
    varied = shapes(Mechanics(strength_spread=0.1))
    assert np.std(np.log(np.ptp(varied, axis=1))) == pytest.approx(0.1, rel=0.4)
    np.testing.assert_allclose(shapes(Mechanics(breath_strength=0.2)), 1.2 * same)
    later = shapes(Mechanics(breath_delay_s=0.01))
    np.testing.assert_allclose(later[:, 10:], same[:, :-10], atol=1e-3)


def test_parts_of_apex_and_base_add_up_to_the_total():
    heart, t_s = Heart(seed=2), np.arange(5, 15, 0.01)
    parts = heart.displacement_mm(t_s, at_base=False) + heart.displacement_mm(t_s, at_base=True)
    np.testing.assert_allclose(parts, heart.displacement_mm(t_s))
    assert not Heart(mechanics=Mechanics((PULSE, replace(VALVES[1], at_base=False)))).displacement_mm(t_s, True).any()


def test_a_breath_goes_in_and_out_and_moves_nothing_in_the_pause():
    breaths = Breaths(np.array([0.0, 10.0]), np.array([1.5, 1.5]), np.array([2.0, 2.0]), np.array([6.0, 9.0]))
    t_s = np.arange(0, 14, 5e-3)
    moved = breaths.displacement_mm(t_s)
    assert moved[t_s < 9].min() == pytest.approx(-6)
    assert moved.min() == pytest.approx(-9)
    assert not moved[(t_s > 3.5) & (t_s < 10)].any()
    assert [breaths.state(at_s) for at_s in (0.0, 1.5, 5.0)] == [1, -1, 1]
    acceleration = np.diff(moved, 2)
    assert np.abs(np.diff(acceleration)).max() < 0.1 * np.abs(acceleration).max()  # no step that looks like a beat
