"""Tests both networks: shapes, size, gradients and zero input; the compact one also with any points in any order."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from tests.helpers import networks
from tests.helpers.networks import trained
from train.model import NETWORKS, Network
from train.model.backbone import DeformableConv
from train.training.losses import anchor_loss, cycle_loss, ecg_loss

SIZES = {"reference": (39_266_145, 39_266_145, 5.9e9, 6.1e9), "compact": (1.6e6, 2.0e6, 0.1e9, 0.15e9)}
"""Parameters and MACs of a window of 50 points, least and most. The reference's MACs: as of the authors' own."""
PUBLISHED_PARAMETERS = 39_275_446
"""Of the published network, with its biases before normalisations."""


EITHER_TRAINS = pytest.mark.parametrize("name", ["compact", pytest.param("reference", marks=pytest.mark.slow)])
"""The reference has twenty times the weights."""


@pytest.fixture(scope="module", params=NETWORKS)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(name) -> Network:
    return trained(name)


def spectrograms(windows: int, points: int) -> torch.Tensor:
    return torch.from_numpy(networks.spectrograms(windows, points))


def shapes(outputs) -> list[tuple[int, ...]]:
    return [tuple(output.shape) for output in outputs]


def test_parameters_and_multiplications(name, network):
    least, most, least_macs, most_macs = SIZES[name]
    assert least <= sum(p.numel() for p in network.parameters()) <= most
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        outputs = network(spectrograms(1, 50))
    assert shapes(outputs) == [(1, 200), (1, 800), (1, 260)]
    assert least_macs <= counter.get_total_flops() / 2 <= most_macs


@pytest.mark.parametrize("name", ["reference"], scope="module")
def test_reference_has_the_published_parameters_without_biases_that_do_nothing(network):
    deformable = [module.mix.out_channels for module in network.modules() if isinstance(module, DeformableConv)]
    norms = [module.num_features for module in network.modules() if isinstance(module, _BatchNorm)]
    useless = sum(norms) - sum(deformable)  # the published deformable convolutions have no bias either
    assert sum(p.numel() for p in network.parameters()) + useless == PUBLISHED_PARAMETERS


@EITHER_TRAINS
def test_every_parameter_is_one_tasks_own_or_shared_and_learns(name):
    torch.manual_seed(0)
    network = NETWORKS[name]().train()
    for module in network.modules():
        if isinstance(module, DeformableConv):  # on a cell's very middle a bilinear sample has a corner, not a slope
            nn.init.uniform_(module.offsets.bias, 0.1, 0.4)
    outputs = network(spectrograms(4, 50))  # of two windows, a normalisation in training leaves only which is larger
    loss = (
        ecg_loss(outputs.ecg, torch.randn(4, 200))
        + anchor_loss(outputs.anchor, torch.tensor([[100.0, 300, 500], [20.5, 420, torch.nan]] * 2))
        + cycle_loss(outputs.cycle, torch.tensor([70.0, 319, 100, 200]))
    )
    loss.backward()
    parts = [network.shared_parameters(), *network.decoder_parameters()]
    assert {p for part in parts for p in part} == set(network.parameters())
    assert sum(len(part) for part in parts) == len(list(network.parameters()))
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0, parameter_name


def test_encoder_and_decoder_together_equal_the_network(network):
    x = spectrograms(1, 50)
    with torch.no_grad():
        for part, full in zip(network.decode(network.encode(x)), network(x), strict=True):
            torch.testing.assert_close(part, full)


@EITHER_TRAINS
def test_silence_is_finite_and_trains(name):
    network = NETWORKS[name]().train()
    outputs = network(torch.zeros(2, 50, 71, 120))
    sum(output.square().mean() for output in outputs).backward()
    assert all(output.isfinite().all() for output in outputs)
    assert all(p.grad.isfinite().all() for p in network.parameters())


def test_deformable_convolution_starts_as_a_plain_one_and_moves_with_its_offsets():
    torch.manual_seed(0)
    layer = DeformableConv(5, 9, 13)
    x = torch.randn(2, 5, 9, 13)
    kernel = layer.mix.weight.view(5, 5, 3, 3)
    torch.testing.assert_close(layer(x), nn.functional.conv2d(x, kernel, padding=1), atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        layer.offsets.bias.copy_(torch.tensor([2.0, 1.0] * 9))  # all taps two columns on and one row up
    moved = nn.functional.pad(x, (0, 2, 0, 1))[:, :, 1:, 2:]
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    expected = nn.functional.conv2d(moved, kernel, padding=1)
    torch.testing.assert_close(layer(x)[inside], expected[inside], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["compact"], scope="module")
@pytest.mark.parametrize("points", [1, 9, 50, 64])
def test_compact_takes_any_points_in_any_order_and_ignores_the_silent(network, points):
    """In float64: eps, 2e-16, by thirty layers, by 480 terms a sum, by 30 for what layers amplify, is 1e-10."""
    exact = copy.deepcopy(network).double()
    x = spectrograms(2, points).double()
    silent = torch.zeros(2, 3, 71, 120).double()
    with torch.no_grad():
        plain, mixed, padded = exact(x), exact(x.flip(1)), exact(torch.cat([silent, x], 1))
    assert shapes(plain) == [(2, 200), (2, 800), (2, 260)]
    for a, b, c in zip(plain, mixed, padded, strict=True):
        bound = 1e-10 * float(a.abs().max())
        torch.testing.assert_close(a, b, atol=bound, rtol=0)
        torch.testing.assert_close(a, c, atol=bound, rtol=0)


@pytest.mark.parametrize("name", ["compact"], scope="module")
def test_compact_sees_the_whole_window_from_everywhere(network):
    x = spectrograms(1, 2).requires_grad_()
    z = network.encode(x)
    for column in (0, 60, 119):
        (gradient,) = torch.autograd.grad(z[0, :, column].square().sum(), x, retain_graph=True)
        assert (gradient.abs().amax((0, 1, 2)) > 0).all()
