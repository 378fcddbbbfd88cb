"""McSharry's model of a heartbeat as five waves, solved in one matrix product.

A point moves once round a circle per cycle; each wave P, Q, R, S, T has an angle, a size and a width, and changes z
when the point passes its angle (McSharry et al., IEEE TBME 2003, eq. 1; the paper's morphological decoder):

    z' = -sum_i a_i d_i exp(-d_i^2 / (2 b_i^2)) - (z - z0(t)),  d_i = theta(t) - theta_i in -pi..pi

On the circle theta(t) does not depend on z, so Euler's steps z[k+1] = (1 - dt) z[k] + dt f[k] are linear in f and can
be written as z = M f with M[k, j] = dt (1 - dt)^(k-1-j) for j < k. Euler's steps of x and y would leave the circle.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from edge.core.spec import ECG_PIECE_R_FRACTION, ECG_PIECE_SAMPLES

WAVES = ("P", "Q", "R", "S", "T")
SIZES = (5.0, -100.0, 480.0, -120.0, 8.0)
WIDTHS = (0.25, 0.1, 0.1, 0.1, 0.4)
ANGLES_DEG = (-15.0, 25.0, 40.0, 60.0, 135.0)
"""The paper's a, b (rad) and theta; the resulting QRS complex has a height of about 1."""

START_DEG = ANGLES_DEG[WAVES.index("R")] - 360 * ECG_PIECE_R_FRACTION
"""Angle of the first sample of a piece, such that R is at the same position as in the labels."""

MIN_WIDTH_FRACTION = 0.3
"""Lower limit of a wave's width, as a fraction: R then spans one sample. At width 0 there is no gradient."""

BASELINE = 0.005
BASELINE_HZ = 0.25


class HeartbeatOde(nn.Module):
    """Maps changes p [B, 15] in -1..1 of sizes, widths and angles (default times 1 + p) to beats [B, 200]."""

    phase: Tensor
    baseline: Tensor
    steps: Tensor
    sizes: Tensor
    widths: Tensor
    angles: Tensor

    def __init__(self) -> None:
        super().__init__()
        k = np.arange(ECG_PIECE_SAMPLES)
        dt = 1 / ECG_PIECE_SAMPLES  # of a cycle of one second
        since = np.subtract.outer(k, k) - 1
        tables = {
            "phase": math.radians(START_DEG) + 2 * np.pi * k[:, None] / ECG_PIECE_SAMPLES,
            "baseline": BASELINE * np.sin(2 * np.pi * BASELINE_HZ * k / ECG_PIECE_SAMPLES),
            "steps": np.where(since >= 0, dt * (1 - dt) ** np.maximum(since, 0), 0),
            "sizes": np.array(SIZES),
            "widths": np.array(WIDTHS),
            "angles": np.radians(ANGLES_DEG),
        }
        for name, table in tables.items():
            self.register_buffer(name, torch.from_numpy(table).float(), persistent=False)

    def forward(self, p: Tensor) -> Tensor:
        """Return the beats."""
        size, width, angle = (1 + p).view(-1, 3, 1, len(WAVES)).unbind(1)  # each [B, 1, 5]
        return self.force(self.sizes * size, self.widths * _limit_width(width), self.angles * angle) @ self.steps.T

    def force(self, size: Tensor, width: Tensor, angle: Tensor) -> Tensor:
        """Return the driving term of z without -z: waves [B, 1, 5] to [B, 200]."""
        turns = (self.phase - angle) / (2 * math.pi)
        distance = 2 * math.pi * (turns - torch.floor(turns + 0.5))
        return self.baseline - (size * distance * torch.exp(-0.5 * (distance / width) ** 2)).sum(-1)


def _limit_width(width: Tensor) -> Tensor:
    return MIN_WIDTH_FRACTION + (1 - MIN_WIDTH_FRACTION) * width
