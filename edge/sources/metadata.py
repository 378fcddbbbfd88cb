"""The description of a recording: chirp.cfg, calibration.toml (if any) and meta.json, the same for every format.

meta.json has the format's name, the start time (`date`, UTC), whether the host's clock was synchronized, the version of
radarecg, what the format needs (such as the IQ order), and if known the device's name, the versions of the boards and
a note. Nothing in it describes a person.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

import msgspec

from edge import __version__
from edge.core.clock import clock_state
from edge.core.errors import InputError
from edge.core.files import read_text_file
from edge.radar.calibration import Calibration
from edge.radar.calibration_file import load_calibration
from edge.radar.chirp import ChirpConfig
from edge.radar.chirp_file.parser import load_chirp

CALIBRATION = "calibration.toml"
META = "meta.json"
CHIRP = "chirp.cfg"


class RecordingError(InputError):
    """The recording cannot be replayed. The message gives the cause and the remedy."""


class Metadata(msgspec.Struct, frozen=True):
    """The content of meta.json; recordings of earlier versions lack some of it, so only `format` is required."""

    format: str
    iq_order: str = ""
    frame_bytes: int = 0
    date: str | None = None
    clock_synced: bool = False
    radarecg: str | None = None
    device: str | None = None
    boards: dict[str, str] = {}
    note: str | None = None


@dataclass(frozen=True)
class Origin:
    """Where a recording comes from: the device's name, the versions of the boards, and a note of the user."""

    device: str | None = None
    boards: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None


NO_ORIGIN = Origin()


def check_new(folder: Path) -> None:
    """Raise FileExistsError when the folder for a new recording is not empty."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; record into a new folder")


def create_folder(
    folder: Path, chirp: ChirpConfig, calibration: Calibration, origin: Origin, about: Mapping[str, object]
) -> None:
    """Create a recording's folder with its description; `about` is what the format adds to meta.json.

    Raises FileExistsError as `check_new` does, OSError.
    """
    check_new(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it contains health data
    (folder / CHIRP).write_text(chirp.text, encoding="utf-8")
    if calibration.text:
        (folder / CALIBRATION).write_text(calibration.text, encoding="utf-8")
    meta = {
        **about,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "clock_synced": clock_state().synced,
        "radarecg": __version__,
    }
    known = {"device": origin.device, "boards": dict(origin.boards), "note": origin.note}
    meta |= {name: value for name, value in known.items() if value}
    (folder / META).write_text(json.dumps(meta) + "\n", encoding="utf-8")


def is_recording(path: Path) -> bool:
    """Return whether a path is the folder of a recording, of any format."""
    return (path / META).is_file()


def recording_name(path: Path) -> str:
    """Return the name of a recording: its folder's, or its file's without the suffix."""
    return path.stem if path.is_file() else path.name or path.resolve().name


def find_recordings(paths: Iterable[Path]) -> list[Path]:
    """Return the paths, with each folder that only contains recordings replaced by these."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(filter(is_recording, path.iterdir())) if path.is_dir() and not is_recording(path) else []
        found += inside or [path]
    return found


def require_files(folder: Path, *names: str) -> None:
    """Raise RecordingError unless the folder has these files and a description."""
    for name in (META, CHIRP, *names):
        if not (folder / name).exists():
            raise RecordingError(f"{folder}: not a recording, {name} is missing")


def write_whole(file: BinaryIO, content: bytes | bytearray | memoryview) -> None:
    """Write to an unbuffered file. Raises OSError, also if only a part could be written."""
    if file.write(content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)


def sync_and_close(*files: BinaryIO) -> None:
    """Write the files to disk and close them; closed ones are left as they are. Raises OSError."""
    for file in files:
        if not file.closed:
            os.fsync(file.fileno())
            file.close()


def load_metadata(folder: Path) -> Metadata:
    """Read meta.json. Raises RecordingError, OSError."""
    file = folder / META
    try:
        return msgspec.convert(json.loads(read_text_file(file)), Metadata)
    except (ValueError, msgspec.ValidationError, RecursionError) as error:
        raise RecordingError(f"{file}: damaged ({error})") from error


def load_description(folder: Path) -> tuple[ChirpConfig, Calibration]:
    """Read chirp file and calibration of a recording. Raises ChirpConfigError, CalibrationError, OSError."""
    chirp = load_chirp(folder / CHIRP, for_replay=True)
    file = folder / CALIBRATION
    return chirp, load_calibration(file if file.exists() else None, chirp)
