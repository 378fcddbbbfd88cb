"""Writes and reads recordings. A recording is a folder that stays readable even if the recorder is killed.

    adc.bin     every frame at the offset of its number, bytes as received (TI's layout); lost bytes are zero
    frames.idx  one row per frame: number, host time, offset in adc.bin, bytes received (INDEX_ROW)
    chirp.cfg   the chirp file with which the radar was configured
    calibration.toml  the phase calibration of the recording, if any (add a file to replay with it)
    meta.json   format, IQ order, frame size, and where the recording comes from (`edge.sources.metadata`)

A frame's bytes are written before its row, so a complete row implies a complete frame. Lost frames have no row and are
a hole in adc.bin (no disk space, reads as zeros); TI's recorder writes zeros instead.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from edge.core.files import create_private
from edge.core.types import RawFrame
from edge.radar.calibration import UNCALIBRATED, Calibration
from edge.radar.chirp import ChirpConfig
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.iq import IQ_ORDERS, IqOrder
from edge.sources.metadata import (
    META,
    NO_ORIGIN,
    Metadata,
    Origin,
    RecordingError,
    create_folder,
    load_description,
    load_metadata,
    require_files,
    sync_and_close,
    write_whole,
)
from edge.sources.raw_file import MAX_GAP_BYTES, RawFile, open_raw_file, plain_file
from edge.sources.sample_layout import find_foreign_frame, find_foreign_layout

FORMAT = "radarecg.recording/1"
POINTS_FORMAT = "radarecg.points/1"
"""The other format, of `edge.sources.points`."""
PROBE_BYTES = 1 << 21
LAYOUT_FRAMES = 16  # number of frames used to check the sample layout
_ROWS_TOGETHER = 1000
MAX_SEQ = 1 << 48  # the card counts bytes with 48 bits: a greater number means a damaged row
log = logging.getLogger(__name__)
INDEX_ROW = np.dtype([("seq", "<u8"), ("t_ns", "<i8"), ("offset", "<u8"), ("received", "<u4")])


class Recorder:
    """Writes a recording. Raises FileExistsError when the folder is not empty."""

    def __init__(
        self,
        folder: Path,
        chirp: ChirpConfig,
        iq_order: IqOrder,
        calibration: Calibration = UNCALIBRATED,
        origin: Origin = NO_ORIGIN,
    ) -> None:
        about = {"format": FORMAT, "iq_order": iq_order, "frame_bytes": chirp.frame_bytes}
        create_folder(folder, chirp, calibration, origin, about)
        self._frame_bytes = chirp.frame_bytes
        self._adc: BinaryIO = create_private(folder / "adc.bin")
        self._index: BinaryIO = create_private(folder / "frames.idx")
        self._first_seq: int | None = None
        self._last_seq = -1
        self._base = 0
        self._end = 0
        self.frames = 0

    def write(self, frame: RawFrame) -> None:
        """Append one frame. Frame numbers may jump (loss) or restart (card restart). Raises OSError."""
        if self._first_seq is None or frame.seq <= self._last_seq:
            self._first_seq, self._base = frame.seq, self._end
        offset = self._base + (frame.seq - self._first_seq) * self._frame_bytes
        if offset - self._end > MAX_GAP_BYTES:  # the byte count jumped: no room is left for what was never sent
            self._first_seq, self._base, offset = frame.seq, self._end, self._end
        self._adc.seek(offset)
        write_whole(self._adc, frame.data)  # before its row: no row may refer to a partial frame
        self._index.write(np.array((frame.seq, frame.t_ns, offset, frame.received), INDEX_ROW).tobytes())
        self._last_seq, self._end = frame.seq, offset + self._frame_bytes
        self.frames += 1

    def close(self) -> None:
        """Sync the files to disk and close them."""
        sync_and_close(self._adc, self._index)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True)
class Recording:
    """An opened recording: its chirp, its IQ order, and the index of the frames in the byte stream `raw`.

    `metadata`: its meta.json; None for a bare file, whose times count from 0.
    """

    path: Path
    chirp: ChirpConfig
    iq_order: IqOrder
    index: npt.NDArray[np.void]
    raw: RawFile
    metadata: Metadata | None = None
    calibration: Calibration = UNCALIBRATED

    @property
    def clock_synced(self) -> bool:
        """Whether the host's clock was synchronized; False for a bare file."""
        return self.metadata is not None and self.metadata.clock_synced

    def from_frame(self, first: int) -> Recording:
        """Return the recording without the rows before `first`."""
        return replace(self, index=self.index[first:])

    def frames(self) -> Iterator[RawFrame]:
        """Yield every frame in order."""
        frames = self.raw.cut(self.index["offset"], self.chirp.frame_bytes)
        for k in range(0, len(self.index), _ROWS_TOGETHER):  # single rows of an array are slow
            for seq, t_ns, _, received in self.index[k : k + _ROWS_TOGETHER].tolist():
                yield RawFrame(seq, t_ns, next(frames), received)


