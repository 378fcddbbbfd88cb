"""Tests the figures of single windows with artificial outputs: perfect, late, without a beat, with a wrong cycle."""

import numpy as np
import pytest
import torch

from edge.core.spec import ANCHOR_CLASSES, CYCLE_CLASSES, CYCLE_MIN, ECG_PIECE_SAMPLES
from edge.core.types import TaskOutputs
from tests.helpers.oracle import shaking_chest
from train.data.labels import label
from train.evaluation.windows import beat_positions, cycle_length, window_beats
from train.training.losses import gaussians


@pytest.fixture(scope="module")
def labels():
    return label(shaking_chest())


def outputs_of(labels, late=0.0, cycle=1.0, without=None):
    """The targets of training, `late` samples late, of cycles `cycle` times as long, without beat number `without`."""
    outputs = []
    for start, length in zip(labels.start, labels.length, strict=True):
        at = labels.beats.r_peaks - start
        at = at[(at >= -0.5) & (at < ANCHOR_CLASSES - 0.5)]
        kept = at if without is None else np.delete(at, without)
        anchor = gaussians(torch.from_numpy(kept + late)[None], ANCHOR_CLASSES)[0]
        lengths = gaussians(torch.tensor([[cycle * length - CYCLE_MIN]]), CYCLE_CLASSES)[0]
        outputs.append(TaskOutputs(np.zeros(ECG_PIECE_SAMPLES), anchor.numpy(), lengths.numpy()))
    return outputs


def test_a_perfect_network_misses_nothing_and_is_exact(labels):
    match = window_beats(outputs_of(labels), labels)
    assert (match.mdr, match.missed, match.false) == (0, 0, 0)
    assert np.abs(match.timing_ms).max() < 1e-3  # of float64 logarithms, also where a window's edge cuts a beat


@pytest.mark.parametrize("cycle", [0.5, 1.5, 2.0])
def test_a_wrong_cycle_output_changes_no_anchor(labels, cycle):
    match = window_beats(outputs_of(labels, cycle=cycle), labels)
    assert (match.missed, match.false) == (0, 0)


@pytest.mark.parametrize("without", [0, 1, -1])
def test_each_dropped_beat_is_missed(labels, without):
    match = window_beats(outputs_of(labels, without=without), labels)
    windows = len(labels.start)
    assert (match.missed, match.false) == (windows, 0)
    assert match.mdr == windows / (windows + len(match.timing_ms))


def test_a_late_network_is_late_by_so_much(labels):
    match = window_beats(outputs_of(labels, late=20.0), labels)
    inside = match.timing_ms > 99  # the last beats of some windows are then outside
    np.testing.assert_allclose(match.timing_ms[inside], 100, atol=1e-3)
    assert inside.mean() > 0.9


@pytest.mark.parametrize("at", [0.0, 1.3, 3.0, 400.5, 797.6, 799.0])
def test_a_beat_at_the_edge_is_found_where_it_is(at):
    p = gaussians(torch.tensor([[at, 600.0 if at < 400 else 200.0]], dtype=torch.float64), ANCHOR_CLASSES)[0].numpy()
    assert np.abs(beat_positions(p) - at).min() < 1e-6
    assert len(beat_positions(p)) == 2


def test_a_uniform_or_empty_output_has_no_beat():
    assert len(beat_positions(np.full(ANCHOR_CLASSES, 1 / ANCHOR_CLASSES))) == 0
    assert len(beat_positions(np.zeros(ANCHOR_CLASSES))) == 0


def test_beats_are_found_up_to_200_bpm_and_a_faint_maximum_is_none():
    at = 20.0 + 60 * np.arange(13)
    p = gaussians(torch.from_numpy(at)[None], ANCHOR_CLASSES)[0].numpy()
    np.testing.assert_allclose(beat_positions(p), at, atol=1e-6)
    faint = 0.2 * gaussians(torch.tensor([[50.0]]), ANCHOR_CLASSES)[0].double().numpy()
    assert len(beat_positions(p + faint / 13)) == 13


@pytest.mark.parametrize("length", [60.0, 60.4, 61.0, 160.3, 318.0, 319.4])
def test_the_cycle_is_exact_also_at_the_ends_of_its_classes(length):
    lengths = gaussians(torch.tensor([[length - CYCLE_MIN]], dtype=torch.float64), CYCLE_CLASSES)[0].numpy()
    outputs = TaskOutputs(np.zeros(ECG_PIECE_SAMPLES), np.zeros(ANCHOR_CLASSES), lengths)
    assert cycle_length(outputs) == pytest.approx(length, abs=1e-6)
