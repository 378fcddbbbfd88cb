"""Writes and reads recordings. A recording is a folder that stays readable even if the recorder is killed.

    adc.bin     every frame at the offset of its number, bytes as received (TI's layout); lost bytes are zero
MAX_GAP_BYTES = 1 << 36  # of lost frames in adc.bin; hours, at any data rate of the card
    frames.idx  one row per frame: number, host time, offset in adc.bin, bytes received (INDEX_ROW)
    chirp.cfg   the chirp file with which the radar was configured
    calibration.toml  the phase calibration of the recording, if any (add a file to replay with it)
    meta.json   format, IQ order, frame size, start time (UTC), whether the host's clock was synchronized, version;
                device name and note, if given

A frame's bytes are written before its row, so a complete row implies a complete frame. Lost frames have no row and are
a hole in adc.bin (no disk space, reads as zeros); TI's recorder writes zeros instead.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from edge import __version__
from edge.core.clock import clock_state
from edge.core.errors import InputError
from edge.core.files import read_text_file
from edge.core.types import RawFrame
from edge.radar.calibration import UNCALIBRATED, Calibration
from edge.radar.calibration_file import load_calibration
from edge.radar.chirp import ChirpConfig
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.iq import IQ_ORDERS, IqOrder
from edge.sources.raw_file import RawFile, open_raw_file, plain_file
from edge.sources.sample_layout import find_foreign_frame, find_foreign_layout

FORMAT = "radarecg.recording/1"
CALIBRATION = "calibration.toml"
PROBE_BYTES = 1 << 21
LAYOUT_FRAMES = 16  # number of frames used to check the sample layout
MAX_SEQ = 1 << 48  # the card counts bytes with 48 bits: a greater number means a damaged row
log = logging.getLogger(__name__)
INDEX_ROW = np.dtype([("seq", "<u8"), ("t_ns", "<i8"), ("offset", "<u8"), ("received", "<u4")])


class RecordingError(InputError):
    """The recording cannot be replayed. The message gives the cause and the remedy."""


def check_new(folder: Path) -> None:
    """Raise FileExistsError when the folder for a new recording is not empty."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; record into a new folder")


class Recorder:
    """Writes a recording. Raises FileExistsError as `check_new` does.

    `device` is the name of the recording device, `note` a text of the user; both are stored in meta.json.
    """

    def __init__(
        self,
        folder: Path,
        chirp: ChirpConfig,
        iq_order: IqOrder,
        calibration: Calibration = UNCALIBRATED,
        *,
        device: str | None = None,
        note: str | None = None,
    ) -> None:
        check_new(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "chirp.cfg").write_text(chirp.text, encoding="utf-8")
        if calibration.text:
            (folder / CALIBRATION).write_text(calibration.text, encoding="utf-8")
        meta = {
            "format": FORMAT,
            "iq_order": iq_order,
            "frame_bytes": chirp.frame_bytes,
            "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "clock_synced": clock_state().synced,
            "radarecg": __version__,
        }
        meta |= {name: text for name, text in (("device", device), ("note", note)) if text}
        (folder / "meta.json").write_text(json.dumps(meta) + "\n", encoding="utf-8")
        self._frame_bytes = chirp.frame_bytes
        self._adc: BinaryIO = (folder / "adc.bin").open("wb", buffering=0)
        self._index: BinaryIO = (folder / "frames.idx").open("wb", buffering=0)
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
        if self._adc.write(frame.data) != self._frame_bytes:  # disk full: no row may refer to a partial frame
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._adc.name)
        self._index.write(np.array((frame.seq, frame.t_ns, offset, frame.received), INDEX_ROW).tobytes())
        self._last_seq, self._end = frame.seq, offset + self._frame_bytes
        self.frames += 1

    def close(self) -> None:
        """Sync the files to disk and close them."""
        for file in (self._adc, self._index):
            if not file.closed:
                os.fsync(file.fileno())
                file.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True)
class Recording:
    """An opened recording: its chirp, its IQ order, and the index of the frames in the byte stream `raw`.

    `clock_synced`: whether the host's clock was synchronized; False for a bare file.
    """

    path: Path
    chirp: ChirpConfig
    iq_order: IqOrder
    index: npt.NDArray[np.void]
    raw: RawFile
    clock_synced: bool = False
    calibration: Calibration = UNCALIBRATED

    def frames(self) -> Iterator[RawFrame]:
        """Yield every frame in order."""
        frames = self.raw.cut(self.index["offset"], self.chirp.frame_bytes)
        for row, data in zip(self.index, frames, strict=True):
            yield RawFrame(int(row["seq"]), int(row["t_ns"]), data, int(row["received"]))


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
    for name in ("meta.json", "chirp.cfg", "adc.bin", "frames.idx"):
        if not (folder / name).exists():
            raise RecordingError(f"{folder}: not a recording, {name} is missing")
    try:
        meta = json.loads(read_text_file(folder / "meta.json"))
        found, order, frame_bytes = meta["format"], meta["iq_order"], meta["frame_bytes"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RecordingError(f"{folder / 'meta.json'}: damaged ({error!r})") from error
    if found != FORMAT or order not in IQ_ORDERS:
        raise RecordingError(f"{folder / 'meta.json'}: format {found!r} with IQ order {order!r} is not {FORMAT}")
    chirp = load_chirp(folder / "chirp.cfg", for_replay=True)
    if frame_bytes != chirp.frame_bytes:
        raise RecordingError(f"{folder}: chirp.cfg gives {chirp.frame_bytes} bytes a frame, meta.json {frame_bytes}")
    rows = (folder / "frames.idx").read_bytes()
    index = np.frombuffer(rows[: len(rows) // INDEX_ROW.itemsize * INDEX_ROW.itemsize], INDEX_ROW)
    size = (folder / "adc.bin").stat().st_size
    index = index[(index["offset"].astype(float) + chirp.frame_bytes <= size) & (index["seq"] < MAX_SEQ)]
    if len(index) == 0:
        raise RecordingError(f"{folder}: contains no complete frame")
    synced = bool(meta.get("clock_synced", False))
    file = folder / CALIBRATION
    calibration = load_calibration(file if file.exists() else None, chirp)
    raw = plain_file(folder / "adc.bin")
    return Recording(folder, chirp, iq_order or cast(IqOrder, order), index, raw, synced, calibration)


def _open_bare(path: Path, chirp: ChirpConfig, iq_order: IqOrder) -> Recording:
    size = chirp.frame_bytes
    if path.stat().st_size == 0:
        raise RecordingError(f"{path}: empty file")
    raw = open_raw_file(path)
    seq = np.arange(raw.start // size, raw.end // size)
    received = np.diff(raw.bytes_before(np.arange(raw.start // size, raw.end // size + 1) * size))
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
    return Recording(path, chirp, iq_order, index[received > 0], raw)
