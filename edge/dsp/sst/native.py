"""Interface to the compiled SST, `_sst.c`. It is built at installation, which needs a C compiler."""

from __future__ import annotations

import ctypes
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.core.compiled import address, aligned, load_library
from edge.core.errors import InputError
from edge.core.spec import (
    RCG_RATE_HZ,
    SST_AR_ORDER,
    SST_AR_RIDGE,
    SST_BIN_OCTAVES,
    SST_BINS,
    SST_COLUMNS,
    SST_LOW_HZ,
    SST_PERIOD,
    SST_SCALE_RANK,
    SST_SILENCE_MM_S2,
)
from edge.core.types import Float32
from edge.dsp.sst.tables import LOW_SCALES, Band, SstTables, radices, twiddles

_LANES = 8  # channels computed together: one for each lane of a vector register


def _struct(name: str, fields: str) -> type[ctypes.Structure]:
    kinds = {"i": ctypes.c_int32, "f": ctypes.c_float, "p": ctypes.c_void_p}
    pairs = [(kind, member) for group in fields.split(";") for kind, *members in [group.split()] for member in members]
    return type(name, (ctypes.Structure,), {"_fields_": [(member, kinds[kind]) for kind, member in pairs]})


_Band = _struct(
    "_Band",
    "i start period frames_around frame0 frame frames scales;"
    "p first count offset spread period_radices frame_radices frame_radices_4 frame_radices_16;"
    "p gain turns period_twiddles frame_twiddles frame_twiddles_4 frame_twiddles_16",
)
_Plan = _struct(
    "_Plan",
    "i segment whole frames averaged columns order rank; f threshold ridge silence low_log2 bins_per_octave; p taper",
)


assert SST_AR_ORDER in range(2, 65, 2), "_sst.c processes the taps in pairs and has space for 64"
assert SST_SCALE_RANK <= 16, "_sst.c has space for 16"
_LIBRARY = load_library("edge.dsp.sst._sst", "sst_layout", (ctypes.sizeof(_Plan), ctypes.sizeof(_Band)))
COMPILED = _LIBRARY is not None
NOT_COMPILED = "the SST is not compiled: install a C compiler, then radarecg again (pip install -e .)"


class SstError(InputError):
    """The compiled SST is missing; the message gives the remedy."""


class NativeSst:
    """Transform of some channels on one thread. All memory is allocated in the constructor, which may raise SstError.

    With `hop`, the sums of the short wavelets are stored and reused for the window `hop` samples later.
    """

    def __init__(self, tables: SstTables, channels: int, hop: int | None) -> None:
        if _LIBRARY is None:
            raise SstError(NOT_COMPILED)
        self._run = _LIBRARY.sst_windows
        self._kept_alive: list[npt.NDArray[Any]] = []
        low, tail = tables.whole(LOW_SCALES), tables.high(hop)
        self._low, self._high, self._tail = self._band(low), self._band(tables.high()), self._band(tail)
        self._hop_frames = hop * tables.spec.frame_rate_hz // RCG_RATE_HZ if hop else 0
        self._keep = tail.frame
        self._kept = aligned(-(-channels // _LANES) * _LANES * (SST_BINS + 1) * 2 * self._keep)
        self._plan = _Plan(
            segment=tables.spec.segment,
            whole=SST_PERIOD,
            frames=tables.frames,
            averaged=tables.averaged,
            columns=SST_COLUMNS,
            order=SST_AR_ORDER,
            rank=SST_SCALE_RANK,
            threshold=tables.threshold,
            ridge=SST_AR_RIDGE,
            silence=SST_SILENCE_MM_S2,
            low_log2=math.log2(SST_LOW_HZ * 2 * math.pi / RCG_RATE_HZ),
            bins_per_octave=1 / SST_BIN_OCTAVES,
            taper=self._address(tables.taper),
        )
        cells = (SST_BINS + 1) * tables.frames
        self._work = aligned(_LANES * (SST_PERIOD + 4 * SST_PERIOD + 8 * low.frames_around + 2 * cells))

    def __call__(self, segment: Float32, values: Float32, scale: Float32, has_previous: bool) -> None:
        """Write values [P, 71, 120] and scale [P], computed from segment [P, samples]; all float32 in C order.

        `has_previous`: the segment of the previous call was this one, `hop` samples earlier.
        """
        self._run(
            ctypes.byref(self._plan),
            ctypes.byref(self._low),
            ctypes.byref(self._tail if has_previous else self._high),
            self._hop_frames,
            self._keep,
            *map(address, (self._kept, segment)),
            len(segment),
            *map(address, (values, scale, self._work)),
        )

    def _band(self, band: Band) -> Any:
        around = band.frames_around
        # If a spectrum ends before 1/4 or 1/16 of the circle, the first passes are skipped: they would only add zeros.
        spread = np.zeros(len(band.first), np.int32)
        lengths = [around, around, around]
        for n in (1, 2):
            if around % 4**n == 0:
                spread[(band.first + band.count) * 4**n <= around] = n
                lengths[n] = around // 4**n
        return _Band(
            start=band.start,
            period=band.period,
            frames_around=around,
            frame0=band.frame0,
            frame=band.frame,
            frames=band.frames,
            scales=len(band.first),
            first=self._address(band.first),
            count=self._address(band.count),
            offset=self._address(band.offset),
            gain=self._address(band.gain),
            spread=self._address(spread),
            turns=self._address(np.exp(2j * np.pi * np.arange(around) / around).astype(np.complex64)),
            **self._passes("period", band.period),
            **self._passes("frame", lengths[0]),
            **self._passes("frame", lengths[1], "_4"),
            **self._passes("frame", lengths[2], "_16"),
        )

    def _passes(self, name: str, n: int, suffix: str = "") -> dict[str, int]:
        factors = np.array([*radices(n), 0], np.int32)
        return {
            f"{name}_radices{suffix}": self._address(factors),
            f"{name}_twiddles{suffix}": self._address(twiddles(n)),
        }

    def _address(self, array: npt.NDArray[Any]) -> int:
        self._kept_alive.append(array)
        return array.ctypes.data
