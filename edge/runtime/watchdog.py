"""Ends the process when the chain hangs, so that systemd or the container's engine starts it again.

A network or a GPU call that does not return stops the vitals, but neither the connection to the broker nor the process:
subscribers would see a device that is online. Before the process ends, it reports that; if it cannot, the broker
publishes its MQTT will.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable

from edge.core.types import EcgBlock, Quality, Vitals, Waveform

MAX_VITALS_GAP_S = 10.0
"""Vitals are published every second, with or without frames."""
TICKS = 10
"""In this time. The thread counts them, so that a process that was stopped as a whole (SIGSTOP) is not ended."""
REPORT_TIMEOUT_S = 1.0
STDERR = 2
HUNG = 70
"""Exit status: EX_SOFTWARE of sysexits.h."""

log = logging.getLogger(__name__)


class Watchdog:
    """A `Sink` that ends the process when it receives no vitals for MAX_VITALS_GAP_S.

    `start` is called when the chain starts, because configuring the boards before may take longer. `on_hang` is called
    before the process ends, on a thread of its own.
    """

    def __init__(self, on_hang: Callable[[], object]) -> None:
        self._on_hang = on_hang
        self._received = 0
        self._closed = False
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start to wait for vitals."""
        self._thread.start()

    def waveform(self, wave: Waveform) -> None:
        """Ignore the waveform."""

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        """Ignore the ECG."""

    def vitals(self, vitals: Vitals) -> None:
        """Record that the chain runs, whatever the values."""
        self._received += 1

    def close(self) -> None:
        """Stop watching: the chain has ended."""
        self._closed = True

    def _watch(self) -> None:
        ticks = 0
        while ticks < TICKS:
            received = self._received
            time.sleep(MAX_VITALS_GAP_S / TICKS)  # the time-out of a lock depends on the host clock in Python 3.10
            if self._closed:
                return
            ticks = ticks + 1 if received == self._received else 0
        # On other threads: what hangs may hold the lock of the log or the publisher, or the log's reader may hang.
        for report in (self._on_hang, _report):
            threading.Thread(target=report, daemon=True).start()
        time.sleep(REPORT_TIMEOUT_S)
        os._exit(HUNG)


def _report() -> None:
    log.critical("no vitals for %g s: the chain hangs and the process ends; every thread was here:", MAX_VITALS_GAP_S)
    faulthandler.dump_traceback(STDERR)
