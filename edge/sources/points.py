"""Recordings of the chest's motion instead of raw samples: about 50 kB a second instead of 2.5 MB.

    frames.idx     one row per frame: number, host time, complete or not, whether the front end restarted (FRAME_ROW)
    points.bin     the blocks of RCG (`edge.sources.points_blocks`)
    blocks.idx     one row per block: its frame's row in frames.idx, its place in points.bin, the chest (BLOCK_ROW)
    problems.jsonl one line each time the front end's `problem` changed
    chirp.cfg, calibration.toml, meta.json   as in a recording of raw samples

The front end runs while recording; a replay continues with its blocks, so its results are those of the raw samples,
except for rounding: each channel of a block has 16 bits for its range. A block is written before its row, and both
before the row of the frame that completed it, so an interrupted recording is valid up to its last frame.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from edge.core.files import create_private
from edge.core.types import Float64, RadarFrame, RawFrame, RcgBlock
from edge.radar.calibration import Calibration
from edge.radar.chirp import ChirpConfig
from edge.radar.iq import IqOrder, decode_frame
from edge.sources import FrontEnd
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
from edge.sources.points_blocks import BLOCK_ROW, decode_block, encode_block, sizes
from edge.sources.recording import POINTS_FORMAT, read_rows

FRAME_ROW = np.dtype([("seq", "<u8"), ("t_ns", "<i8"), ("complete", "u1"), ("restarted", "u1")])
_NO_IQ = np.zeros(0, np.complex64)


class PointsRecorder:
    """Runs the front end on raw frames and writes its blocks. Raises FileExistsError when the folder is not empty."""

    def __init__(
        self,
        folder: Path,
        chirp: ChirpConfig,
        iq_order: IqOrder,
        calibration: Calibration,
        front_end: FrontEnd,
        origin: Origin = NO_ORIGIN,
    ) -> None:
        create_folder(folder, chirp, calibration, origin, {"format": POINTS_FORMAT})
        self._chirp, self._iq_order, self._front_end = chirp, iq_order, front_end
        self._points, self._blocks, self._frames, self._problems = (
            create_private(folder / name) for name in ("points.bin", "blocks.idx", "frames.idx", "problems.jsonl")
        )
        self._offset = 0
        self._problem: str | None = None
        self.frames = 0

    def write(self, raw: RawFrame) -> None:
        """Process one frame; write it and the block that it completes. Raises OSError."""
        frame, restarts = decode_frame(raw, self._chirp, self._iq_order), self._front_end.restarts
        if block := self._front_end.push(frame):
            content, row = encode_block(block, self.frames, self._offset)
            write_whole(self._points, content)
            write_whole(self._blocks, row)
            self._offset += len(content)
        if self._front_end.problem != self._problem:
            self._problem = self._front_end.problem
            write_whole(self._problems, json.dumps({"frame": self.frames, "problem": self._problem}).encode() + b"\n")
        about = (frame.seq, frame.t_ns, frame.complete, self._front_end.restarts != restarts)
        write_whole(self._frames, np.array(about, FRAME_ROW).tobytes())
        self.frames += 1

    def close(self) -> None:
        """Sync the files to disk and close them."""
        sync_and_close(self._points, self._blocks, self._problems, self._frames)

    def __enter__(self) -> PointsRecorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@dataclass(frozen=True)
class PointsRecording:
    """An opened recording of points: the rows of its frames and blocks, and its problems by frame row."""

    path: Path
    chirp: ChirpConfig
    metadata: Metadata
    calibration: Calibration
    index: npt.NDArray[np.void]
    blocks: npt.NDArray[np.void]
    problems: dict[int, str | None]

    @property
    def clock_synced(self) -> bool:
        """Whether the host's clock was synchronized."""
        return self.metadata.clock_synced

    def front_end(self) -> FrontEnd:
        """Return a front end that gives the recorded blocks for the frames of a `PointsSource`."""
        return _RecordedFrontEnd(self)

    def from_frame(self, first: int) -> PointsRecording:
        """Return the recording without the rows before `first`; its first block does not continue another one."""
        blocks = self.blocks[self.blocks["frame"] >= first].copy()
        blocks["frame"] -= np.uint64(first)
        blocks["restarted"][:1] = 1
        problems = {0: self.problem_at(first)} | {row - first: p for row, p in self.problems.items() if row > first}
        return replace(self, index=self.index[first:], blocks=blocks, problems=problems)

    def problem_at(self, number: int) -> str | None:
        """Return the front end's `problem` after the frame in this row."""
        before = [problem for row, problem in self.problems.items() if row <= number]
        return before[-1] if before else None


