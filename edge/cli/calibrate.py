"""`radarecg calibrate`: a recording of a reflector to a calibration file."""

from __future__ import annotations

from pathlib import Path

from edge.dsp.frontend.reflector_calibration import measure
from edge.radar.calibration_file import calibration_text, parse_calibration
from edge.sources.recording import open_recording
from edge.sources.replay import ReplaySource


def calibrate(folder: Path, range_m: float, out: Path) -> None:
    """Measures the reflector `range_m` ahead in a recording, writes the file, and prints what was found.

    Raises InputError when it is no use, FileExistsError when `out` exists.
    """
    recording = open_recording(folder)
    chirp = recording.chirp
    found = measure(chirp, ReplaySource(recording).frames(), range_m)
    said = f"residual {found.residual_rad:.3f} rad, {found.contrast_db:.0f} dB above everything near it"
    comment = f"radarecg calibrate {folder.name}: a reflector at {range_m:g} m; {said}"
    text = calibration_text(chirp, found.range_bias_m, found.factors, comment)
    parse_calibration(text, chirp, str(out))  # what is written can be read
    with out.open("x", encoding="utf-8") as file:
        file.write(text)
    print(f"{out}: range bias {found.range_bias_m * 1e3:.0f} mm, {len(found.factors)} factors; {said}")
