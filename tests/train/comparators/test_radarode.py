"""Tests radarODE: sizes, the cycles found in RCG, the reference made of them, and the joining of windows."""

import numpy as np
import pytest
import torch
from torch import nn

from edge.core.spec import ECG_PIECE_R_FRACTION, ECG_PIECE_SAMPLES
from tests.helpers.oracle import shaking_chest
from train.comparators.cycles import find_cycles
from train.comparators.long_term import RadarOdeEcg, join_pieces, make_reference
from train.comparators.radarode import WINDOW, generator, long_term
from train.comparators.segments import high_passed
from train.evaluation.metrics import match_beats
from train.model.reference import reference
from train.training.task_loop import MultiTaskNetwork

CPU = torch.device("cpu")


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_numbers_of_parameters():
    """The generator is radarODE-MTL's shared layers and morphological decoder."""
    whole = reference()
    expected = count(whole.encoder) + count(whole.decoders[0])
    assert count(generator(50)) == expected
    assert 27e6 < expected < 31e6
    assert count(long_term(50)) == 481_793


def test_shapes():
    features = long_term(3).eval().encoder(torch.randn(2, 3, WINDOW), torch.randn(2, 1, WINDOW))
    assert features.shape == (2, 128, WINDOW // 8)
    assert long_term(3).decoders["ecg"](features).shape == (2, WINDOW)


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_cycles_are_found_in_the_radar_signal(noise):
    trial = shaking_chest()
    rcg = trial.rcg + noise * np.random.default_rng(2).standard_normal(trial.rcg.shape).astype(np.float32)
    true = trial.r_peaks_s * 200
    match = match_beats(find_cycles(rcg), true + 12, match_ms=50)  # the chest shakes 12 samples after R
    assert match.missed <= 1  # the last may be too near the end
    assert match.false <= 1
    assert np.median(np.abs(match.timing_ms)) < 20  # one sample of the energy


def test_true_pieces_join_to_the_true_ecg():
    """A sine of one period a cycle: every sample between the first and the last piece, without a step at the seams."""
    beats = 100 + np.cumsum([0, 150, 170.5, 160, 190.25])
    places = np.arange(ECG_PIECE_SAMPLES) / ECG_PIECE_SAMPLES - ECG_PIECE_R_FRACTION
    joined = join_pieces(np.tile(np.cos(2 * np.pi * places), (5, 1)), beats, 1000)
    assert joined.shape == (1000,)
    t = np.arange(1000.0)
    lengths = np.append(np.diff(beats), 190.25)
    for number, (beat, length) in enumerate(zip(beats, lengths, strict=True)):
        start = beat - length * ECG_PIECE_R_FRACTION
        stop = beats[number + 1] - lengths[number + 1] * ECG_PIECE_R_FRACTION if number < 4 else start + length
        inside = (t >= start) & (t < min(stop, start + length * 0.995))
        np.testing.assert_allclose(joined[inside], np.cos(2 * np.pi * (t[inside] - beat) / length), atol=1e-3)
    assert (joined[: int(beats[0] - 50)] == 0).all()
    assert (joined[int(beats[-1] + 190.25 * 2 / 3) + 2 :] == 0).all()


def test_windows_are_joined_exactly():
    """A second stage that passes the reference on gives the reference itself, whatever the length."""

    class Pass(nn.Module):
        def forward(self, *inputs):
            return inputs[-1]

    single = MultiTaskNetwork(Pass(), {"ecg": nn.Sequential(nn.Flatten(), nn.Linear(2 * 71 * 120, 200))})
    for samples in (4000, 3777):
        trial = shaking_chest(samples)
        copy = MultiTaskNetwork(Pass(), {"ecg": nn.Flatten()})
        network = RadarOdeEcg(single, copy, 2, CPU)
        found = network.compute_ecg(trial)
        reference = make_reference(single, high_passed(trial, 2), CPU)
        assert np.ptp(reference) > 0.01
        np.testing.assert_array_equal(found, reference.astype(np.float32))
