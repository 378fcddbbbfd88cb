import numpy as np
import pytest

from edge.core.spec import (
    ANCHOR_CLASSES,
    CYCLE_CLASSES,
    CYCLE_MIN,
    ECG_PIECE_R_FRACTION,
    ECG_PIECE_SAMPLES,
    RCG_RATE_HZ,
    SST_WINDOW,
)
from edge.core.types import TaskOutputs
from edge.ecg.stitcher import DELAY_S, Stitcher

HOP = 200


def outputs(beats, end, blur=1.5, height=1.0, drop=(), stray=()):
    """Return the outputs of a perfect network for the window before `end`, with beats dropped and stray beats added."""
    start = end - SST_WINDOW
    inside = [beat for beat in [*beats, *stray] if start <= beat < end and beat not in drop]
    grid = np.arange(ANCHOR_CLASSES)
    anchor = sum(np.exp(-0.5 * ((grid - (beat - start)) / blur) ** 2) for beat in inside) + np.full(
        ANCHOR_CLASSES, 1e-9
    )
    middle = int(np.argmin(np.abs(np.asarray(beats) - start - SST_WINDOW / 2)))
    length = beats[middle + 1] - beats[middle]
    cycle = np.exp(-0.5 * ((CYCLE_MIN + np.arange(CYCLE_CLASSES) - length) / 3) ** 2)
    piece = height * np.exp(-0.5 * ((np.arange(ECG_PIECE_SAMPLES) - ECG_PIECE_R_FRACTION * ECG_PIECE_SAMPLES) / 3) ** 2)
    return TaskOutputs(piece.astype(np.float32), anchor / anchor.sum(), cycle / cycle.sum())


def stitched(beats, seconds=30, ends=None, **how):
    """ECG and `known` by the stream's sample, R peaks, confidence."""
    stitcher = Stitcher()
    parts = [stitcher.push(outputs(beats, end, **how), end) for end in ends or range(SST_WINDOW, seconds * 200, HOP)]
    length = parts[-1].sample0 + len(parts[-1].ecg)
    ecg, known, times = np.zeros(length), np.zeros(length, bool), np.zeros(length, int)
    for part in parts:
        inside = slice(part.sample0, part.sample0 + len(part.ecg))
        ecg[inside], known[inside] = part.ecg, part.valid_mask
        times[inside] += 1
    assert times.max() == 1
    return ecg, known, *(np.concatenate([getattr(part, name) for part in parts]) for name in ("r_peaks", "confidence"))


def regular(rate_bpm, seconds=40):
    rng = np.random.default_rng(1)
    return 33.0 + np.cumsum(12000 / rate_bpm * (1 + 0.04 * rng.standard_normal(round(seconds * rate_bpm / 60))))


def expected(beats, seconds=30):
    last = max(range(SST_WINDOW, seconds * 200, HOP)) - round(DELAY_S * RCG_RATE_HZ)
    return beats[beats < last]


@pytest.mark.parametrize("rate_bpm", [42, 70, 120, 175])
def test_beats_are_where_they_are(rate_bpm):
    beats = regular(rate_bpm)
    _, _, found, confidence = stitched(beats)
    assert len(found) == len(expected(beats))
    np.testing.assert_allclose(found, expected(beats), atol=0.5)
    assert confidence.min() > 0.8


def test_the_ecg_peaks_at_the_beats_and_is_silent_between():
    beats = regular(70)
    ecg, known, found, _ = stitched(beats)
    assert known[round(found[0]) + 1 :].all()
    assert not known[: round(found[0]) - 1].any()
    for beat in found[1:]:
        assert ecg[round(beat)] > 0.95
    middle = np.round((found[:-1] + found[1:]) / 2).astype(int)
    assert np.abs(ecg[middle]).max() < 0.01


def test_a_stray_beat_in_one_of_the_windows_is_rejected():
    beats = regular(60)
    stray = (beats[10] + beats[11]) / 2
    _, _, found, _ = stitched(beats, stray=[stray])
    np.testing.assert_allclose(found, expected(beats), atol=0.5)


def test_a_premature_beat_is_kept():
    beats = regular(60)
    beats[10] -= 80
    _, _, found, _ = stitched(beats)
    np.testing.assert_allclose(found, expected(beats), atol=1.0)


def test_a_missing_beat_is_a_gap_and_not_invented():
    beats = regular(50)
    _, known, found, _ = stitched(beats, drop=beats[8:10])
    truth = np.delete(expected(beats), [8, 9])
    np.testing.assert_allclose(found, truth, atol=0.5)
    assert not known[round(beats[8]) : round(beats[9])].any()


def test_nothing_is_known_where_no_window_came():
    beats = regular(70)
    ends = [*range(800, 2400, 200), *range(5000, 6000, 200)]
    _, known, found, _ = stitched(beats, ends=ends)
    assert not known[2600:4000].any()
    assert known[4400:5000].all()
    assert ((found < 2600) | (found > 4000)).all()


def test_the_same_beats_wherever_the_stream_began():
    beats = regular(70)
    _, _, found, _ = stitched(beats)
    _, _, later, _ = stitched(beats + 100_000, ends=range(100_000 + SST_WINDOW, 106_000, HOP))
    np.testing.assert_allclose(later - 100_000, found)


def test_the_end_of_a_stream_is_not_held_back():
    beats, stitcher = regular(70), Stitcher()
    for end in range(SST_WINDOW, 6000, HOP):
        last = stitcher.push(outputs(beats, end), end)
    rest = stitcher.flush()
    assert rest.sample0 == last.sample0 + len(last.ecg)
    assert rest.sample0 + len(rest.ecg) == end
    np.testing.assert_allclose(rest.r_peaks, beats[(beats >= rest.sample0) & (beats < end)], atol=0.5)


def test_time_does_not_run_backwards():
    beats, stitcher = regular(70), Stitcher()
    stitcher.push(outputs(beats, 1000), 1000)
    with pytest.raises(ValueError, match="must increase"):
        stitcher.push(outputs(beats, 1000), 1000)
