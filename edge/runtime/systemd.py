"""Reports the runtime's state to systemd (sd_notify(3)): ready, alive, stopping. Does nothing without systemd.

In the unit: Type=notify, WatchdogSec=15. The runtime is alive as long as it produces vitals each second, valid or not.
If it does not, `edge.runtime.watchdog` ends it earlier; systemd ends a process in which no thread runs.
"""

from __future__ import annotations

import logging
import os
import socket

from edge.core.types import EcgBlock, Quality, Vitals, Waveform

log = logging.getLogger(__name__)


class Systemd:
    """A `Sink` that notifies systemd's watchdog with each second's vitals, whatever their values."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address  # abstract, or a path

    def waveform(self, wave: Waveform) -> None:
        """Ignores the waveform."""

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        """Ignores the ECG."""

    def vitals(self, vitals: Vitals) -> None:
        """Report ready and alive."""
        frames = vitals.frames
        self._notify(f"READY=1\nWATCHDOG=1\nSTATUS={frames.received} frames, {frames.lost} lost")

    def stopping(self) -> None:
        """Report that the service is stopping."""
        self._notify("STOPPING=1")

    def _notify(self, state: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(state.encode(), self._address)
            except OSError as error:
                log.warning("cannot notify systemd at NOTIFY_SOCKET: %s", error)