class PointsSource:
    """Source of the frames of a recording of points: without samples, which its front end does not need."""

    def __init__(self, recording: PointsRecording) -> None:
        self._index, self.chirp = recording.index, recording.chirp
        self._is_open = True

    def frames(self) -> Iterator[RadarFrame]:
        """Yield every recorded frame, never None."""
        for row in self._index:
            if not self._is_open:
                return
            yield RadarFrame(int(row["seq"]), int(row["t_ns"]), _NO_IQ, bool(row["complete"]))

    def close(self) -> None:
        """End the replay after the current frame."""
        self._is_open = False


class _RecordedFrontEnd:
    """Gives the blocks of a recording; see FrontEnd."""

    def __init__(self, recording: PointsRecording) -> None:
        self._recording = recording
        self._blocks = _read_blocks(recording)
        self._next = next(self._blocks, None)
        self._frame = 0
        self.restarts = 0
        self.problem: str | None = None

    def push(self, frame: RadarFrame) -> RcgBlock | None:
        """Return the block that the next frame of the recording completed, if any."""
        number, self._frame = self._frame, self._frame + 1
        self.restarts += int(self._recording.index["restarted"][number])
        self.problem = self._recording.problems.get(number, self.problem)
        if self._next is None or self._next[0] != number:
            return None
        (_, block), self._next = self._next, next(self._blocks, None)
        return block

    def restart(self) -> None:
        """Do nothing: the recorded front end had no pause here."""


def is_points_recording(path: Path) -> bool:
    """Return whether a path is a folder whose meta.json names this format."""
    return (path / META).is_file() and load_metadata(path).format == POINTS_FORMAT


def open_points(folder: Path) -> PointsRecording:
    """Open a recording of points. Raises RecordingError, ChirpConfigError, CalibrationError, OSError."""
    require_files(folder, "frames.idx", "blocks.idx", "points.bin")
    meta = load_metadata(folder)
    if meta.format != POINTS_FORMAT:
        raise RecordingError(f"{folder / META}: format {meta.format!r} is not {POINTS_FORMAT}")
    chirp, calibration = load_description(folder)
    index = read_rows(folder / "frames.idx", FRAME_ROW)
    if len(index) == 0:
        raise RecordingError(f"{folder}: contains no complete frame")
    blocks = read_rows(folder / "blocks.idx", BLOCK_ROW)
    end = blocks["offset"].astype(float) + sizes(blocks)
    blocks = blocks[(end <= (folder / "points.bin").stat().st_size) & (blocks["frame"] < len(index))]
    return PointsRecording(folder, chirp, meta, calibration, index, blocks, _read_problems(folder / "problems.jsonl"))


def _read_blocks(recording: PointsRecording) -> Iterator[tuple[int, RcgBlock]]:
    """Yield every block with the number of its frame's row."""
    points_m: Float64 | None = None
    with (recording.path / "points.bin").open("rb") as file:
        for row, size in zip(recording.blocks, sizes(recording.blocks).tolist(), strict=True):
            number = int(row["frame"])
            file.seek(int(row["offset"]))
            block = decode_block(file.read(size), row, int(recording.index["t_ns"][number]), points_m)
            points_m = block.points_m
            yield number, block


def _read_problems(file: Path) -> dict[int, str | None]:
    found: dict[int, str | None] = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        try:
            entry = json.loads(line)
            found[int(entry["frame"])] = entry["problem"]
        except (ValueError, TypeError, KeyError):  # the last line of an interrupted recording
            continue
    return found
