"""The three tasks' losses (radarODE-MTL, section III-E), and the targets they compare with.

Both classifications ask for a time, which is known to about a sample and never exactly at one: a target is a Gaussian
of SIGMA samples around it, not one class. Whoever is a sample off is nearly right; the Gaussian's own entropy stays as
the loss's floor.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from edge.spec import ANCHOR_CLASSES, CYCLE_CLASSES

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
    """Cross-entropy between logits [B, 800] and the window's R peaks, marked by 1 in [B, 800] and of equal share.

    A window without an R peak does not count.
    """
    count = anchors.sum(-1, keepdim=True)
    target = anchors @ blur(ANCHOR_CLASSES, anchors.device) / count.clamp(min=1)
    return _mean(_cross_entropy(logits, target), count[:, 0] > 0)


def cycle_loss(logits: Tensor, cycle: Tensor) -> Tensor:
    """Cross-entropy between logits [B, 260] and the classes [B] of the middle beats' lengths."""
    return _cross_entropy(logits, blur(CYCLE_CLASSES, cycle.device)[cycle]).mean()


@lru_cache
def blur(classes: int, device: torch.device) -> Tensor:
    """[classes, classes]: row c is the target of class c, a Gaussian that is not cut but renormalised at the ends."""
    c = torch.arange(classes, device=device)
    return (-0.5 * ((c - c[:, None]) / SIGMA).square()).softmax(-1)


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return -(target * logits.log_softmax(-1)).sum(-1)


def _mean(losses: Tensor, known: Tensor) -> Tensor:
    return torch.where(known, losses, 0).sum() / known.sum().clamp(min=1)
