"""Slows the clock by which the runtime measures how long its network takes, as much as that of the twin (slow_twin).

Otherwise the runtime refuses the network, because an emulated processor takes longer than a second for its windows.
"""

import os
import time

_REAL, _SLOWER = time.perf_counter, float(os.environ["SLOWER"])
time.perf_counter = lambda: _REAL() / _SLOWER  # type: ignore[assignment]
