"""Tests EGA: its matrix against high-precision arithmetic, both orders, the warm-up, and zero gradients."""

import math

import mpmath
import numpy as np
import pytest
import torch

from tests.train.strategies.test_strategies import EPOCHS, GRAMIAN, make, rows_of
from train.strategies import STRATEGIES, Strategy
from train.strategies.aligned import alignment


def difficult(order: str = "paper", temperature: float = 0.1, tasks: int = 2) -> Strategy:
    """EGA after the sixth epoch, whose losses are 0.6, 0.8, (0.7) of the fourth's."""
    strategy = STRATEGIES["ega"](tasks, temperature=temperature, order=order)
    for rate in (9, 9, 9, 1, 5):
        strategy.end_epoch(torch.full((tasks,), float(rate)))
    strategy.end_epoch(torch.tensor([0.6, 0.8, 0.7])[:tasks])
    return strategy


def test_ega_waits_for_the_warm_up():
    strategy = make("ega")
    for epoch, mean_losses in enumerate(EPOCHS, start=1):
        torch.testing.assert_close(alignment(GRAMIAN).sum(1), strategy.weights(GRAMIAN))
        assert (strategy.state["difficulties"] == 1).all(), epoch
        if epoch == 5:
            break
        strategy.end_epoch(mean_losses)
    strategy.end_epoch(EPOCHS[4])
    k = np.exp(EPOCHS[4].numpy() / EPOCHS[3].numpy())
    np.testing.assert_allclose(strategy.state["difficulties"], 3 * k / k.sum())


def test_ega_gradients_are_orthogonal_and_as_long_as_the_smallest_singular_value():
    aligned = alignment(GRAMIAN) @ rows_of(GRAMIAN)
    torch.testing.assert_close(aligned @ aligned.T, torch.linalg.eigvalsh(GRAMIAN)[0] * torch.eye(3).double())


@pytest.mark.parametrize("order", ["paper", "code"])
def test_ega_with_equal_difficulties_is_aligned_mtl(order):
    """Up to the end of the warm-up, and wherever all losses fall alike."""
    aligned, ega = STRATEGIES["aligned"](3), STRATEGIES["ega"](3, order=order)
    torch.testing.assert_close(ega.weights(GRAMIAN), aligned.weights(GRAMIAN))
    for rate in (1.0, 0.9, 0.8, 0.7, 0.35):
        ega.end_epoch(rate * torch.tensor([1.0, 20, 300]))
    torch.testing.assert_close(ega.state["difficulties"], torch.ones(3).double(), rtol=1e-6, atol=0)  # of float32
    torch.testing.assert_close(ega.weights(GRAMIAN), aligned.weights(GRAMIAN), rtol=1e-6, atol=0)


def test_ega_orders():
    """Two unit gradients of correlation 0.9 and k = 2 (1, e²) / (1 + e²), by hand."""
    gramian = torch.tensor([[1, 0.9], [0.9, 1]], dtype=torch.float64)
    paper, code = (difficult(order).weights(gramian) for order in ("paper", "code"))
    root = math.sqrt(0.1 / 1.9)  # B has eigenvalues root (along 1, 1) and 1 (along 1, -1)
    k = 2 / (1 + math.exp(2)), 2 / (1 + math.exp(-2))
    b, off = (root + 1) / 2, (root - 1) / 2
    np.testing.assert_allclose(paper, [b * k[0] + off * k[1], off * k[0] + b * k[1]], rtol=1e-6)
    np.testing.assert_allclose(code, [root * k[0], root * k[1]], rtol=1e-6)


def test_ega_orders_differ_where_gradients_correlate():
    """Three unit gradients of correlation 0.9, T = 0.1: the steps have a cosine of 0.83; of 1 without correlation."""
    steps = {}
    for correlation in (0.9, 0.0):
        gramian = torch.full((3, 3), correlation, dtype=torch.float64).fill_diagonal_(1)
        pair = []
        for order in ("paper", "code"):
            strategy = STRATEGIES["ega"](3, temperature=0.1, order=order, t_warm=1)
            strategy.end_epoch(torch.ones(3))
            strategy.end_epoch(torch.tensor([0.6, 0.8, 0.95]))
            pair.append(rows_of(gramian).T @ strategy.weights(gramian))
        steps[correlation] = float(torch.cosine_similarity(*pair, dim=0))
    assert steps == {0.9: pytest.approx(0.83, abs=0.005), 0.0: pytest.approx(1)}


def test_ega_balances_the_rest_when_a_gradient_is_zero():
    gramian = torch.zeros(3, 3, dtype=torch.float64)
    gramian[:2, :2] = GRAMIAN[:2, :2]
    strategy = difficult(temperature=1.0, tasks=3)
    expected = alignment(GRAMIAN[:2, :2]) @ strategy.state["difficulties"][:2]
    torch.testing.assert_close(strategy.weights(gramian), torch.cat([expected, torch.zeros(1).double()]))


@pytest.mark.parametrize("norms", [(1, 1, 1), (1, 1e-2, 1e-4)])
@pytest.mark.parametrize("correlation", [0.9, 1 - 1e-6])
def test_ega_of_nearly_singular_gramians(norms, correlation):
    """Against 60 digits. What is lost is the condition number's share of float64."""
    c = torch.tensor([[1, correlation, 0.3], [correlation, 1, 0.3], [0.3, 0.3, 1]], dtype=torch.float64)
    d = torch.tensor(norms, dtype=torch.float64)
    gramian = d[:, None] * c * d
    with mpmath.workdps(60):
        values, vectors = mpmath.eigsy(mpmath.matrix(gramian.tolist()))
        root = mpmath.diag([mpmath.sqrt(min(values) / value) for value in values])
        exact = np.array((vectors * root * vectors.T).tolist(), float)
        condition = float(max(values) / min(values))
    np.testing.assert_allclose(alignment(gramian), exact, rtol=0, atol=20 * condition * 2.3e-16)


def test_ega_keeps_a_task_that_float32_would_lose():
    gramian = torch.diag(torch.tensor([1, 1, 1e-10], dtype=torch.float64))
    np.testing.assert_allclose(make("ega").weights(gramian), [1e-5, 1e-5, 1], rtol=1e-9)
