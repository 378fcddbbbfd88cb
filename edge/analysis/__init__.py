"""Whole recordings to results: `open_recording(path).reconstruct()`; files and a report of them.

    from edge.analysis import open_recording

    result = open_recording("recordings/night").reconstruct()
    result.write("night.edf")

`recording` opens recordings and runs the chain on them, `result` is what comes out, `formats` has a file for each
format, `report` makes a page of it.
"""

from edge.analysis.recording import OpenRecording as OpenRecording
from edge.analysis.recording import open_recording as open_recording
from edge.analysis.result import Result as Result
from edge.inference.bundle import SHIPPED as SHIPPED
