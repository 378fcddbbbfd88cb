"""What the radar's ADC sees of a chest: beat signals over exact paths from each TX to each RX.

One echo of round trip tau gives s(t) = a exp(j 2 pi (f0 tau + S tau t - S tau^2 / 2)), t from the start of the ramp.
Antenna places: SDK `antenna_geometry.c` and the AWR1843BOOST layout (SPRUIM4 figure 10), in half wavelengths.
"""

from __future__ import annotations

import math

import numpy as np

from edge.chirp import ChirpConfig
from edge.frames import Complex64, Float64
from edge.spec import SPEED_OF_LIGHT_M_S
from edge.twin.body import Body
from edge.twin.heart import Heart

# x to the side, y away from the board, z up. The TX group starts 2.7 half wavelengths beside RX4.
_RX_HALF_WAVES = np.array([[k, 0, 0] for k in range(4)], float)
_TX_HALF_WAVES = np.array([[5.7, 0, 0], [7.7, 0, 1], [9.7, 0, 0]])

# Points of the chest: place (m), strength (ADC counts), share of breathing, share and delay of the heart.
CHEST = np.array(
    [
        [0.00, 0.45, 0.00, 160.0, 1.00, 1.00, 0.000],
        [0.04, 0.46, 0.03, 120.0, 0.95, 0.85, 0.004],
        [-0.05, 0.46, 0.02, 110.0, 0.90, 0.60, 0.007],
        [0.02, 0.47, -0.06, 90.0, 1.05, 0.45, 0.010],
        [-0.03, 0.48, -0.10, 70.0, 1.15, 0.20, 0.014],
        [0.08, 0.49, 0.08, 60.0, 0.70, 0.30, 0.009],
    ]
)
# Nothing here moves: leakage between the antennas, a table, a wall.
CLUTTER = np.array([[0.02, 0.03, 0.0, 1500.0], [0.3, 0.9, -0.3, 150.0], [0.0, 2.6, 0.2, 400.0]])
NOISE_COUNTS = 12.0


class Fmcw:
    """Frames of IQ for a chirp file, a heart and a body; noise is drawn from `seed`."""

    def __init__(self, chirp: ChirpConfig, heart: Heart, body: Body, seed: int = 1) -> None:
        self._chirp, self._heart, self._body = chirp, heart, body
        half_wave = chirp.wavelength_m / 2
        self._tx = _TX_HALF_WAVES[np.array(chirp.tx_order) - 1] * half_wave
        self._rx = _RX_HALF_WAVES[np.array(chirp.rx) - 1] * half_wave
        self._rng = np.random.default_rng(seed)
        self._fast_time = _split(chirp.samples)
        slots = chirp.loops * len(chirp.tx_order)
        still = np.broadcast_to(CLUTTER[:, :3], (slots, len(CLUTTER), 3))
        self._clutter = self._echoes(still, CLUTTER[:, 3])

    def frames(self, first: int, count: int) -> Complex64:
        """Frames [count, loop, tx, rx, sample] in ADC counts."""
        chirp = self._chirp
        slot_s = np.arange(chirp.loops * len(chirp.tx_order)) * chirp.chirp_cycle_s
        t_s = ((first + np.arange(count))[:, None] * chirp.frame_period_s + slot_s).ravel()
        breathing = self._body.displacement_mm(t_s)
        points = np.repeat(CHEST[None, :, :3], len(t_s), axis=0)
        for p, (_, _, _, _, breath_share, heart_share, delay_s) in enumerate(CHEST):
            moved_mm = breath_share * breathing + heart_share * self._heart.displacement_mm(t_s - delay_s)
            points[:, p, 1] += moved_mm * 1e-3
        iq = self._echoes(points, CHEST[:, 3]).reshape(count, *self._clutter.shape) + self._clutter
        noise = self._rng.standard_normal((*iq.shape, 2), np.float32) * np.float32(NOISE_COUNTS / math.sqrt(2))
        iq = iq + noise.view(np.complex64)[..., 0]
        return iq.reshape(count, *chirp.frame_shape)

    def _echoes(self, points: Float64, counts: Float64) -> Complex64:
        """points [slot, P, 3] m, strengths [P] to samples [slot, rx, sample]; slots cycle through the TX order."""
        c = self._chirp
        tx = np.resize(self._tx, (len(points), 3))
        out_m = np.linalg.norm(points - tx[:, None], axis=-1)
        back_m = np.linalg.norm(points[:, None] - self._rx[:, None], axis=-1)
        tau = (out_m[:, None] + back_m) / SPEED_OF_LIGHT_M_S  # [slot, rx, P]
        start = 2 * math.pi * (c.start_hz * tau + c.slope_hz_s * (tau * c.adc_start_s - tau**2 / 2))
        turn = 2 * math.pi * c.slope_hz_s / c.sample_rate_hz * tau  # per sample
        # n = coarse * a + b, so the sum over echoes is a small matrix product instead of samples x echoes exponentials.
        coarse, fine = self._fast_time
        left = np.exp(1j * (start % (2 * math.pi) + turn * coarse[:, None, None, None])) * counts
        right = np.exp(1j * turn * fine[:, None, None, None])
        product = np.einsum("asrp,bsrp->srab", left.astype(np.complex64), right.astype(np.complex64), optimize=True)
        return np.asarray(product.reshape(len(points), len(self._rx), c.samples))


def _split(samples: int) -> tuple[Float64, Float64]:
    """Sample numbers as coarse[a] + fine[b], both about the square root of their count."""
    width = max(d for d in range(1, math.isqrt(samples) + 1) if samples % d == 0)
    return np.arange(0, samples, width, dtype=float), np.arange(width, dtype=float)
