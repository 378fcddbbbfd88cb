"""Tests the multi-task backward pass: the gradients of all parameters, in one process and in two."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from edge.core.errors import InputError
from train.strategies import STRATEGIES, GradientStrategy
from train.training.backward import MultiTaskBackward, gramian

TASKS = ("ecg", "anchor", "cycle")
SOLVED = {"cagrad": 3e-5, "fairgrad": 1e-5}
"""As many digits as their solvers reach; where they stop may hang on a rounding."""
OPTIONS = {"fixed": {"values": (1, 0.5, 2)}, "stl": {"task": 1}}


class Net:
    """A toy network: four layers shared, three decoders, losses of three sizes. In float64: sums in another order,
    as on another processor, differ by some 1e-14 of their terms, and comparisons can be to 1e-7."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.shared = nn.Sequential(nn.Conv1d(2, 5, 3), nn.Tanh(), nn.Flatten(), nn.Linear(30, 6)).double()
        self.decoders = nn.ModuleDict({task: nn.Sequential(nn.Tanh(), nn.Linear(6, 2)) for task in TASKS}).double()
        self.x = torch.randn(8, 2, 8).double()
        self.y = torch.randn(3, 8, 2).double() * torch.tensor([1, 3, 0.1])[:, None, None]

    def forward(self, rows: slice = slice(None)) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        z = self.shared(self.x[rows])
        return {t: (d(z) - y[rows]).square().mean() for (t, d), y in zip(self.decoders.items(), self.y, strict=True)}, z

    def backward(self, name: str, alignment: str = "parameters") -> MultiTaskBackward:
        parts = {task: decoder.parameters() for task, decoder in self.decoders.items()}
        strategy = STRATEGIES[name](3, **OPTIONS.get(name, {}))
        return MultiTaskBackward(self.shared.parameters(), parts, strategy, alignment)

    def gradients(self, part: nn.Module) -> torch.Tensor:
        return torch.cat([parameter.grad.flatten() for parameter in part.parameters()])

    def rows(self) -> torch.Tensor:
        """Each task's gradient of the shared parameters, one full pass each."""
        parameters = list(self.shared.parameters())
        found = [torch.autograd.grad(self.forward()[0][task], parameters) for task in TASKS]
        return torch.stack([torch.cat([gradient.flatten() for gradient in row]) for row in found])


@pytest.mark.parametrize("name", STRATEGIES)
def test_shared_parameters_get_the_weighted_gradient_and_decoders_their_own(name):
    net = Net()
    rows, backward = net.rows(), net.backward(name)
    losses, z = net.forward()
    values = torch.stack(list(losses.values())).detach().double()
    sum(losses.values()).backward(retain_graph=True)
    own = net.gradients(net.decoders)
    weights = backward(losses, z)
    again = STRATEGIES[name](3, **OPTIONS.get(name, {}))
    if isinstance(again, GradientStrategy):
        again.track(rows, values)
        expected = again.weights(gramian(rows))
    else:
        expected = again.weights(values)
    digits = SOLVED.get(name, 1e-7)
    torch.testing.assert_close(weights, expected, rtol=digits, atol=digits)
    torch.testing.assert_close(net.gradients(net.shared), weights @ rows)
    torch.testing.assert_close(net.gradients(net.decoders), own)


def test_no_weighted_sum_of_losses_gives_the_same():
    net = Net()
    weights = net.backward("ega")(*net.forward())
    own = net.gradients(net.decoders)
    net.decoders.zero_grad()
    (weights @ torch.stack(list(net.forward()[0].values()))).backward()
    assert (net.gradients(net.decoders) - own).abs().max() > 0.1 * own.abs().max()


def test_alignment_of_the_representation():
    net = Net()
    losses, z = net.forward()
    slopes = torch.stack([torch.autograd.grad(loss, z, retain_graph=True)[0].flatten() for loss in losses.values()])
    expected = STRATEGIES["ega"](3).weights(gramian(slopes))
    rows = net.rows()
    weights = net.backward("ega", "representation")(*net.forward())
    torch.testing.assert_close(weights, expected)
    torch.testing.assert_close(net.gradients(net.shared), weights @ rows)


