"""Tests the strategies: reference weights of each, and the common properties."""

import math

import numpy as np
import pytest
import torch

from edge.core.errors import InputError
from train.strategies import STRATEGIES, GradientStrategy, Strategy

GRAMIAN = torch.tensor([[2.0, -1, 0.5], [-1, 3, 1], [0.5, 1, 9]], dtype=torch.float64)
LOSSES = torch.tensor([0.5, 2, 8], dtype=torch.float64)
EPOCHS = torch.tensor([[1.0, 4, 9], [0.8, 3, 9], [0.5, 3, 7], [0.5, 2, 8], [0.4, 2, 6], [0.3, 1.8, 4]]).double()

# Options; weights of GRAMIAN or LOSSES at the start, by TorchJD where it implements the strategy (its own solvers for
# CAGrad and UPGrad; three times its mean for Aligned-MTL; IMTL and FairGrad use its code, so theirs only detect
# changes), otherwise by hand; the exponent of s by which the weights scale when losses and gradients are s times as
# large (None: MoCo's step has a size).
ROWS = {
    "stl": ({"task": 1}, (0, 1, 0), 0),
    "ew": ({}, (1, 1, 1), 0),
    "fixed": ({"values": (1, 0.5, 2)}, (1, 0.5, 2), 0),
    "uw": ({}, (0.5, 0.5, 0.5), 0),
    "gls": ({}, (4 / 3, 1 / 3, 1 / 12), 0),
    "dwa": ({}, (1, 1, 1), 0),
    "stch": ({}, (2, 0.5, 0.125), -1),
    "cagrad": ({}, (0.72969, 0.50560, 1 / 3), 0),
    "imtl": ({}, (0.510670220310, 0.409649705876, 0.079680073814), 0),
    "moco": ({}, (0.45, 0.40, 0.15), None),
    "aligned": ({}, (1.001415690072, 0.832145985237, 0.269487848631), 0),
    "ega": ({}, (1.001415690072, 0.832145985237, 0.269487848631), 0),
    "upgrad": ({}, (1 / 2, 4 / 9, 1 / 3), 0),
    "fairgrad": ({}, (0.828912411591, 0.639638136442, 0.160351534573), -4 / 3),
    "config": ({}, (1.878602175659, 1.506978081177, 0.293119030777), 0),
    "dbmtl": ({}, (math.sqrt(4.5), math.sqrt(3), 1), 0),
}
# Whose weights are given in the order of the tasks.
ORDERED = {"stl", "fixed"}
# As many digits as SLSQP and least squares reach.
TOLERANCE = {"cagrad": 3e-5, "fairgrad": 1e-5}


def make(name: str) -> Strategy:
    return STRATEGIES[name](3, **ROWS[name][0])


def rows_of(gramian: torch.Tensor) -> torch.Tensor:
    """Gradients [n, n] with this Gramian."""
    values, vectors = torch.linalg.eigh(gramian)
    return vectors * values.clamp_min(0).sqrt()


def step(strategy: Strategy, losses: torch.Tensor, gramian: torch.Tensor) -> torch.Tensor:
    """One step's weights; UW's variances follow by gradient descent."""
    if not isinstance(strategy, GradientStrategy):
        weights = strategy.weights(losses)
        for parameter in strategy.parameters():
            with torch.no_grad():
                parameter -= 0.1 * parameter.grad
        return weights
    rows = rows_of(gramian)
    strategy.track(rows, losses)
    return strategy.weights(rows @ rows.T)


def train(strategy: Strategy, epochs: torch.Tensor, order=(0, 1, 2)) -> list[torch.Tensor]:
    """Two steps an epoch."""
    order = list(order)
    found = []
    for number, mean_losses in enumerate(epochs):
        for part in (0.9, 1.1):
            gramian = (GRAMIAN * part + number * torch.eye(3))[order][:, order]
            found.append(step(strategy, part * mean_losses[order], gramian))
        strategy.end_epoch(mean_losses[order])
    return found


def assert_same(found: list[torch.Tensor], expected: list[torch.Tensor], rtol: float = 1e-9) -> None:
    torch.testing.assert_close(torch.stack(found), torch.stack(expected), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", STRATEGIES)
def test_golden(name):
    strategy, expected = make(name), torch.tensor(ROWS[name][1], dtype=torch.float64)
    if isinstance(strategy, GradientStrategy):
        if name == "moco":
            strategy.state["step"] += 1
        weights = strategy.weights(GRAMIAN)
    else:
        weights = strategy.weights(LOSSES)
    torch.testing.assert_close(weights, expected, rtol=TOLERANCE.get(name, 1e-9), atol=1e-9)


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name not in ORDERED])
def test_order_of_the_tasks_does_not_matter(name):
    order = [2, 0, 1]
    expected = [weights[order] for weights in train(make(name), EPOCHS)]
    assert_same(train(make(name), EPOCHS, order), expected, TOLERANCE.get(name, 1e-8))


@pytest.mark.parametrize("name", [name for name in STRATEGIES if ROWS[name][2] is not None])
@pytest.mark.parametrize("scale", [1e-5, 1e4])
def test_scale_of_the_losses(name, scale):
    power = ROWS[name][2]
    plain, scaled = step(make(name), LOSSES, GRAMIAN), step(make(name), scale * LOSSES, scale**2 * GRAMIAN)
    assert_same([scaled * scale**-power], [plain], TOLERANCE.get(name, 1e-7))


