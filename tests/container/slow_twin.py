"""`radarecg twin` with a slow clock: everything it does is as on time, but SLOWER times later.

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

    @staticmethod
    def monotonic() -> float:
        """Its own seconds."""
        return time.monotonic() / SLOWER

    @staticmethod
    def sleep(seconds: float) -> None:
        """Its own seconds, too."""
        time.sleep(seconds * SLOWER)


if __name__ == "__main__":
    dca1000_emulator.time = SlowClock  # type: ignore[attr-defined]
    sys.exit(main(["twin", *sys.argv[1:]]))
