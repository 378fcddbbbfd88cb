"""Synthesizes the radar's ADC samples of a scene: beat signals over the exact path from each TX to each RX.

An echo with round-trip time tau gives s(t) = a exp(j 2 pi (f0 tau + S tau t - S tau^2 / 2)), t from the ramp's start.
"""

from __future__ import annotations

import math

import numpy as np

from edge.core.spec import SPEED_OF_LIGHT_M_S
from edge.core.types import Complex64, Float64
from edge.radar.antennas import AWR1843
from edge.radar.chirp import ChirpConfig
from edge.twin.board import Board
from edge.twin.scene import CLUTTER, Scene
from edge.twin.tones import Tones

ADC_STEP = 16.0  # counts: 12 of the 16 bits carry signal
ADC_LIMIT = 32752.0


class Fmcw:
    """Synthesizes IQ frames for a chirp file, a scene and a board's errors; `seed` determines the noise."""

    def __init__(self, chirp: ChirpConfig, scene: Scene, seed: int = 1, board: Board | None = None) -> None:
        self._chirp, self._scene, self._board = chirp, scene, board
        self._antennas = AWR1843.of(chirp)
        self._noise_rng, self._phase_rng = (np.random.default_rng((seed, k)) for k in range(2))
        self._tones = Tones(chirp.samples)
        slots = chirp.loops * len(chirp.tx_order)
        things = np.vstack([CLUTTER, np.reshape(scene.things, (-1, 4))])
        still = np.broadcast_to(things[:, :3], (1, slots, len(things), 3))
        self._clutter = self.echoes(still, things[None, :, 3])

    def frames(self, first: int, count: int) -> Complex64:
        """Return frames [count, loop, tx, rx, sample] in ADC counts."""
        chirp, scene = self._chirp, self._scene
        slots = chirp.loops * len(chirp.tx_order)
        frame_s = np.arange(first, first + count, dtype=float) * chirp.frame_period_s
        t_s = (frame_s[:, None] + np.arange(slots) * chirp.chirp_cycle_s).ravel()
        points = scene.positions_m(t_s).reshape(count, slots, -1, 3)
        iq = self.echoes(points, scene.counts(points[:, 0], frame_s)) + self._clutter
        iq *= np.exp(1j * self._common_rad(t_s)).astype(np.complex64).reshape(count, slots, 1, 1)
        noise = self._noise_rng.standard_normal((*iq.shape, 2), np.float32) * np.float32(
            scene.noise_counts / math.sqrt(2)
        )
        words = iq.view(np.float32).reshape(noise.shape) + noise
        words = np.clip(np.rint(words / ADC_STEP) * ADC_STEP, -ADC_LIMIT, ADC_LIMIT)
        return np.asarray(words.view(np.complex64).reshape(count, *chirp.frame_shape))

    def echoes(self, points_m: Float64, counts: Float64) -> Complex64:
        """Return noise-free echoes [frame, slot, rx, sample] of points [frame, slot, P, 3] of strengths [frame, P].

        A slot is one chirp; slots cycle through the TX order.
        """
        c = self._chirp
        _, slots, count, _ = points_m.shape
        tx = np.resize(self._antennas.tx_m, (slots, 3))
        out_m = _length(points_m - tx[:, None])
        back_m = _length(points_m[:, :, None] - self._antennas.rx_m[:, None])
        bias_m = self._board.range_bias_m if self._board else 0.0
        tau = (out_m[:, :, None] + back_m + 2 * bias_m) / SPEED_OF_LIGHT_M_S  # [frame, slot, rx, P]
        start = c.start_hz * tau + c.slope_hz_s * (tau * c.adc_start_s - tau**2 / 2)
        strength = np.broadcast_to(counts[:, None, None], tau.shape)
        per_sample = c.slope_hz_s / c.sample_rate_hz * tau
        samples = self._tones.sum(*(of_echo.reshape(-1, count) for of_echo in (start, per_sample, strength)))
        samples = samples.reshape(*tau.shape[:3], c.samples)
        return samples * np.resize(self._board.of(c), (slots, len(c.rx), 1)) if self._board else samples

    def _common_rad(self, t_s: Float64) -> Float64:
        """Return the phase [n] common to all echoes of the chirps at times [n]: noise and the scene's phase steps."""
        common = self._scene.phase_noise_rad * self._phase_rng.standard_normal(len(t_s))
        for step in self._scene.phase_steps:
            common[t_s >= step.start_s] += step.rad
        return common


def _length(vectors: Float64) -> Float64:
    return np.asarray(np.sqrt(np.einsum("...k,...k->...", vectors, vectors)))
