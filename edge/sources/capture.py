"""`radarecg record`: records frames from the card into a new folder, including the last frame."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edge.radar.boards import Boards
from edge.radar.calibration import Calibration
from edge.radar.chirp import ChirpConfig
from edge.radar.dca1000.assembler import TAIL_S
from edge.radar.dca1000.data_port import DataPort, pause_s
from edge.radar.iq import IqOrder
from edge.sources import FrontEnd
from edge.sources.metadata import Origin
from edge.sources.points import PointsRecorder
from edge.sources.recording import Recorder


@dataclass(frozen=True)
class RecordingRequest:
    """What to record and where. Without `seconds`, until it is stopped or the radar has sent its frames.

    With a front end, its points are recorded instead of the raw samples. `device` and `note` are stored in meta.json.
    """

    folder: Path
    chirp: ChirpConfig
    iq_order: IqOrder
    calibration: Calibration
    seconds: float | None = None
    device: str | None = None
    note: str | None = None
    front_end: FrontEnd | None = None


def data_port(
    chirp: ChirpConfig, host: str, port: int, senders: Collection[str] | None = None, interface: str | None = None
) -> DataPort:
    """Open the card's data port for frames of `chirp`; arguments and errors as in DataPort."""
    return DataPort(host, port, chirp.frame_bytes, pause_s(chirp), senders=senders, interface=interface)


def record_frames(request: RecordingRequest, boards: Boards, data: DataPort, stopped: Callable[[], bool]) -> int:
    """Start the boards, record all frames and return their number.

    Recording ends after `seconds`, when `stopped()` is true, or after the number of frames set in the chirp file.
    The radar is then stopped if radarecg controls it, and the rest of the stopped stream is received and recorded.
    Raises RadarError, CardError, OSError.
    """
    chirp = request.chirp
    boards.start(data.silence_s)
    end_s = time.monotonic() + request.seconds if request.seconds else float("inf")
    # Created at the first frame, so that an earlier failure leaves no folder.
    recorder: Recorder | PointsRecorder | None = None
    first_seq = last_seq = -1
    ending = False
    with ExitStack() as stack:
        for frame in data.frames():
            if frame:
                if recorder is None:
                    recorder = _recorder(request, boards)
                    stack.enter_context(recorder)
                recorder.write(frame)
                first_seq = frame.seq if frame.seq <= last_seq or first_seq < 0 else first_seq
                last_seq = frame.seq
            if recorder and sys.stderr.isatty():
                seconds = recorder.frames * chirp.frame_period_s
                print(f"\r{recorder.frames} frames, {seconds:.1f} s of data", end="", file=sys.stderr)
            sent_all = boards.has_sent_all() and data.silence_s() > TAIL_S
            has_all = bool(chirp.frames) and recorder is not None and last_seq - first_seq + 1 >= chirp.frames
            if not ending and (has_all or sent_all or stopped() or time.monotonic() > end_s):
                ending = True
                if boards.stop_radar() or data.silence_s() > pause_s(chirp):  # no new frames follow
                    data.finish()
                else:
                    data.close()
    return recorder.frames if recorder else 0


def _recorder(request: RecordingRequest, boards: Boards) -> Recorder | PointsRecorder:
    origin = Origin(request.device, boards.versions, request.note)
    what = (request.folder, request.chirp, request.iq_order, request.calibration)
    if request.front_end:
        return PointsRecorder(*what, request.front_end, origin)
    return Recorder(*what, origin)
