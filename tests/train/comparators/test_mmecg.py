"""Tests MMECG's network: shapes, causality, generation sample by sample, and the reconstruction of a whole trial."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from edge.core.errors import InputError
from tests.helpers.oracle import shaking_chest
from train.comparators.generate import VALUES, MmecgEcg, expected, generate
from train.comparators.mmecg import CONTEXT, NEW, SEGMENT, Decoder, mmecg
from train.comparators.mulaw import CLASSES, compand, encode
from train.data.labels import clean_ecg, label

CPU = torch.device("cpu")


def network(points=2, is_autoregressive=True):
    torch.manual_seed(0)
    made = mmecg(points, is_autoregressive).eval()
    for module in made.modules():
        if isinstance(module, nn.Conv1d):
            nn.init.normal_(module.weight, 0, 1.5 / (module.in_channels * module.kernel_size[0]) ** 0.5)
    return made


def test_number_of_parameters():
    """Of the published sizes, and of what is chosen here: 64 channels of the dilated convolutions."""
    assert sum(p.numel() for p in mmecg(50, True).parameters()) == 471_055


def test_shapes_are_the_papers():
    made = network(50)
    features = made.encoder(torch.randn(2, 50, SEGMENT), torch.randn(2, 50, 3))
    assert features.shape == (2, 4, SEGMENT)
    assert made.decoders["ecg"](features, torch.zeros(2, SEGMENT)).shape == (2, CLASSES, SEGMENT)
    assert (CONTEXT, NEW) == (512, 128)


def test_the_decoder_sees_512_samples_and_nothing_later():
    decoder = network().decoders["ecg"].double()
    features = torch.randn(1, 4, SEGMENT, dtype=torch.float64, requires_grad=True)
    previous = torch.randn(1, SEGMENT, dtype=torch.float64, requires_grad=True)
    t = 600
    for slope in torch.autograd.grad(decoder(features, previous)[0, :, t].sum(), [features, previous]):
        touched = slope.reshape(-1, SEGMENT).abs().amax(0).nonzero()[:, 0]
        assert touched.min() == t - CONTEXT + 1
        assert touched.max() == t


def test_generation_equals_a_pass_over_the_whole_context():
    decoder = network().decoders["ecg"]
    features = np.random.default_rng(1).standard_normal((4, 700)).astype(np.float32)
    ecg = generate(decoder, features)
    previous = np.append(0, compand(ecg[:-1]))
    with torch.no_grad():
        logits = decoder(torch.from_numpy(features)[None], torch.from_numpy(previous).float()[None])[0]
    assert np.ptp(ecg) > 0.01
    np.testing.assert_allclose(ecg, expected(logits.T.double().numpy()), atol=1e-4)  # float32, nine layers


class Oracle(Decoder):
    """Knows the classes of the recording; finds the place by the first feature, which is the sample's number."""

    def __init__(self, classes):
        super().__init__(is_autoregressive=False)
        self.classes = torch.from_numpy(classes)

    def forward(self, features, previous):
        number = features[:, 0].round().long()
        return 60 * torch.nn.functional.one_hot(self.classes[number], CLASSES).movedim(-1, 1).float()


@pytest.mark.parametrize("samples", [8000, 7969, 1300])
def test_a_perfect_prediction_decodes_to_the_true_ecg(samples, monkeypatch):
    """In every sample, within half a step of its class: the segments are joined without a gap or a repetition."""
    trial = shaking_chest(samples)
    ecg = clean_ecg(trial.ecg, label(trial).beats)
    made = network()
    made.decoders["ecg"] = Oracle(encode(ecg))
    numbered = replace(trial, rcg=np.tile(np.arange(samples, dtype=np.float32), (2, 1)))
    monkeypatch.setattr("train.comparators.generate.high_passed", lambda trial, points: trial.rcg)
    monkeypatch.setattr("train.comparators.generate.normalised", lambda rcg: rcg)
    monkeypatch.setattr(made.encoder, "forward", lambda rcg, positions: rcg[:, :1].expand(-1, 4, -1))
    found = MmecgEcg(made, 2, CPU).compute_ecg(numbered)
    assert found.shape == (samples,)
    assert np.abs(compand(found) - compand(ecg)).max() <= 1 / 255 + 1e-6


def test_the_mean_over_classes_is_the_ecg():
    logits = np.full((3, CLASSES), -80.0)
    logits[0, 7] = logits[1, [0, 255]] = logits[2, 128] = 0
    assert expected(logits) == pytest.approx([VALUES[7], 0, VALUES[128]], abs=1e-12)


def test_positions_and_points_matter_and_missing_points_are_an_error():
    trial = shaking_chest(1400)
    still = MmecgEcg(network(is_autoregressive=False), 2, CPU).compute_ecg(trial)
    placed = replace(trial, points_m=np.array([[0, 0.4, 0], [0.1, 0.5, 0.3]]))
    assert np.abs(MmecgEcg(network(is_autoregressive=False), 2, CPU).compute_ecg(placed) - still).max() > 1e-4
    with pytest.raises(InputError, match="oracle has 2 points, not 3"):
        MmecgEcg(network(3), 3, CPU).compute_ecg(trial)
