"""`radarecg calibrate`: turns a recording of a reflector into a calibration file."""

from __future__ import annotations

from pathlib import Path

from edge.dsp.frontend.reflector_calibration import measure
from edge.radar.calibration_file import calibration_text, parse_calibration
from edge.sources.recording import open_recording
from edge.sources.replay import ReplaySource


def calibrate(folder: Path, range_m: float, out: Path) -> None:
    """Measures the reflector at `range_m` in a recording, writes the calibration to `out` and prints a summary.

    Raises InputError when the recording is not suitable, FileExistsError when `out` exists.
    """
    recording = open_recording(folder)
    chirp = recording.chirp
    found = measure(chirp, ReplaySource(recording).frames(), range_m)
    summary = f"residual {found.residual_rad:.3f} rad, {found.contrast_db:.0f} dB above everything near it"
    comment = f"radarecg calibrate {folder.name}: a reflector at {range_m:g} m; {summary}"
    text = calibration_text(chirp, found.range_bias_m, found.factors, comment)
    parse_calibration(text, chirp, str(out))  # ensures that the file can be read back
    with out.open("x", encoding="utf-8") as file:
        file.write(text)
    print(f"{out}: range bias {found.range_bias_m * 1e3:.0f} mm, {len(found.factors)} factors; {summary}")
