"""Detects captures whose words have the layout of another board or program.

In the correct layout a chirp's samples are a few tones: the echoes. In a wrong layout, samples of several receivers or
of I and Q are mixed and every tone has images across the spectrum. Therefore the layout with the flatter spectrum is
wrong.
Source of the layouts: TI SWRA581B, sections 5 to 8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge.core.types import Complex128, Float64
from edge.radar.chirp import BYTES_PER_SAMPLE, ChirpConfig

MIN_FLATNESS_RATIO = 1.3  # flatness in the two-lane layout over that in another; at most 1 for two-lane data
MAX_FLATNESS = 0.5  # above it there is only noise, which is flat in every layout
MAX_UNRELATED_CORRELATION = 0.25  # of words of different positions in a frame
MIN_REPEAT_CORRELATION = 0.75  # of the words of a frame with those of the next
LANES = 4
_OFFSET = 1 << 15


@dataclass(frozen=True)
class Layout:
    """A layout: `decode` converts words [n] and samples per chirp to chirps [chirp, sample]; `advice` is a remedy."""

    name: str
    advice: str
    decode: Callable[[Float64, int], Complex128]


def _two_lanes(words: Float64, samples: int) -> Complex128:
    groups = words.reshape(-1, 2, 2)
    return np.asarray(groups[:, 0] + 1j * groups[:, 1]).reshape(-1, samples)


def _four_lanes(words: Float64, samples: int) -> Complex128:
    groups = words.reshape(-1, 2, LANES)
    chirps = np.asarray(groups[:, 0] + 1j * groups[:, 1]).reshape(-1, samples, LANES)
    return np.asarray(chirps.transpose(0, 2, 1).reshape(-1, samples))


FOREIGN = (
    Layout(
        "of four LVDS lanes (xWR12xx, xWR14xx, AWR2243), a word of I for each receiver and then one of Q",
        "record with an xWR16xx, xWR18xx or xWR68xx, or rewrite the file as I0 I1 Q0 Q1, receiver after receiver",
        _four_lanes,
    ),
    Layout(
        "real, without Q",
        "record complex samples: adcCfg 2 1, adcbufCfg -1 0 1 1 1",
        lambda words, samples: words.reshape(-1, samples).astype(np.complex128),
    ),
    Layout(
        "pairs of I and Q",
        "rewrite the file as I0 I1 Q0 Q1, the order of the card",
        lambda words, samples: np.asarray(words[::2] + 1j * words[1::2]).reshape(-1, samples),
    ),
)


def find_foreign_layout(data: bytes, chirp: ChirpConfig) -> str | None:
    """Return an error and its remedy when complete frames do not have the two-lane layout, else None."""
    words = np.frombuffer(data, "<i2")
    size = np.abs(words.astype(np.int32))
    if np.median(size) > 4 * np.median(_OFFSET - size):
        return "samples are offset binary, zero is 32768: subtract 32768 from each and save them as int16"
    is_zero = ~words[: len(words) // (2 * LANES) * 2 * LANES].reshape(-1, 2 * LANES).any(axis=0)
    if is_zero.any() and not is_zero.all():
        layout = FOREIGN[0]
        return f"some words of each {2 * LANES} are always zero, as if the samples were {layout.name}: {layout.advice}"
    whole = words[: len(words) // (2 * LANES * chirp.samples) * 2 * LANES * chirp.samples].astype(float)
    flatness = [_flatness(layout.decode(whole, chirp.samples)) for layout in FOREIGN]
    best = int(np.argmin(flatness))
    if (
        flatness[best] > MAX_FLATNESS
        or _flatness(_two_lanes(whole, chirp.samples)) < MIN_FLATNESS_RATIO * flatness[best]
    ):
        return None
    return f"samples seem to be {FOREIGN[best].name}: {FOREIGN[best].advice}"


def find_foreign_frame(data: bytes, chirp: ChirpConfig) -> str | None:
    """Return an error when part of the stream does not consist of frames of this chirp file, else None.

    The echoes of still objects repeat from frame to frame. If the words repeat after a number of bytes that is neither
    the frame's nor a multiple of a chirp's, they were recorded with other settings.
    """
    words = np.frombuffer(data, "<i2").astype(float)
    spectrum = np.fft.rfft(words - words.mean(), 2 * len(words))
    correlation = np.fft.irfft(np.square(np.abs(spectrum)))[: len(words) // 2]
    correlation /= (correlation[0] + 1e-12) * (1 - np.arange(len(correlation)) / len(words))
    unrelated = np.flatnonzero(correlation < MAX_UNRELATED_CORRELATION)
    if (
        len(correlation) <= chirp.frame_bytes // 2
        or correlation[chirp.frame_bytes // 2] > MAX_UNRELATED_CORRELATION
        or not len(unrelated)
    ):
        return None
    best = int(unrelated[0] + correlation[unrelated[0] :].argmax())
    if correlation[best] < MIN_REPEAT_CORRELATION or 2 * best % (chirp.samples * BYTES_PER_SAMPLE) == 0:
        return None
    return (
        f"{chirp.source} is not its chirp file: it gives frames of {chirp.frame_bytes} bytes, but the samples repeat "
        f"every {2 * best}"
    )


def _flatness(chirps: Complex128) -> float:
    """Return geometric over arithmetic mean of the mean power spectrum: 1 for noise, near 0 for a few tones."""
    window = np.blackman(chirps.shape[1] + 1)[:-1]
    spectra = np.fft.fft((chirps - chirps.mean(axis=1, keepdims=True)) * window, axis=1)
    power = np.square(np.abs(spectra)).mean(axis=0) + 1e-12
    return float(np.exp(np.log(power).mean()) / power.mean())
