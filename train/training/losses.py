"""Losses of the three tasks (radarODE-MTL, section III-E), and their targets.

Both classifications estimate a time, which is valid to about one sample and lies between samples. The target is
therefore a Gaussian of SIGMA samples around it instead of one class, so that an error of one sample has a low loss. The
entropy of the target is subtracted from the cross-entropy: the gradient is the same, and the loss of a perfect
prediction is 0, which strategies that compare a task's losses over time require.
"""

from __future__ import annotations

import torch
from torch import Tensor

from edge.core.spec import ANCHOR_CLASSES, CYCLE_CLASSES, CYCLE_MIN

SIGMA = 2.0
"""Standard deviation of a target, in samples: 10 ms, the uncertainty of the R peaks themselves."""
EPSILON = 1e-8
"""Added to a piece's squared error, because the derivative of the root is infinite at 0."""


def ecg_loss(piece: Tensor, target: Tensor) -> Tensor:
    """Return the mean over windows of the root mean square error of the beats [B, 200].

    Targets with NaN (no ECG) are ignored; without any other target the loss is 0.
    """
    valid = target.isfinite().all(-1)
    error = (piece - torch.where(valid[:, None], target, piece)).square().mean(-1)
    return _mean((error + EPSILON).sqrt(), valid)


def anchor_loss(logits: Tensor, anchors: Tensor) -> Tensor:
    """Return the excess cross-entropy of logits [B, 800] for R peaks [B, A], in samples from the window's start.

    Rows with fewer R peaks are padded with NaN; windows without an R peak are ignored.
    """
    return _cross_entropy(logits, gaussians(anchors, ANCHOR_CLASSES))


def cycle_loss(logits: Tensor, cycle: Tensor) -> Tensor:
    """Return the excess cross-entropy of logits [B, 260] for the middle beats' lengths [B] in samples.

    Lengths that are NaN or outside the classes are ignored.
    """
    return _cross_entropy(logits, gaussians(cycle[:, None] - CYCLE_MIN, CYCLE_CLASSES))


def gaussians(positions: Tensor, classes: int) -> Tensor:
    """Return distributions [B, classes] with a Gaussian of equal weight at each of the positions [B, A].

    Positions more than half a class outside the axis are ignored; a row without a position is 0.
    """
    inside = (positions > -0.5) & (positions < classes - 0.5)
    centre = torch.where(inside, positions, 0)[..., None]
    kernels = (-0.5 * ((torch.arange(classes, device=positions.device) - centre) / SIGMA).square()).softmax(-1)
    share = inside / inside.sum(-1, keepdim=True).clamp(min=1)
    return (share[..., None] * kernels).sum(-2)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    entropy = -torch.xlogy(target, target).sum(-1)
    return _mean(-(target * logits.log_softmax(-1)).sum(-1) - entropy, target.sum(-1) > 0)


def _mean(losses: Tensor, valid: Tensor) -> Tensor:
    return torch.where(valid, losses, 0).sum() / valid.sum().clamp(min=1)
