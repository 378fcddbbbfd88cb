"""Decodes the bytes of one radar frame to complex samples, and encodes them.

Two LVDS lanes, complex, non-interleaved: each group of four int16 little-endian words holds two samples.
TI SWRA581B section 9.2 (mmWave Studio order) and SDK `adcbufCfg` with SampleSwap 1 (SDK order).
"""

from __future__ import annotations

import ctypes
from typing import Literal, get_args

import numpy as np

from edge.core.compiled import address, load_library, require_compiled
from edge.core.errors import InputError
from edge.core.types import Complex64, RadarFrame, RawFrame
from edge.radar.chirp import BYTES_PER_SAMPLE, ChirpConfig

IqOrder = Literal["sdk", "studio"]
"""sdk: Q0 Q1 I0 I1 (studio_cli and SDK demo firmware); studio: I0 I1 Q0 Q1 (mmWave Studio recordings)."""

IQ_ORDERS: tuple[IqOrder, ...] = get_args(IqOrder)
ZERO_RUN_BYTES = 512  # a lost packet, 1456 bytes, contains at least one aligned block of this size
_FIRST_REAL: dict[IqOrder, int] = {"sdk": 2, "studio": 0}  # the word, of each four, with the first sample's real part
_LIBRARY = load_library("edge.radar._iq", "iq_version", [2])


class FrameSizeError(InputError):
    """The bytes are not one frame of this chirp file."""


def decode(data: bytes | bytearray | memoryview, shape: tuple[int, int, int, int], order: IqOrder) -> Complex64:
    """Decode one frame to complex64 [loop, tx, rx, sample].

    Raises FrameSizeError when the bytes are not exactly that many samples.
    """
    return _decode(data, shape, order)[0]


def decode_frame(raw: RawFrame, chirp: ChirpConfig, order: IqOrder) -> RadarFrame:
    """Decode a raw frame, keeping its number, time and completeness. Raises FrameSizeError.

    A frame with a run of zeros is incomplete: recorders fill lost packets with zeros, but a live ADC always has noise.
    """
    iq, has_zero_run = _decode(raw.data, chirp.frame_shape, order)
    return RadarFrame(raw.seq, raw.t_ns, iq, raw.complete and not has_zero_run, raw.steady_ns)


def _decode(
    data: bytes | bytearray | memoryview, shape: tuple[int, int, int, int], order: IqOrder
) -> tuple[Complex64, bool]:
    """Decode one frame; the second value: whether an aligned block of ZERO_RUN_BYTES, or all of it, is zero."""
    loops, tx, rx, n = shape
    expected = loops * tx * rx * n * BYTES_PER_SAMPLE
    if len(data) != expected:
        raise FrameSizeError(
            f"a frame of {loops} loops x {tx} TX x {rx} RX x {n} samples is {expected} bytes, got {len(data)}"
        )
    if expected % 8:
        raise FrameSizeError(f"{expected} bytes: two LVDS lanes carry samples in pairs, an odd count cannot be decoded")
    words, samples = np.frombuffer(data, "<i2"), np.empty(shape, np.complex64)
    groups, size = ctypes.c_long(expected // 8), ctypes.c_long(min(ZERO_RUN_BYTES, expected) // 2)
    run = require_compiled(_LIBRARY).decode
    return samples, bool(run(address(words), groups, _FIRST_REAL[order], size, address(samples)))


def encode(iq: Complex64, order: IqOrder) -> bytes:
    """Encode samples, rounded and clipped to int16, as the card sends them; the inverse of `decode`."""
    pairs = iq.reshape(-1, 2)
    words = np.empty((len(pairs), 2, 2), "<i2")
    first, second = (pairs.real, pairs.imag) if order == "studio" else (pairs.imag, pairs.real)
    words[:, 0] = np.clip(np.rint(first), -32768, 32767)
    words[:, 1] = np.clip(np.rint(second), -32768, 32767)
    return words.tobytes()
