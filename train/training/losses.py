"""The three tasks' losses (radarODE-MTL, section III-E), and the targets they compare with.

Both classifications ask for a time, which is known to about a sample and never exactly at one: a target is a Gaussian
of SIGMA samples around it, not one class. Whoever is a sample off is nearly right. The targets' own entropy is taken
off the cross-entropy: its gradient stays, and the loss of a perfect answer is 0, as strategies need that compare a
task's losses over time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from edge.core.spec import ANCHOR_CLASSES, CYCLE_CLASSES, CYCLE_MIN

SIGMA = 2.0
"""Of a target, in samples: 10 ms, what R peaks themselves are uncertain by."""
EPSILON = 1e-8
"""Below it a piece's squared error has no slope: the root's own is infinite at 0."""


def ecg_loss(piece: Tensor, target: Tensor) -> Tensor:
    """Mean over windows of the root mean square error of the beats [B, 200].

    A target with NaN, where there is no ECG, does not count; where none has one the loss is 0.
    """
    known = target.isfinite().all(-1)
    error = (piece - torch.where(known[:, None], target, piece)).square().mean(-1)
    return _mean((error + EPSILON).sqrt(), known)


def anchor_loss(logits: Tensor, anchors: Tensor) -> Tensor:
    """Cross-entropy above its least between logits [B, 800] and the R peaks [B, A], in samples from the window's start.

    NaN fills the rows of windows with fewer; a window with no R peak in it does not count.
    """
    return _cross_entropy(logits, gaussians(anchors, ANCHOR_CLASSES))


def cycle_loss(logits: Tensor, cycle: Tensor) -> Tensor:
    """Cross-entropy above its least between logits [B, 260] and the middle beats' lengths [B] in samples.

    A length that is NaN, or that has no class, does not count.
    """
    return _cross_entropy(logits, gaussians(cycle[:, None] - CYCLE_MIN, CYCLE_CLASSES))


def gaussians(places: Tensor, classes: int) -> Tensor:
    """Places [B, A] on the axis of classes to distributions [B, classes], each place with the same share.

    Only places from half a class before the first to half a class after the last count; a row without one is 0.
    """
    there = (places > -0.5) & (places < classes - 0.5)
    centre = torch.where(there, places, 0)[..., None]
    bumps = (-0.5 * ((torch.arange(classes, device=places.device) - centre) / SIGMA).square()).softmax(-1)
    share = there / there.sum(-1, keepdim=True).clamp(min=1)
    return (share[..., None] * bumps).sum(-2)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    entropy = -torch.xlogy(target, target).sum(-1)
    return _mean(-(target * logits.log_softmax(-1)).sum(-1) - entropy, target.sum(-1) > 0)


def _mean(losses: Tensor, known: Tensor) -> Tensor:
    return torch.where(known, losses, 0).sum() / known.sum().clamp(min=1)
