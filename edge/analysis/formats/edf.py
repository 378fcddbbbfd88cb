"""EDF+: the ECG at 200 Hz and the vital signs at 1 Hz as signals; R peaks and withheld periods as annotations.

An ECG sample is rounded to 1 uV (a thousandth of the QRS complex), rates to 0.01 a minute. Unknown values are the
lowest number, -32768, which is below every value. The header has the start to the microsecond and, in full, as
`start_unix_ns`.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import edfio
import numpy as np

from edge.analysis.formats.signals import UNKNOWN, Signal, ecg_signal, second_signals, withheld_notes
from edge.analysis.result import Result

_TRANSDUCER = "radar; reconstructed, shape only; research use only, not a medical device"


def write_file(result: Result, path: Path) -> None:
    """Write the file. Raises OSError."""
    records = max(1, int(np.ceil(result.duration_s)))
    started = result.about.started
    annotations = [edfio.EdfAnnotation(0.0, None, line) for line in result.about.lines()]
    annotations += [edfio.EdfAnnotation(n.start_s, n.duration_s, n.text) for n in withheld_notes(result)]
    peaks_s = ((result.r_peak_t_ns - result.start_ns) / 1e9).round(6)
    annotations += [edfio.EdfAnnotation(at_s, None, "R peak") for at_s in peaks_s.tolist()]
    edfio.Edf(
        [_signal(signal, records) for signal in (ecg_signal(result), *second_signals(result))],
        recording=edfio.Recording(
            startdate=started.date() if started else date(1985, 1, 1),  # EDF's first date: not known
            equipment_code="radarecg",
            additional=[f"start_unix_ns={result.start_ns}" if started else "start_unknown"],
        ),
        starttime=started.time() if started else None,
        data_record_duration=1,
        annotations=annotations,
    ).write(path)


def _signal(signal: Signal, records: int) -> edfio.EdfSignal:
    digital = np.full(records * signal.rate_hz, UNKNOWN, np.int16)
    digital[: len(signal.digital)] = signal.digital
    return edfio.EdfSignal.from_digital(
        digital,
        signal.rate_hz,
        label=signal.name,
        transducer_type=_TRANSDUCER,
        physical_dimension=signal.unit,
        physical_range=(round(-32768 * signal.resolution, 3), round(32767 * signal.resolution, 3)),
        digital_range=(-32768, 32767),
        prefiltering="-32768: unknown or withheld",
    )
