"""Blocks of RCG to a numbered, timed ECG. The fake network detects every vibration of the chest as a beat."""

from functools import partial

import numpy as np
import pytest

from edge.core.types import Chest, RcgBlock, TaskOutputs
from edge.dsp.frontend.phase import SecondDerivative
from edge.ecg.reconstructor import EcgReconstructor, cpu_inference

START_NS = 1_795_196_400_000_000_000
SAMPLE_NS = 5_000_000
BEATS = np.arange(90, 6000, 170)


def detect_beats(values):
    """Return a beat wherever the chest vibrates; columns are 20 / 3 samples long."""
    outputs = []
    for window in values:
        anchor = np.interp(np.arange(800) * 30 / 200, np.arange(120), window.mean(axis=(0, 1))) ** 8
        cycle = np.zeros(260)
        cycle[110] = 1
        piece = np.exp(-0.5 * ((np.arange(200) - 200 / 3) / 3) ** 2)
        outputs.append(TaskOutputs(piece.astype("f"), anchor / anchor.sum(), cycle))
    return outputs


def blocks(count, uncovered=(), restarts=(0,)):
    """0.1 s each; sample k of the chest is DELAY samples older than the frame it comes with."""
    t = np.arange(20 * count)
    shake = sum(np.exp(-0.5 * ((t - beat) / 4) ** 2) * np.cos((t - beat) * 0.6) for beat in BEATS)
    rcg = np.stack([shake, shake]) + 1e-3 * np.random.default_rng(1).standard_normal((2, len(t)))
    for k in range(count):
        part = slice(20 * k, 20 * k + 20)
        last = part.stop - 1 + SecondDerivative.DELAY
        covered = np.full(20, k not in uncovered)
        yield RcgBlock(
            START_NS + last * SAMPLE_NS, rcg[:, part], rcg[:, part], np.full(2, 0.5), covered, 0.0,
            Chest(0.5, 30, True), k in restarts,
        )  # fmt: skip


def reconstructed(*args, **how):
    chain = EcgReconstructor(partial(cpu_inference, detect_beats), 200.0)
    return [ecg for block in blocks(*args, **how) for ecg in chain.push(block)]


def test_beats_come_at_their_samples_and_their_times():
    ecg = reconstructed(200)
    assert [part.sample0 for part in ecg[1:]] == [part.sample0 + len(part.estimate.ecg) for part in ecg[:-1]]
    assert [part.continues for part in ecg] == [False] + [True] * (len(ecg) - 1)
    found = np.concatenate([part.estimate.r_peaks for part in ecg])
    true = BEATS[slice(*np.searchsorted(BEATS, found[[0, -1]] + [-20, 20]))]
    np.testing.assert_allclose(found, true, atol=4)
    for part in ecg:
        assert part.t_ns == START_NS + part.sample0 * SAMPLE_NS


def test_after_a_restart_numbers_continue_and_the_break_is_marked():
    ecg = reconstructed(300, restarts=(0, 130))
    breaks = [part for part in ecg if not part.continues]
    assert len(breaks) == 2
    assert breaks[1].sample0 >= 130 * 20
    for part in ecg:
        assert part.t_ns == START_NS + part.sample0 * SAMPLE_NS


def test_windows_with_much_missing_are_ignored():
    ecg = reconstructed(300, uncovered=range(100, 180))
    known = np.zeros(6000, bool)
    for part in ecg:
        known[part.sample0 : part.sample0 + len(part.estimate.valid_mask)] |= part.estimate.valid_mask
    assert not known[2600:3000].any()
    assert known[1000:1700].mean() > 0.9
    assert known[4500:5500].mean() > 0.9


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("head", ["ecg", "anchor", "cycle"])
def test_network_outputs_that_are_not_finite_produce_no_ecg(head, value, caplog):
    count = 0

    def sometimes(values):
        nonlocal count
        count += 1
        (outputs,) = detect_beats(values)
        if count in (6, 7, 8, 12):
            getattr(outputs, head)[17] = value
        return [outputs]

    chain = EcgReconstructor(partial(cpu_inference, sometimes), 200.0)
    ecg, finite = [], []
    for block in blocks(300):
        ecg += chain.push(block)
        finite.append(chain.outputs_finite)
    assert all(np.isfinite(part.estimate.ecg).all() and np.isfinite(part.estimate.r_peaks).all() for part in ecg)
    assert len(ecg) == count - 4
    assert [part.continues for part in ecg].count(False) >= 1
    assert finite.count(False) == 40  # four windows of ten blocks each
    assert caplog.text.count("are not finite") == 2


def test_the_first_ecg_comes_with_the_first_window():
    assert reconstructed(59) == []
    assert len(reconstructed(60)) == 1
