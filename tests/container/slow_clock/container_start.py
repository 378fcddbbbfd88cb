"""Slows the runtime's clocks that measure how long its own work takes, as much as that of the twin (slow_twin).

Otherwise the runtime refuses the network, because an emulated processor takes longer than a second for its windows, and
the watchdog takes the first search for the chest, which may take 10 s there, for a chain that hangs.
"""

import os
import threading
import time

_REAL, _SLEEP, _SLOWER = time.perf_counter, time.sleep, float(os.environ["SLOWER"])


def _sleep(seconds: float) -> None:
    _SLEEP(seconds * _SLOWER if threading.current_thread().name == "watchdog" else seconds)


time.perf_counter = lambda: _REAL() / _SLOWER  # type: ignore[assignment]
time.sleep = _sleep
