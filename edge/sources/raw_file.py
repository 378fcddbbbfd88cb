"""Reads files of TI's capture programs: a plain byte stream or packets, in one file or in several parts.

    byte stream    lost packets are zero: mmWave Studio's adc_data.bin, `DCA1000EVM_CLI_Record`
    packet records adc_data_Raw_0.bin before `Packet_Reorder_Zerofill`: number u32 from 1, bytes of data u32, bytes of
                   the stream before them u48, data; records may be late, repeated or missing, as the packets were
    UDP payloads   the same without the field "bytes of data", which is always 1456: saved by network tools

All are little-endian. Source: `writeDataToFile` in recorddatarecv.cpp of TI's RF_API (2019); SPRUIJ4A, data packets.
A part `X_0.bin` is full when it has no space for another packet; it continues in `X_1.bin`.
"""

from __future__ import annotations

import logging
import mmap
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.core.errors import InputError
from edge.radar.dca1000.assembler import HEADER
from edge.radar.dca1000.messages import PAYLOAD_BYTES

PART_UNIT_BYTES = 1 << 20  # the capture programs' maximum part size is a multiple of this
RESTART_PACKETS = 1000  # packet 1 more than this many packets after the last one means that the card restarted
MAX_GAP_BYTES = 1 << 36  # of lost data in a capture; hours, at any data rate of the card
_RECORD = struct.Struct("<IIIH")
_PROBE_PACKETS = 32
_CUT_TOGETHER = 1000  # positions that are searched in one step
_PIECE = np.dtype([("start", "<i8"), ("length", "<i8"), ("file", "<i4"), ("offset", "<i8")])
log = logging.getLogger(__name__)

Packet = tuple[int, int, int, int]
"""Number, first byte in the stream, bytes, offset of the data in the file."""


