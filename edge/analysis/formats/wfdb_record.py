"""WFDB: NAME.hea with NAME.dat (the ECG) and NAME.atr (R peaks), and NAME_vitals.hea with NAME_vitals.dat (1 Hz).

An ECG sample is rounded to 1 uV, an R peak to the nearest sample; unknown values are WFDB's own (NaN when read). R
peaks have the symbol Q (unclassified beat): radarecg does not distinguish normal from other beats. Where the heart rate
is withheld, an annotation ~ (signal quality) has the reasons.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import wfdb  # type: ignore[import-untyped]

from edge.analysis.formats.signals import Signal, ecg_signal, second_signals, withheld_notes
from edge.analysis.result import Result
from edge.core.spec import RCG_RATE_HZ


def write_file(result: Result, path: Path) -> None:
    """Write the five files. Raises OSError."""
    name = path.stem
    _write_record(result, name, [ecg_signal(result)], path.parent)
    _write_record(result, f"{name}_vitals", second_signals(result), path.parent)
    last = len(result.ecg_mv) - 1
    notes = [(min(last, round(n.start_s * RCG_RATE_HZ)), "~", n.text) for n in withheld_notes(result)]
    peaks = [(at, "Q", "") for at in result.sample_at(result.r_peak_t_ns).tolist()]
    rows = sorted(notes + peaks)
    if rows:
        samples, symbols, texts = zip(*rows, strict=True)
        wfdb.wrann(
            name,
            "atr",
            np.array(samples),
            list(symbols),
            aux_note=list(texts),
            fs=RCG_RATE_HZ,
            write_dir=str(path.parent),
        )


def _write_record(result: Result, name: str, signals: list[Signal], folder: Path) -> None:
    started = result.about.started
    wfdb.wrsamp(
        name,
        fs=signals[0].rate_hz,
        units=[signal.unit.replace(" ", "_") for signal in signals],
        sig_name=[signal.name for signal in signals],
        d_signal=np.stack([signal.digital for signal in signals], axis=1),
        fmt=["16"] * len(signals),
        adc_gain=[1 / signal.resolution for signal in signals],
        baseline=[0] * len(signals),
        comments=[*result.about.lines(), *([f"start_unix_ns: {result.start_ns}"] if started else [])],
        base_datetime=started.replace(tzinfo=None) if started else None,
        write_dir=str(folder),
    )