@pytest.mark.parametrize("name", STRATEGIES)
def test_reset_and_resume(name):
    straight = train(make(name), EPOCHS)
    assert torch.stack(straight).isfinite().all()
    stopped, resumed = make(name), make(name)
    first = train(stopped, EPOCHS[:5])
    saved = stopped.state_dict()
    train(stopped, EPOCHS[:2])  # what goes on does not change what was saved
    resumed.load_state_dict(saved)
    train_last = torch.stack(straight[10:])
    for part, expected in zip((0.9, 1.1), train_last, strict=True):
        assert torch.equal(step(resumed, part * EPOCHS[5], GRAMIAN * part + 5 * torch.eye(3)), expected)
    stopped.reset()
    assert all(torch.equal(a, b) for a, b in zip(train(stopped, EPOCHS[:5]), first, strict=True))


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("zero", [[0], [0, 2], [0, 1, 2]], ids=str)
def test_zero_gradients_and_losses(name, zero):
    gramian, losses = GRAMIAN.clone(), LOSSES.clone()
    gramian[zero], gramian[:, zero], losses[zero] = 0, 0, 0
    strategy = make(name)
    weights = step(strategy, losses, gramian)
    assert weights.isfinite().all()
    if isinstance(strategy, GradientStrategy):
        assert (weights[zero] == 0).all()
        assert weights.any() == (len(zero) < 3)
    strategy.end_epoch(losses)
    assert step(strategy, LOSSES, GRAMIAN).isfinite().all()


@pytest.mark.parametrize("name", [name for name in STRATEGIES if isinstance(make(name), GradientStrategy)])
@pytest.mark.parametrize("correlation", [1.0, 1 - 1e-9, -1.0])
def test_gradients_that_are_almost_or_quite_parallel(name, correlation):
    gramian = torch.tensor([[1, correlation, 0], [correlation, 1, 0], [0, 0, 1e-6]], dtype=torch.float64)
    assert step(make(name), LOSSES, gramian).isfinite().all()


def test_uw_learns_the_losses():
    strategy = make("uw")
    held = strategy.parameters()[0]
    optimizer = torch.optim.SGD(strategy.parameters(), lr=0.5)
    for _ in range(500):
        strategy.weights(LOSSES)
        optimizer.step()
    torch.testing.assert_close(held.detach(), LOSSES.log())
    strategy.load_state_dict(make("uw").state_dict())
    assert strategy.parameters()[0] is held
    assert not held.any()


def test_dwa_and_stch_after_their_first_epochs():
    dwa, stch = make("dwa"), make("stch")
    for mean_losses in EPOCHS[:4]:
        dwa.end_epoch(mean_losses)
        stch.end_epoch(mean_losses)
    rates = np.exp(np.array([1, 2 / 3, 8 / 7]) / 2)
    np.testing.assert_allclose(dwa.weights(LOSSES), 3 * rates / rates.sum())
    np.testing.assert_allclose(stch.weights(2 * LOSSES), 3 / 6 / np.array([0.5, 2, 8]))


def test_cagrad_is_the_best_for_the_worst_off_task():
    weights = make("cagrad").weights(GRAMIAN)
    rows, equal = rows_of(GRAMIAN), torch.full((3,), 1 / 3, dtype=torch.float64)
    mean = rows.T @ equal
    shift = rows.T @ (weights - equal)
    torch.testing.assert_close(shift.norm(), 0.4 * mean.norm())
    others = torch.randn(20000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    others = mean + 0.4 * mean.norm() * others / others.norm(dim=1, keepdim=True)
    assert (others @ rows.T).min(1).values.max() <= (rows @ (mean + shift)).min() + 1e-6


def test_gradient_strategies_do_what_defines_them():
    """Each d = Gᵀ w has the property its paper asks for."""
    weights = {name: make(name).weights(GRAMIAN) for name in ("imtl", "fairgrad", "config", "upgrad", "dbmtl")}
    along = {name: GRAMIAN @ w for name, w in weights.items()}  # g_i · d
    norms = GRAMIAN.diagonal().sqrt()
    torch.testing.assert_close(along["imtl"] / norms, (along["imtl"] / norms)[[1, 2, 0]])
    torch.testing.assert_close(weights["imtl"].sum().item(), 1.0)
    torch.testing.assert_close(along["fairgrad"], weights["fairgrad"] ** -0.5, rtol=1e-5, atol=0)
    torch.testing.assert_close(along["config"] / norms, (along["config"] / norms)[[1, 2, 0]])
    length = (weights["config"] @ along["config"]).sqrt()
    torch.testing.assert_close(length, along["config"].sum() / length)
    assert (along["upgrad"] >= -1e-12).all()
    torch.testing.assert_close(weights["dbmtl"] * norms, norms.max().expand(3))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: STRATEGIES["ew"](0), "at least one"),
        (lambda: STRATEGIES["stl"](3, task=3), "0 to 2"),
        (lambda: STRATEGIES["fixed"](3, values=(1, 2)), "3 finite"),
        (lambda: STRATEGIES["ega"](3, order="other"), "paper"),
        (lambda: STRATEGIES["ega"](3, temperature=0), "above 0"),
        (lambda: make("ega").end_epoch(torch.tensor([1, math.nan, 1])), "3 finite"),
        (lambda: make("ega").load_state_dict({}), "difficulties"),
    ],
)
def test_invalid_arguments_are_reported(build, message):
    with pytest.raises(InputError, match=message):
        build()
