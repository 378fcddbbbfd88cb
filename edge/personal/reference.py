"""Reads a reference: the ECG of another device, or the R peaks of a chest strap.

    .csv .tsv .txt  R peak times, RR intervals, or an ECG with a column of times or --rate-hz (`edge.personal.table`)
    .npz            `r_peaks_s` [k], or `ecg` [n] with `rate_hz`, or with `t_s` [n]
    .edf            an ECG; needs the extra `edf`

Times of 2001 or later are Unix times. All others count from the start of the reference, which must be given: without
it, the delay of the heartbeat cannot be distinguished from the offset of a clock.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from edge.core.errors import InputError, install_hint
from edge.core.files import read_text_file
from edge.core.types import Float64
from edge.personal.r_peaks import MIN_RATE_HZ, find_r_peaks
from edge.personal.table import Table, parse_table

FIRST_UNIX_S = 1e9
MIN_RR_S, MAX_RR_S = 0.25, 3.0
_UNITS = (1e17, 1e9), (1e14, 1e6), (1e11, 1e3)
"""Unix times above the first number are in units of 1 / the second: ns, us, ms."""


class ReferenceError(InputError):
    """The reference cannot be used. The message names the file and the remedy."""


def load_reference(path: Path, starts_at_s: float | None = None, rate_hz: float | None = None) -> Float64:
    """Read a reference and return its R peaks in Unix seconds [k], rising.

    `starts_at_s` is the Unix time of its time 0 (for RR intervals, of the first R peak), if its times are not Unix
    times; `rate_hz` the sampling rate of an ECG without times. Raises InputError, FileNotFoundError.
    """
    readers = {".npz": _npz_table, ".edf": _edf_table}
    kind = path.suffix.lower()
    if kind in (".hea", ".dat", ".atr"):
        raise ReferenceError(f"{path}: WFDB files are not read; convert the record with: rdsamp -r RECORD -c -p -v")
    table = readers[kind](path) if kind in readers else parse_table(read_text_file(path, "latin-1"), str(path))
    if not all(np.isfinite(values).all() for values in (table.times, table.values) if values is not None):
        raise ReferenceError(f"{path}: contains values that are not finite; cut those parts off")
    r_peaks_s: Float64 = _r_peaks_s(table, rate_hz or table.rate_hz, str(path))
    if len(r_peaks_s) < 2:
        raise ReferenceError(f"{path}: no R peaks found; it must be an ECG, R peak times or RR intervals")
    is_unix = r_peaks_s[0] >= FIRST_UNIX_S
    if is_unix and starts_at_s is not None:
        raise ReferenceError(f"{path}: has Unix times; omit --starts-at")
    if not is_unix and starts_at_s is None:
        raise ReferenceError(
            f"{path}: its times are not Unix times, so its clock is unknown: give the time of its start on the "
            "recording's clock with --starts-at, or --starts-at recording if it was started together with the recording"
        )
    return np.asarray(r_peaks_s + (starts_at_s or 0.0))


def _r_peaks_s(table: Table, rate_hz: float | None, source: str) -> Float64:
    """Return the R peaks of a table, in seconds of its own clock: decides what the table contains."""
    times, values = table.times, table.values
    if times is None and values is not None:
        if rate_hz is not None:
            return _find(values, rate_hz, source)
        if (intervals_s := _rr_intervals_s(values)) is not None:
            return np.concatenate([[0.0], np.cumsum(intervals_s)])
        if not (np.diff(values) > 0).all():
            raise ReferenceError(
                f"{source}: neither rising R peak times nor RR intervals of {MIN_RR_S:g} to {MAX_RR_S:g} s; for an "
                "ECG without times, give its sampling rate with --rate-hz"
            )
        times, values = values, None
    assert times is not None  # a table has times or values
    rises = np.diff(times) >= 0 if values is not None else np.diff(times) > 0  # two samples may have rounded times
    if not rises.all():
        row = int(np.argmin(rises)) + 2
        raise ReferenceError(f"{source}: times must rise, but value {row} is not later than the one before")
    times_s = _seconds(times, is_ecg=values is not None)
    step_s = float(times_s[-1] - times_s[0]) / max(1, len(times_s) - 1)
    if values is None or step_s >= MIN_RR_S:
        return times_s
    if step_s == 0:
        raise ReferenceError(f"{source}: all its times are the same")
    even_s = np.linspace(times_s[0], times_s[-1], len(times_s))  # the times of some devices are uneven, or have gaps
    return np.asarray(times_s[0] + _find(np.interp(even_s, times_s, values), 1 / step_s, source))


def _find(ecg: Float64, rate_hz: float, source: str) -> Float64:
    if not rate_hz >= MIN_RATE_HZ:
        raise ReferenceError(f"{source}: an ECG at {rate_hz:g} Hz; at least {MIN_RATE_HZ:.0f} Hz are needed")
    return find_r_peaks(ecg, rate_hz)


def _rr_intervals_s(values: Float64) -> Float64 | None:
    """Return the values in seconds if they are RR intervals in s or ms, else None."""
    for unit in (1.0, 1e3):
        if ((values >= MIN_RR_S * unit) & (values <= MAX_RR_S * unit)).all():
            return values / unit
    return None


def _seconds(times: Float64, is_ecg: bool) -> Float64:
    """Return times in seconds. Times since a start are in ms if their steps would be impossible in seconds."""
    for least, per_s in _UNITS:
        if times[0] > least:
            return times / per_s
    longest = MIN_RR_S if is_ecg else MAX_RR_S
    is_ms = times[0] < FIRST_UNIX_S and len(times) > 1 and np.median(np.diff(times)) > longest
    return times / 1e3 if is_ms else times


def _npz_table(path: Path) -> Table:
    try:
        with path.open("rb") as file:
            arrays = {name: np.asarray(array, np.float64) for name, array in np.load(file).items()}
    except (ValueError, AttributeError, zipfile.BadZipFile, EOFError) as error:
        raise ReferenceError(f"{path}: damaged, or not an .npz file of numbers ({error})") from error
    if (peaks := arrays.get("r_peaks_s")) is not None and peaks.ndim == 1:
        return Table(times=peaks)
    ecg, times, rate = arrays.get("ecg"), arrays.get("t_s"), arrays.get("rate_hz")
    if (
        ecg is None
        or ecg.ndim != 1
        or (times is None and rate is None)
        or (times is not None and times.shape != ecg.shape)
    ):
        raise ReferenceError(
            f"{path}: contains {', '.join(sorted(arrays)) or 'nothing'}; must contain r_peaks_s [k], or ecg [n] with "
            "rate_hz or t_s [n]"
        )
    return Table(times, ecg, None if rate is None else float(rate))


def _edf_table(path: Path) -> Table:
    try:
        import edfio  # imported here: an optional dependency
    except ModuleNotFoundError as error:
        raise ReferenceError(f"{path}: EDF files need edfio: {install_hint('edf')}") from error
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        signals = edfio.read_edf(path).signals
        named = [signal for signal in signals if any(word in signal.label.lower() for word in ("ecg", "ekg"))]
        chosen = named or list(signals)
        if len(named) == 0 and len(signals) != 1:
            labels = ", ".join(signal.label for signal in signals)
            raise ReferenceError(f"{path}: no signal is called ECG or EKG, only: {labels or 'none'}")
        return Table(None, np.asarray(chosen[0].data, np.float64), float(chosen[0].sampling_frequency))
    except (ValueError, IndexError, KeyError) as error:
        if isinstance(error, ReferenceError):
            raise
        raise ReferenceError(f"{path}: damaged, or not an EDF file ({error})") from error
