"""The history of `radarecg run`, and the work of `radarecg history` on its file."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

from edge.history.store import HistoryError, HistoryStore
from edge.history.writer import HistoryWriter
from edge.mqtt.device_report import HistoryReport
from edge.runtime.config import Config, load_config

NO_HISTORY = "the settings have no table [history], so nothing is stored"


def start_history(config: Config, path: Path, stack: ExitStack) -> HistoryWriter | None:
    """Start the history of the settings at `path`, if they have one; `stack` closes it."""
    if config.history is None:
        return None
    history = HistoryWriter(path.parent / config.history.file, config.history)
    stack.callback(history.close)
    return history


def report_history(history: HistoryWriter | None) -> HistoryReport | None:
    """Return the part of the payload `health`."""
    return HistoryReport(*history.state()) if history else None


def history_file(path: Path) -> Path:
    """Return the history's file of the settings at `path`. Raises InputError."""
    config = load_config(path)
    if config.history is None:
        raise HistoryError(f"{path}: {NO_HISTORY}")
    return path.parent / config.history.file


def damaged_files(file: Path) -> list[Path]:
    """Return the damaged files that were set aside."""
    return sorted(file.parent.glob(f"{file.name}.damaged-*"))


def delete_history(file: Path, between_s: tuple[int, int] | None) -> None:
    """Delete what is stored of the Unix times [from, to), or everything, also damaged files. Raises HistoryError.

    A running radarecg may continue to write meanwhile.
    """
    if not file.exists():
        raise HistoryError(f"{file}: there is no history")
    try:
        with closing(HistoryStore(file)) as store:
            if between_s:
                store.delete(*between_s)
            else:
                store.delete_all()
            is_empty = store.truncate_log()
    except sqlite3.Error as error:
        raise HistoryError(
            f"{file}: cannot delete ({error}); try again, or stop radarecg and remove the file"
        ) from error
    if not is_empty:
        raise HistoryError(
            f"{file}: deleted, but copies remain in its log while it is being read; run the command again"
        )
    if between_s is None:
        for damaged in damaged_files(file):
            damaged.unlink()
