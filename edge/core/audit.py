"""Audit trail: who changed or took what, as log records of this module's logger; nothing about a person's body.

A record has an action and its details. JSON logs have them as the object `audit`, text logs as `ACTION KEY="VALUE"`.
A program whose log goes elsewhere than to systemd's journal, as a command in a terminal, also sends them there: the
journal has the trail of the service and of the commands.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Literal

from edge.core.text_logs import one_line

Action = Literal[
    "service started", "model switched", "model rejected", "access denied", "personal delay stored",
    "personal delay deleted", "diagnostics exported", "history exported", "recording started",
    "notice acknowledged", "tile renamed", "tile hidden", "tile shown",
]  # fmt: skip

SYSLOG = Path("/dev/log")
"""The socket of systemd's journal, or of another syslog service."""
PRIORITY = 10 * 8 + 6  # authpriv, informational: RFC 5424, section 6.2.1
STDERR = 2

_log = logging.getLogger(__name__)


def audit(action: Action, **details: str | int | None) -> None:
    """Record an action; `details` name files, digests, addresses and models."""
    text = " ".join(f"{key}={json.dumps(value)}" for key, value in details.items())
    _log.info("%s", f"{action} {text}".rstrip(), extra={"audit": {"action": action, **details}})


def send_to_journal(path: Path = SYSLOG) -> None:
    """Send this program's further records to the journal, unless its log is there already."""
    if not _is_journal(STDERR):
        _log.addHandler(_SyslogHandler(path))


class _SyslogHandler(logging.Handler):
    """Sends each record as one datagram; without a service that receives it, there is none, and nothing waits."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record."""
        text = f"<{PRIORITY}>radarecg[{os.getpid()}]: {one_line(record.getMessage())}"
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(text.encode(), str(self._path))


def _is_journal(descriptor: int) -> bool:
    """Whether systemd connected this file descriptor to its journal: JOURNAL_STREAM in systemd.exec(5)."""
    with suppress(OSError):
        status = os.fstat(descriptor)
        return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
    return False
