"""Phase unwrapping of many channels to displacement, uniform resampling, and second derivative."""

from __future__ import annotations

import math

import numpy as np

from edge.core.types import Bool, Complex64, Float64

SLIP_RAD = 2.0  # largest deviation from the common step: points of one chest do not move apart by 0.6 mm in a frame
_MIN_STEPS = 10  # kept for the mean, at least
# A gap is bridged with the mean speed over a quarter of its length before it. Over a longer time the motion may
# reverse; over a shorter one, noise dominates.
_TREND_DIVISOR = 4


class PhaseTracker:
    """Unwrap the phase of P channels that observe the same chest.

    The frame-to-frame phase step common to all channels is that of their power-weighted sum. Each channel adds only its
    small deviation from it, so a noisy channel does not slip by a full turn as it would alone.

    Over missing frames the phase may change by more than half a turn, which is ambiguous. The change is then assumed to
    continue at about the previous speed. For a chest that breathes 12 mm this is right for gaps up to 0.2 s; the
    smallest change would be right for 0.07 s only.
    """

    def __init__(self, wavelength_m: float) -> None:
        self._mm_per_rad = wavelength_m * 1e3 / (4 * math.pi)
        self._last: Complex64 | None = None
        self._last_seq = 0
        self._phase: Float64 = np.zeros(0)
        self._steps = np.zeros(_MIN_STEPS)
        self.slipped: Bool = np.zeros(0, bool)
        """Channels [P] with a step, in the last call, that differs too much from the common step to be motion."""

    def push(self, seq: list[int], echo: Complex64) -> tuple[Float64, Bool]:
        """Add complete frames: their increasing numbers and echoes [n, P].

        Returns displacement_mm [P, m] for every frame number since the last call, and covered [m], which is False where
        a frame was missing and the displacement is interpolated linearly.
        """
        if self._last is None:
            self._last, self._last_seq = echo[0], seq[0] - 1
            self._phase = np.zeros(echo.shape[1])
        step = echo * np.concatenate([self._last[None], echo[:-1]]).conj()
        common = np.angle(step.sum(axis=1))
        frames = np.diff([self._last_seq, *seq])
        for k in np.flatnonzero(frames > 1):
            before = np.concatenate([self._steps, common[:k] / frames[:k]])[-math.ceil(frames[k] / _TREND_DIVISOR) :]
            common[k] += 2 * math.pi * np.rint((before.mean() * frames[k] - common[k]) / (2 * math.pi))
        self._steps = np.concatenate([self._steps, common / frames])[-max(_MIN_STEPS, len(common)) :]
        deviation = np.angle(step * np.exp(-1j * common)[:, None])
        self.slipped = (np.abs(deviation) > SLIP_RAD).any(axis=0)
        phase = self._phase + np.cumsum(common[:, None] + deviation, axis=0, dtype=np.float64)

        full, covered = phase, np.ones(len(seq), bool)
        if (frames > 1).any():
            known, track = np.array([self._last_seq, *seq]), np.vstack([self._phase, phase])
            wanted = np.arange(self._last_seq + 1, seq[-1] + 1)
            covered = np.isin(wanted, seq)
            full = np.stack([np.interp(wanted, known, column) for column in track.T], axis=1)
        self._last, self._last_seq, self._phase = echo[-1], seq[-1], phase[-1]
        return full.T * self._mm_per_rad, covered

    @property
    def step_rms_rad(self) -> float:
        """Return the rms of the latest common phase steps; near pi the direction of motion is ambiguous."""
        return float(np.sqrt(np.square(self._steps).mean()))