@dataclass(frozen=True)
class RawFile:
    """A byte stream on disk. `pieces` (_PIECE), sorted and without overlap, map its bytes to files and offsets."""

    files: tuple[Path, ...]
    pieces: npt.NDArray[np.void]

    @property
    def start(self) -> int:
        """The first byte of the stream that is stored."""
        return int(self.pieces["start"][0])

    @property
    def end(self) -> int:
        """One past the last byte of the stream that is stored."""
        return int(self.pieces["start"][-1] + self.pieces["length"][-1])

    def blocks(self, size: int) -> npt.NDArray[np.int64]:
        """Return the numbers of the blocks of `size` bytes of which a byte is stored, up to the last complete one."""
        first = self.pieces["start"] // size
        counts = (self.pieces["start"] + self.pieces["length"] - 1) // size - first + 1
        numbers = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        return np.unique(numbers[numbers < self.end // size])

    def bytes_before(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the number of stored bytes before each position [n] in the stream."""
        start, length = self.pieces["start"], self.pieces["length"]
        stored = np.cumsum(length)
        piece = np.searchsorted(start, positions, "right") - 1
        inside = np.clip(positions - start[piece], 0, length[piece])
        return np.where(piece < 0, 0, stored[piece] - length[piece] + inside)

    def cut(self, positions: Sequence[int] | npt.NDArray[Any], size: int) -> Iterator[bytes]:
        """Yield `size` bytes of the stream from each position on; bytes that are not stored are zero."""
        start = self.pieces["start"].copy()  # contiguous, for a faster search
        end = start + self.pieces["length"]
        with ExitStack() as stack:
            files = [stack.enter_context(path.open("rb")) for path in self.files]
            for k in range(0, len(positions), _CUT_TOGETHER):
                firsts = np.asarray(positions[k : k + _CUT_TOGETHER]).astype(np.int64)
                lows, highs = np.searchsorted(end, firsts, "right"), np.searchsorted(start, firsts + size, "left")
                for first, low, high in zip(firsts.tolist(), lows.tolist(), highs.tolist(), strict=True):
                    yield self._read(files, first, size, self.pieces[low:high].tolist())

    @staticmethod
    def _read(files: list[BufferedReader], first: int, size: int, pieces: list[tuple[int, int, int, int]]) -> bytes:
        data = bytearray(size)
        for start_byte, length, number, offset in pieces:
            begin, stop = max(start_byte, first), min(start_byte + length, first + size)
            files[number].seek(offset + begin - start_byte)
            files[number].readinto(memoryview(data)[begin - first : stop - first])
        return bytes(data)


def plain_file(path: Path) -> RawFile:
    """Create a RawFile for a file that is a plain byte stream."""
    return RawFile((path,), np.array([(0, path.stat().st_size, 0, 0)], _PIECE))


def open_raw_file(path: Path) -> RawFile:
    """Open a capture, with the parts that follow the first one. Raises InputError, OSError."""
    files = _parts(path)
    if len(files) > 1:
        log.info("%s continues in %d more parts, which are read too", path.name, len(files) - 1)
    if header := _find_header(path):
        packets = ((*packet, number) for number, part in enumerate(files) for packet in _packets(part, header))
        pieces = np.array(list(_consistent_pieces(packets, path)), _PIECE)
        pieces = pieces[np.unique(pieces["start"], return_index=True)[1]]
        pieces["length"][:-1] = np.minimum(pieces["length"][:-1], np.diff(pieces["start"]))
        return RawFile(files, pieces)
    plain = np.zeros(len(files), _PIECE)
    plain["file"], plain["length"] = np.arange(len(files)), [part.stat().st_size for part in files]
    plain["start"][1:] = np.cumsum(plain["length"][:-1])
    return RawFile(files, plain)


def _parts(path: Path) -> tuple[Path, ...]:
    name = re.fullmatch(r"(.*_)(\d+)(\.bin)", path.name, re.IGNORECASE)
    if not name:
        return (path,)

    def part(number: int) -> Path:
        return path.with_name(f"{name[1]}{number}{name[3]}")

    number = int(name[2])
    if number and part(number - 1).exists() and _is_full(part(number - 1)):
        raise InputError(
            f"{path}: continues {part(number - 1).name}; open {part(0).name}, the other parts are read too"
        )
    files = [path]
    while _is_full(files[-1]) and part(number + len(files)).exists():
        files.append(part(number + len(files)))
    return tuple(files)


def _is_full(path: Path) -> bool:
    """Whether a part has no space for another packet; some programs do not count the record header."""
    size = path.stat().st_size
    return size > _RECORD.size and 0 < (size + PAYLOAD_BYTES) % PART_UNIT_BYTES <= PAYLOAD_BYTES + _RECORD.size


def _find_header(path: Path) -> struct.Struct | None:
    """Return the header format of the file's packets; None for a plain byte stream, which has no packet numbers."""
    for header in (_RECORD, HEADER):
        packets = list(islice(_packets(path, header), _PROBE_PACKETS))
        if len({number for number, *_ in packets}) < 2:
            continue
        number0, start0, length0, _ = packets[0]
        if all(start - start0 == length0 * (number - number0) for number, start, *_ in packets):
            return header
    return None


def _packets(path: Path, header: struct.Struct) -> Iterator[Packet]:
    """Yield the file's packets up to the first invalid one."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        offset = 0
        while offset + header.size < len(content):
            number, *length, low, high = header.unpack_from(content, offset)
            data_bytes = length[0] if length else PAYLOAD_BYTES
            if not 0 < data_bytes <= PAYLOAD_BYTES:
                if offset:  # an invalid first packet means another file format
                    log.warning("%s: damaged from byte %d on; the rest is ignored", path, offset)
                return
            offset += header.size
            yield number, high << 32 | low, min(data_bytes, len(content) - offset), offset
            offset += data_bytes


def _consistent_pieces(
    packets: Iterable[tuple[int, int, int, int, int]], path: Path
) -> Iterator[tuple[int, int, int, int]]:
    """Yield pieces; stop when the card restarts.

    Skips packets whose number contradicts their position, or that would make more than MAX_GAP_BYTES a loss.
    """
    damaged = last = stored = 0
    first: tuple[int, int] | None = None
    for number, start, length, offset, file in packets:
        first = first or (number, start)
        if number == 1 and last > RESTART_PACKETS:
            log.warning("%s: the card restarted after packet %d; only the packets before are read", path, last)
            break
        ahead, bytes_ahead = number - first[0], start - first[1]
        contradicts = ahead * bytes_ahead < 0 or abs(bytes_ahead) > PAYLOAD_BYTES * abs(ahead)
        if contradicts or abs(bytes_ahead) > stored + MAX_GAP_BYTES:
            damaged += 1
            continue
        last, stored = max(last, number), stored + length
        yield start, length, file, offset
    if damaged:
        log.warning("%s: %d packets with a damaged header are ignored", path, damaged)
