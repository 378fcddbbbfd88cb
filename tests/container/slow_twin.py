"""`radarecg twin` with a slow clock: everything it does is as on time, but so many times later (the first argument).

An emulated processor does not keep up with 200 frames a second. Slowed down, no byte and no packet is another one, and
the runtime, which counts a person's seconds in frames, sees the same person; only more of its own time goes by.
"""

from __future__ import annotations

import sys
import time

from edge.__main__ import main
from edge.twin import dca1000_emulator

SLOWER = 18
"""A frame every 90 ms: beyond 100 ms the receiver would hear silence."""


class SlowClock:
    """What the twin uses of `time`."""

    time_ns = staticmethod(time.time_ns)

    def __init__(self, slower: float) -> None:
        self._slower = slower

    def monotonic(self) -> float:
        """Its own seconds."""
        return time.monotonic() / self._slower

    def sleep(self, seconds: float) -> None:
        """Its own seconds, too."""
        time.sleep(seconds * self._slower)


if __name__ == "__main__":
    dca1000_emulator.time = SlowClock(float(sys.argv[1]))  # type: ignore[attr-defined]
    sys.exit(main(["twin", *sys.argv[2:]]))
