"""Decodes the bytes of one radar frame to complex samples, and encodes them.

Two LVDS lanes, complex, non-interleaved: each group of four int16 little-endian words holds two samples.
TI SWRA581B section 9.2 (mmWave Studio order) and SDK `adcbufCfg` with SampleSwap 1 (SDK order).
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from edge.core.errors import InputError
from edge.core.types import Complex64, RadarFrame, RawFrame
from edge.radar.chirp import BYTES_PER_SAMPLE, ChirpConfig

IqOrder = Literal["sdk", "studio"]
"""sdk: Q0 Q1 I0 I1 (studio_cli and SDK demo firmware); studio: I0 I1 Q0 Q1 (mmWave Studio recordings)."""

IQ_ORDERS: tuple[IqOrder, ...] = get_args(IqOrder)
ZERO_RUN_BYTES = 512  # a lost packet, 1456 bytes, contains at least one aligned block of this size
# Indices, in each group of four words, of the real, imaginary, real and imaginary part of two samples.
_WORDS: dict[IqOrder, tuple[int, ...]] = {"sdk": (2, 0, 3, 1), "studio": (0, 2, 1, 3)}


class FrameSizeError(InputError):
    """The bytes are not one frame of this chirp file."""


def decode(data: bytes | bytearray | memoryview, shape: tuple[int, int, int, int], order: IqOrder) -> Complex64:
    """Decode one frame to complex64 [loop, tx, rx, sample].

    Raises FrameSizeError when the bytes are not exactly that many samples.
    """
    loops, tx, rx, samples = shape
    expected = loops * tx * rx * samples * BYTES_PER_SAMPLE
    if len(data) != expected:
        raise FrameSizeError(
            f"a frame of {loops} loops x {tx} TX x {rx} RX x {samples} samples is {expected} bytes, got {len(data)}"
        )
    if expected % 8:
        raise FrameSizeError(f"{expected} bytes: two LVDS lanes carry samples in pairs, an odd count cannot be decoded")
    words = np.frombuffer(data, "<i2")
    parts = np.empty(len(words), np.float32)
    for part, word in enumerate(_WORDS[order]):  # four long strides: twice as fast as arrays of pairs
        parts[part::4] = words[word::4]
    return parts.view(np.complex64).reshape(shape)


def decode_frame(raw: RawFrame, chirp: ChirpConfig, order: IqOrder) -> RadarFrame:
    """Decode a raw frame, keeping its number, time and completeness. Raises FrameSizeError.

    A frame with a run of zeros is incomplete: recorders fill lost packets with zeros, but a live ADC always has noise.
    """
    iq = decode(raw.data, chirp.frame_shape, order)
    return RadarFrame(raw.seq, raw.t_ns, iq, raw.complete and not _has_zero_run(raw.data), raw.steady_ns)


def _has_zero_run(data: bytes | bytearray | memoryview) -> bool:
    """Whether any aligned block of ZERO_RUN_BYTES (or the whole frame, if smaller) is zero."""
    size = min(ZERO_RUN_BYTES, len(data))
    words = np.frombuffer(data, "<u4", len(data) // size * size // 4)
    return not words.reshape(-1, size // 4).any(axis=1).all()


def encode(iq: Complex64, order: IqOrder) -> bytes:
    """Encode samples, rounded and clipped to int16, as the card sends them; the inverse of `decode`."""
    pairs = iq.reshape(-1, 2)
    words = np.empty((len(pairs), 2, 2), "<i2")
    first, second = (pairs.real, pairs.imag) if order == "studio" else (pairs.imag, pairs.real)
    words[:, 0] = np.clip(np.rint(first), -32768, 32767)
    words[:, 1] = np.clip(np.rint(second), -32768, 32767)
    return words.tobytes()
