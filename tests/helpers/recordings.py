"""Recordings of a simulated person on the disk, of raw samples and of points."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from edge.core.types import RadarFrame, RawFrame
from edge.dsp.frontend.rcg import RcgExtractor
from edge.radar.calibration import UNCALIBRATED
from edge.radar.iq import encode
from edge.sources.metadata import Origin
from edge.sources.points import PointsRecorder
from edge.sources.recording import Recorder

START_NS = 1_780_000_000_123_456_789
ORIGIN = Origin("radar-7", {"card_fpga": "2.8"}, "a note")


def write_twin(folder: Path, frames: Iterable[RadarFrame], chirp) -> None:
    """Write `raw` and `points` from the same frames, whose times count from START_NS."""
    text = chirp.text.replace("1 0 5 1 0", f"1 0 {chirp.frame_period_s * 1e3:g} 1 0")
    chirp = replace(chirp, text=text)
    front_end = RcgExtractor(chirp)
    with (
        Recorder(folder / "raw", chirp, "sdk", origin=ORIGIN) as raw,
        PointsRecorder(folder / "points", chirp, "sdk", UNCALIBRATED, front_end, ORIGIN) as points,
    ):
        for frame in frames:
            recorded = RawFrame(frame.seq, START_NS + frame.t_ns, encode(frame.iq, "sdk"), chirp.frame_bytes)
            raw.write(recorded)
            points.write(recorded)
