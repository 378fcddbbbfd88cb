"""Exports of a history: vitals as CSV, the ECG as EDF+."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from datetime import datetime, timezone

import numpy as np

from edge.core.errors import InputError, install_hint
from edge.core.intended_use import NOT_A_DEVICE
from edge.core.spec import RCG_RATE_HZ
from edge.history.reader import HistoryReader, Resolution, Rows
from edge.history.records import UNKNOWN_SAMPLE

CHUNK_ROWS = 3600
MAX_EDF_S = 21_600
NO_ECG = (
    "no ECG is stored for this time: nobody was measured, it was deleted, or [history] ecg, the number of days for "
    "which it is kept, is 0 or was exceeded"
)

COLUMNS = (
    "time_utc,unix_s,heart_rate_per_min,ci95_low_per_min,ci95_high_per_min,breathing_rate_per_min,chest_range_m,"
    "recorded_fraction,valid_fraction,good_fraction,present_fraction,moving_fraction,irregular_fraction,flags"
)


def csv_lines(reader: HistoryReader, from_s: float, to_s: float, resolution_s: Resolution) -> Iterator[str]:
    """Yield the vitals as CSV, some thousand rows at a time; an unknown value is an empty cell."""
    yield f"# {NOT_A_DEVICE} Vitals measured by radar; each row has the means of {resolution_s} s.\n{COLUMNS}\n"
    stored = reader.ranges()["seconds" if resolution_s == 1 else "minutes"]
    if stored is None:
        return
    end_s = min(to_s, stored[1])
    step_s = CHUNK_ROWS * resolution_s
    start_s = max(from_s, stored[0]) // step_s * step_s
    while start_s < end_s:
        rows = reader.vitals(max(start_s, from_s), min(start_s + step_s, end_s), resolution_s)
        if len(rows.t_s):
            yield _csv(rows)
        start_s += step_s


def _csv(rows: Rows) -> str:
    text = io.StringIO()
    means = [rows.mean(name).tolist() for name in ("heart_rate", "ci95_low", "ci95_high", "breathing_rate")]
    ranges_m = rows.mean("chest_range").tolist()
    counts = ("recorded", "valid", "good", "present", "moving", "irregular")
    fractions = [rows.fraction(count).tolist() for count in counts]
    csv.writer(text, lineterminator="\n").writerows(
        [
            f"{datetime.fromtimestamp(t_s, timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
            t_s,
            *(_cell(value, 2) for value in values[: len(means)]),
            *(_cell(value, 3) for value in values[len(means) :]),
            " ".join(flags),
        ]
        for t_s, flags, *values in zip(rows.t_s.tolist(), rows.flags(), *means, ranges_m, *fractions, strict=True)
    )
    return text.getvalue()


def _cell(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def edf_bytes(reader: HistoryReader, from_s: float, to_s: float) -> bytes:
    """Return the ECG that overlaps [from_s, to_s) as a contiguous EDF+ file; R peaks and gaps are annotations.

    An unknown sample is 0 there, since EDF has no other value for it. Raises InputError: there is no ECG, the range is
    longer than MAX_EDF_S, or edfio is not installed.
    """
    if to_s - from_s > MAX_EDF_S:
        raise InputError(f"an EDF file holds at most {MAX_EDF_S} s of ECG; choose a shorter range")
    try:
        import edfio  # imported here: an optional dependency
    except ModuleNotFoundError as error:
        raise InputError(f"EDF needs edfio: {install_hint('edf')}") from error
    pieces = reader.ecg(from_s, to_s)
    if not pieces:
        raise InputError(NO_ECG)
    start_s = pieces[0].t_us // 1_000_000
    seconds = math.ceil(max(piece.end_us for piece in pieces) / 1e6) - start_s
    samples = np.full(seconds * RCG_RATE_HZ, UNKNOWN_SAMPLE, np.int16)
    for piece in pieces:
        first = round((piece.t_us / 1e6 - start_s) * RCG_RATE_HZ)
        samples[first : first + len(piece.samples)] = piece.samples
    annotations = [
        edfio.EdfAnnotation(round(max(0.0, peak_s - start_s), 4), None, "R peak")
        for piece in pieces
        for peak_s in piece.r_peaks_s
    ]
    edges = np.flatnonzero(np.diff(np.pad(samples == UNKNOWN_SAMPLE, 1).astype(np.int8))).reshape(-1, 2) / RCG_RATE_HZ
    annotations += [edfio.EdfAnnotation(start, end - start, "unknown") for start, end in edges.tolist()]
    start = datetime.fromtimestamp(start_s, timezone.utc)
    known = np.where(samples == UNKNOWN_SAMPLE, 0, samples)
    signal = edfio.EdfSignal(
        known.astype(float),
        RCG_RATE_HZ,
        label="ECG reconstr",
        transducer_type="radar, no electrodes; shape only, not a measured lead",
        physical_dimension="uV",
        physical_range=(-32768, 32767),
        prefiltering="QRS complex scaled to 1 mV; amplitude not calibrated",
    )
    edf = edfio.Edf(
        [signal],
        recording=edfio.Recording(startdate=start.date(), equipment_code="radarecg", additional=["research_use_only"]),
        starttime=start.time(),
        annotations=annotations,
    )
    content = io.BytesIO()
    edf.write(content)
    return content.getvalue()
