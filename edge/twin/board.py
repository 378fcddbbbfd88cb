"""Phase, gain and range errors of a board's lines and filters, which a phase calibration removes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.core.types import Complex64
from edge.radar.chirp import ChirpConfig

TX, RX = 3, 4


@dataclass(frozen=True, slots=True)
class Board:
    """Errors of a board: `gains` [tx, rx] multiply the pairs' samples; echoes appear `range_bias_m` farther away."""

    gains: tuple[tuple[complex, ...], ...] = ((1 + 0j,) * RX,) * TX
    range_bias_m: float = 0.0

    def of(self, chirp: ChirpConfig) -> Complex64:
        """Return the gains [tx, rx] of the antenna pairs that a chirp file uses, in firing order."""
        gains = np.array(self.gains, np.complex64)
        return np.asarray(gains[np.ix_(np.array(chirp.tx_order) - 1, np.array(chirp.rx) - 1)])


def uneven(seed: int, phase_rad: float, gain_db: float = 1.5, range_bias_m: float = 0.07) -> Board:
    """Return a board with random phase and gain errors; `phase_rad` and `gain_db` are standard deviations."""
    phase, gain = np.random.default_rng(seed).standard_normal((2, TX, RX))
    gains = 10 ** (gain_db * gain / 20) * np.exp(1j * phase_rad * phase)
    return Board(tuple(tuple(row) for row in gains.tolist()), range_bias_m)