class Resampler:
    """Streaming band-limited interpolation (Kaiser-windowed sinc) from one uniform rate to another.

    Delay: HALF_WIDTH samples of the slower rate. Equal rates are passed through without change or delay. The stream is
    extended before its start with the first sample; outputs that depend on this extension are not covered.
    """

    HALF_WIDTH = 8
    KAISER_BETA = 8.0

    def __init__(self, rate_in_hz: float, rate_out_hz: float) -> None:
        self._step = rate_in_hz / rate_out_hz
        self._identity = math.isclose(self._step, 1.0, rel_tol=1e-9)
        self._scale = max(1.0, self._step)  # widens the kernel when the rate goes down
        self._half = math.ceil(self.HALF_WIDTH * self._scale)
        self._tail: Float64 | None = None
        self._tail_covered: Bool = np.zeros(0, bool)
        self._position = 0.0  # of the next output, in input samples from the start of the tail

    def push(self, x: Float64, covered: Bool) -> tuple[Float64, Bool]:
        """Add x [P, n] and covered [n]; return the outputs [P, m], [m] that can now be computed. m may be 0."""
        if self._identity:
            return x, covered
        if self._tail is None:
            self._tail = np.repeat(x[:, :1], self._half, axis=1)
            self._tail_covered = np.zeros(self._half, bool)
            self._padding = self._half
            self._position = float(self._half)
        buffer = np.concatenate([self._tail, x], axis=1)
        buffer_covered = np.concatenate([self._tail_covered, covered])
        count = max(0, math.ceil((buffer.shape[1] - self._half - self._position) / self._step - 1e-9))
        position = self._position + np.arange(count) * self._step
        first = np.floor(position).astype(int) - self._half + 1
        taps = first[:, None] + np.arange(2 * self._half)
        offset = (taps - position[:, None]) / self._scale
        kernel = np.sinc(offset) * np.i0(self.KAISER_BETA * np.sqrt(np.maximum(0, 1 - (offset / self.HALF_WIDTH) ** 2)))
        kernel /= kernel.sum(axis=1, keepdims=True)
        y = np.einsum("pmk,mk->pm", buffer[:, taps], kernel)
        nearest = taps[:, self._half - 1 : self._half + 1]
        y_covered = np.asarray(buffer_covered[nearest].all(axis=1) & (taps[:, 0] >= self._padding))

        self._position += count * self._step
        drop = max(0, math.floor(self._position) - self._half)
        self._tail, self._tail_covered = buffer[:, drop:], buffer_covered[drop:]
        self._position -= drop
        self._padding = max(0, self._padding - drop)
        return y, y_covered


class SecondDerivative:
    """Noise-robust second derivative of displacement (Chen et al. 2022, seven points), streaming.

    s'' = [(s-3 + s+3) + 2(s-2 + s+2) - (s-1 + s+1) - 4 s0] / (16 h^2); the delay is DELAY samples. Until seven samples
    in a row are covered, the derivative is 0 and not covered. After that, a sample is covered if it was measured itself
    and so were most of the seven: one or two interpolated neighbours (a line over 5 ms) change the result little.
    """

    DELAY = 3
    _MIN_COVERED = 5
    _TAPS = np.array([1.0, 2.0, -1.0, -4.0, -1.0, 2.0, 1.0]) / 16

    def __init__(self, rate_hz: float) -> None:
        self._gain = rate_hz**2
        self._tail: Float64 | None = None
        self._tail_covered: Bool = np.zeros(6, bool)
        self._begun = False  # seven samples in a row were covered

    def push(self, x: Float64, covered: Bool) -> tuple[Float64, Float64, Bool]:
        """Add x [P, n] and covered [n]; return x delayed by DELAY samples, its second derivative, and covered."""
        if self._tail is None:
            self._tail = np.repeat(x[:, :1], 6, axis=1)
        n = x.shape[1]
        buffer = np.concatenate([self._tail, x], axis=1)
        buffer_covered = np.concatenate([self._tail_covered, covered])
        self._tail, self._tail_covered = buffer[:, -6:], buffer_covered[-6:]
        curved = np.zeros_like(x)
        received = np.zeros(n, int)
        for k, tap in enumerate(self._TAPS):
            curved += tap * buffer[:, k : k + n]
            received += buffer_covered[k : k + n]
        known = buffer_covered[3 : 3 + n] & (received >= self._MIN_COVERED)
        if not self._begun:
            complete = received == len(self._TAPS)
            self._begun = bool(complete.any())
            start = int(complete.argmax()) if self._begun else n
            curved[:, :start], known[:start] = 0, False
        return buffer[:, 3 : 3 + n], curved * self._gain, known