def test_gradients_are_replaced_and_frozen_parameters_left_alone():
    net = Net()
    net.shared[0].bias.requires_grad_(False)
    backward = net.backward("ega")
    backward(*net.forward())
    once = net.shared[3].weight.grad.clone()
    backward(*net.forward())
    assert torch.equal(net.shared[3].weight.grad, once)
    assert net.shared[0].bias.grad is None


@pytest.mark.parametrize("alignment", ["parameters", "representation"])
def test_a_task_that_does_not_reach_the_shared_part_has_no_weight(alignment):
    net = Net()
    losses, z = net.forward()
    losses["anchor"] = net.decoders["anchor"](torch.ones(1, 6).double()).square().mean()
    weights = net.backward("ega", alignment)(losses, z)
    assert weights[1] == 0
    assert (weights[[0, 2]] > 0).all()
    assert net.decoders["anchor"][1].weight.grad.any()


def test_gramian_is_float64_whatever_the_rows_are():
    rows = torch.randn(3, 600_000, generator=torch.Generator().manual_seed(0)) * torch.tensor([1, 1e-3, 1e-6])[:, None]
    exact = rows.double() @ rows.double().T
    torch.testing.assert_close(gramian(rows), exact, rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", ["ew", "ega"])
def test_what_is_not_finite_is_named(name):
    net = Net()
    backward = net.backward(name)
    losses, z = net.forward()
    losses["cycle"] = losses["cycle"] * torch.nan
    with pytest.raises(InputError, match="loss of cycle is not finite"):
        backward(losses, z)
    losses, z = net.forward()
    losses["anchor"] = losses["anchor"] + (net.decoders["anchor"](z).sum() * 0).sqrt()
    with pytest.raises(InputError, match="gradient of anchor is not finite"):
        backward(losses, z)


def test_what_does_not_fit_is_reported():
    net = Net()
    with pytest.raises(InputError, match="in this order"):
        net.backward("ew")(dict(reversed(net.forward()[0].items())), net.forward()[1])
    with pytest.raises(InputError, match="'representation' is needed"):
        net.backward("ega", "features")
    with pytest.raises(InputError, match="over batches"):
        net.backward("moco", "representation")
    with pytest.raises(InputError, match="strategy of 2 tasks"):
        MultiTaskBackward(net.shared.parameters(), {"ecg": net.decoders.parameters()}, STRATEGIES["ew"](2))


RANK = """
import datetime, sys
import torch
import torch.distributed as dist
from tests.train.training.test_backward import Net
folder, rank = sys.argv[1], int(sys.argv[2])
patience = datetime.timedelta(minutes=10)  # of a machine with much else to do
dist.init_process_group("gloo", f"file://{folder}/meet", patience, world_size=2, rank=rank)
found = {}
for name, alignment in (("ega", "parameters"), ("ega", "representation"), ("uw", "parameters"), ("moco", "parameters")):
    net = Net()
    weights = net.backward(name, alignment)(*net.forward(slice(4 * rank, 4 * rank + 4)))
    found[name, alignment] = weights, net.gradients(net.shared), net.gradients(net.decoders)
torch.save(found, f"{folder}/{rank}.pt")
dist.destroy_process_group()
"""


@pytest.mark.slow  # two interpreters import torch
def test_two_processes_do_what_one_does_with_both_batches(tmp_path):
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}
    ranks = [subprocess.Popen([sys.executable, "-c", RANK, tmp_path, str(rank)], env=env) for rank in (0, 1)]
    assert [rank.wait(600) for rank in ranks] == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    for (name, alignment), found in first.items():
        net = Net()
        weights = net.backward(name, alignment)(*net.forward())
        expected = weights, net.gradients(net.shared), net.gradients(net.decoders)
        for one, other, joint in zip(found, second[name, alignment], expected, strict=True):
            assert torch.equal(one, other)
            torch.testing.assert_close(one, joint)
