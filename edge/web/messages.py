"""Messages of the page as server-sent events, for `static/stream.js`. Times are Unix milliseconds."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from edge.core.placement import Placement
from edge.core.replay import ReplayState
from edge.core.spec import RCG_RATE_HZ, SST_COLUMN_RATE_HZ, SST_COLUMNS
from edge.core.types import EcgBlock, MovementLevel, SstWindow, Vitals, Waveform


class Hello(msgspec.Struct, frozen=True, tag_field="event", tag="hello"):
    """The first message of every connection: describes the device. `is_replay`: the data are a recording's."""

    device: str
    version: str
    has_ecg: bool
    is_replay: bool = False


class Trace(msgspec.Struct, frozen=True, tag_field="event", tag="trace"):
    """A block of the trace that starts with sample `sample0`, taken at `t_ms`; an unknown sample is null.

    `r_peaks` are sample numbers, with one `confidence` each; `delay_ms`: from the block's end to its sending.
    If not `continues`, the block is not contiguous with the previous one, even if the sample numbers are.
    `personalised`: the times are shifted by the delay of one person.
    """

    of: Literal["ecg", "waveform"]
    t_ms: float
    sample0: int
    rate_hz: int
    samples: Sequence[float | None]
    r_peaks: list[float]
    confidence: list[float]
    continues: bool
    delay_ms: int
    personalised: bool = False


class Spectrogram(msgspec.Struct, frozen=True, tag_field="event", tag="spectrogram"):
    """One second of the SST, averaged over the points: one byte per cell, column by column, lowest row first.

    It ends before sample number `end_sample` of the trace.
    """

    end_sample: int
    rows: int
    columns_per_s: int
    cells: str


class VitalsMessage(msgspec.Struct, frozen=True, tag_field="event", tag="vitals"):
    """Vitals of the second that ends at `t_ms`; an invalid rate is null. `delay_ms`: since the newest frame's arrival.

    `n_beats`: beats that the heart rate is computed from, null if it is not computed from single beats. `irregular` (a
    hint), `rmssd_ms` and `sdnn_ms` are null if the rhythm could not be assessed.
    """

    t_ms: float
    heart_rate_bpm: float | None
    ci95_bpm: tuple[float, float] | None
    n_beats: int | None
    irregular: bool | None
    rmssd_ms: float | None
    sdnn_ms: float | None
    movement: MovementLevel
    breathing_rate_bpm: float | None
    chest_range_m: float | None
    state: str
    sqi: float
    flags: tuple[str, ...]
    frames: int
    lost: int
    delay_ms: int


class PlacementMessage(msgspec.Struct, frozen=True, tag_field="event", tag="placement"):
    """What helps to aim the radar, once a second; the fields are those of `edge.core.placement.Placement`."""

    range_m: list[float]
    power_db: list[float]
    chest_range_m: float | None
    contrast_db: float | None
    breathing_mm: list[float]
    advice: str


class ReplayMessage(msgspec.Struct, frozen=True, tag_field="event", tag="replay"):
    """Position in the recording that is replayed, at least once a second."""

    position_s: float
    duration_s: float
    speed: float
    is_paused: bool


Message = Hello | Trace | Spectrogram | VitalsMessage | PlacementMessage | ReplayMessage


def event(message: msgspec.Struct) -> bytes:
    """Encode a message as a server-sent event."""
    return b"data: " + msgspec.json.encode(message) + b"\n\n"


def waveform_message(wave: Waveform, now_ns: int) -> Trace:
    """Return the message of a waveform block. Its `t_ns` is that of the newest frame, and so of the last sample."""
    t_ms = wave.t_ns / 1e6 - (len(wave.samples) - 1) * 1e3 / wave.rate_hz
    samples = np.round(wave.samples, 3).tolist()
    return Trace(
        "waveform", t_ms, wave.sample0, wave.rate_hz, samples, [], [], wave.continues, _delay_ms(now_ns, wave.t_ns)
    )


def ecg_message(ecg: EcgBlock, now_ns: int) -> Trace:
    """Return the message of an ECG block, in thousandths of the QRS complex's height."""
    e = ecg.estimate
    end_ns = ecg.t_ns + len(e.ecg) * 1_000_000_000 // RCG_RATE_HZ
    r_peaks = np.round(e.r_peaks + (ecg.sample0 - e.sample0), 2).tolist()
    confidence = np.round(e.confidence, 2).tolist()
    delay_ms = _delay_ms(now_ns, end_ns)
    return Trace(
        "ecg",
        ecg.t_ns / 1e6,
        ecg.sample0,
        RCG_RATE_HZ,
        e.samples_uv,
        r_peaks,
        confidence,
        ecg.continues,
        delay_ms,
        ecg.personalised,
    )


def spectrogram_message(ecg: EcgBlock, window: SstWindow) -> Spectrogram:
    """Return the last but one second of an ECG block's window: the last second lacks later samples."""
    second = window.values[:, :, SST_COLUMNS - 2 * SST_COLUMN_RATE_HZ : -SST_COLUMN_RATE_HZ].mean(axis=0)
    cells = base64.b64encode(np.rint(255 * second.T).astype(np.uint8).tobytes()).decode()
    return Spectrogram(ecg.window_end - RCG_RATE_HZ, len(second), SST_COLUMN_RATE_HZ, cells)


def vitals_message(vitals: Vitals, now_ns: int) -> VitalsMessage:
    """Return the message of one second's vitals."""
    q, rhythm = vitals.quality, vitals.rhythm
    return VitalsMessage(
        vitals.t_ns / 1e6,
        _rounded(vitals.heart_rate_bpm, 1),
        vitals.ci95_bpm and (round(vitals.ci95_bpm[0], 1), round(vitals.ci95_bpm[1], 1)),
        vitals.n_beats,
        rhythm.irregular if rhythm else None,
        round(rhythm.rmssd_ms, 1) if rhythm else None,
        round(rhythm.sdnn_ms, 1) if rhythm else None,
        vitals.movement,
        _rounded(vitals.breathing_rate_bpm, 1),
        _rounded(vitals.chest_range_m, 2),
        q.state,
        q.sqi,
        q.flags,
        vitals.frames.received,
        vitals.frames.lost,
        _delay_ms(now_ns, vitals.t_ns),
    )


def placement_message(placement: Placement) -> PlacementMessage:
    """Return the message of a placement."""
    return PlacementMessage(
        np.round(placement.range_m, 3).tolist(),
        np.round(placement.power_db, 1).tolist(),
        _rounded(placement.chest_range_m, 2),
        _rounded(placement.contrast_db, 1),
        np.round(placement.breathing_mm, 2).tolist(),
        placement.advice,
    )


def replay_message(state: ReplayState) -> ReplayMessage:
    """Return the message of a replay's state."""
    return ReplayMessage(round(state.position_s, 1), round(state.duration_s, 1), state.speed, state.is_paused)


def _delay_ms(now_ns: int, then_ns: int) -> int:
    return max(0, now_ns - then_ns) // 1_000_000


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