def open_recording(path: Path, cfg: Path | None = None, iq_order: IqOrder | None = None) -> Recording:
    """Open a recording folder, or a bare `.bin` file, for which the chirp file (and optionally the IQ order) is given.

    Raises RecordingError, ChirpConfigError, CalibrationError, FileNotFoundError.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such recording")
    if path.is_dir() and cfg is not None:
        raise RecordingError(f"{path} is a recording with its own chirp file: omit --cfg")
    if path.is_dir():
        return _open_folder(path, iq_order)
    if cfg is None:
        raise RecordingError(f"{path} is a bare file: give its chirp file with --cfg")
    chirp = load_chirp(cfg, for_replay=True)
    return _open_bare(path, chirp, iq_order or chirp.iq_order)


def _open_folder(folder: Path, iq_order: IqOrder | None) -> Recording:
    require_files(folder)
    meta = load_metadata(folder)
    if meta.format == POINTS_FORMAT:
        raise RecordingError(f"{folder}: has points of the chest instead of raw samples; only radarecg replay reads it")
    if meta.format != FORMAT or meta.iq_order not in IQ_ORDERS:
        raise RecordingError(f"{folder / META}: format {meta.format!r} with IQ order {meta.iq_order!r} is not {FORMAT}")
    require_files(folder, "adc.bin", "frames.idx")
    chirp, calibration = load_description(folder)
    if meta.frame_bytes != chirp.frame_bytes:
        raise RecordingError(
            f"{folder}: chirp.cfg gives {chirp.frame_bytes} bytes a frame, meta.json {meta.frame_bytes}"
        )
    index = read_rows(folder / "frames.idx", INDEX_ROW)
    size = (folder / "adc.bin").stat().st_size
    index = index[(index["offset"].astype(float) + chirp.frame_bytes <= size) & (index["seq"] < MAX_SEQ)]
    if len(index) == 0:
        raise RecordingError(f"{folder}: contains no complete frame")
    raw = plain_file(folder / "adc.bin")
    return Recording(folder, chirp, iq_order or meta.iq_order, index, raw, meta, calibration)


def read_rows(path: Path, row: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Read the rows of an index; one that was cut short, at the end, is left out. Raises OSError."""
    content = path.read_bytes()
    return np.frombuffer(content[: len(content) // row.itemsize * row.itemsize], row)


def _open_bare(path: Path, chirp: ChirpConfig, iq_order: IqOrder) -> Recording:
    size = chirp.frame_bytes
    if path.stat().st_size == 0:
        raise RecordingError(f"{path}: empty file")
    raw = open_raw_file(path)
    seq = raw.blocks(size)
    received = raw.bytes_before((seq + 1) * size) - raw.bytes_before(seq * size)
    possible_causes = f"the recording ended there, or {chirp.source} is not its chirp file"
    if not received.any():
        raise RecordingError(f"{path}: contains no complete frame of {size} bytes: {possible_causes}")
    if raw.end % size:
        (begin,) = raw.cut([seq[0] * size], min(raw.end - seq[0] * size, PROBE_BYTES))
        if problem := find_foreign_frame(begin, chirp):
            raise RecordingError(f"{path}: {problem}")
        log.warning(
            "%s: %d bytes follow the last complete frame of %d bytes: %s", path, raw.end % size, size, possible_causes
        )
    index = np.zeros(len(seq), INDEX_ROW)
    index["seq"] = seq
    index["t_ns"] = np.rint((seq - seq[0]) * chirp.frame_period_s * 1e9)
    index["offset"] = seq * size
    index["received"] = received
    complete = np.flatnonzero(received == size)
    probes = complete[np.linspace(0, len(complete) - 1, min(len(complete), LAYOUT_FRAMES)).astype(int)]
    if problem := find_foreign_layout(b"".join(raw.cut(index["offset"][probes], size)), chirp):
        raise RecordingError(f"{path}: {problem}")
    return Recording(path, chirp, iq_order, index, raw)
