"""What systemd is told (sd_notify(3)): ready, still alive, stopping. Without systemd, nothing.

In the unit: Type=notify, WatchdogSec=10. The runtime is alive when it says something of the last second, valid or not.
"""

from __future__ import annotations

import logging
import os
import socket

from edge.core.types import EcgBlock, Quality, Vitals, Waveform

log = logging.getLogger(__name__)


class Systemd:
    """A `Sink` that reports each second's vitals as a sign of life, not what they say."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address  # abstract, or a path

    def waveform(self, wave: Waveform) -> None:
        """Not reported."""

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        """Not reported."""

    def vitals(self, vitals: Vitals) -> None:
        """The first means ready, every one alive."""
        frames = vitals.frames
        self._notify(f"READY=1\nWATCHDOG=1\nSTATUS={frames.received} frames, {frames.lost} lost")

    def stopping(self) -> None:
        """The end was asked for."""
        self._notify("STOPPING=1")

    def _notify(self, state: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(state.encode(), self._address)
            except OSError as error:
                log.warning("systemd does not listen at NOTIFY_SOCKET: %s", error)
