"""A long run on a bad link: 200 frames/s, 1 % of packets lost, two card restarts; nothing breaks, grows or is hidden.

    python bench/endurance.py [--seconds 600]

Checks that each frame that says complete is byte for byte what was sent, that every other is flagged or a step in the
numbers, that both restarts are seen, and that memory stays flat after the first tenth. Last line: JSON; exit status 1
if anything was not so.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from edge.radar.dca1000 import DataPort
from edge.radar.firmware import load_chirp
from edge.twin.card import EmulatedCard, Faults

CHIRP = load_chirp(Path(__file__).parents[1] / "firmware_config/awr1843_mmecg.cfg")
PAGE_KIB = 4
GROWTH_KIB = 4096  # less than 350 frames: whatever is kept of each frame shows
NOISE = np.random.default_rng(0).integers(1, 255, CHIRP.frame_bytes, np.uint8)


def content(seq: int) -> bytes:
    """A frame that tells its number, so that any that is mixed or misplaced shows."""
    return np.roll(NOISE, seq * 37).tobytes()


def resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KIB


def stream(port: int, parts: list[int], ended: threading.Event) -> None:
    """Sends the parts, each a recording of so many frames; the card restarts between them."""
    card = EmulatedCard(("127.0.0.1", port), faults=Faults(loss=0.01, reorder=0.005, duplicate=0.005, delay=0.001))
    due = time.monotonic()
    for frames in parts:
        card.restart()
        for seq in range(frames):
            data = content(seq)
            due += CHIRP.frame_period_s
            time.sleep(max(0.0, due - time.monotonic()))
            card.send(data)
    card.close()
    ended.set()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    total = int(parser.parse_args().seconds * CHIRP.frame_rate_hz)
    parts = [total // 3, total // 3, total - 2 * (total // 3)]
    port, ended = DataPort("127.0.0.1", 0, CHIRP.frame_bytes), threading.Event()
    threading.Thread(target=stream, args=(port.port, parts, ended), daemon=True).start()
    whole = flagged = missing = wrong = 0
    expected, memory = 0, []
    for frame in port.frames():
        if frame is None:
            if ended.is_set():
                port.close()
            continue
        if frame.seq < expected:  # the card began again; what the last recording's end lacks is counted below
            expected = 0
        missing += frame.seq - expected
        expected = frame.seq + 1
        whole += frame.complete
        flagged += not frame.complete
        wrong += frame.complete and frame.data != content(frame.seq)
        if (whole + flagged) % 200 == 0:
            memory.append(resident_kib())
    growth = memory[-1] - memory[len(memory) // 10]
    at_ends = total - whole - flagged - missing  # a recording's last frame waits for packets that never come
    result = {"frames": total, "whole": whole, "flagged": flagged, "missing": missing, "at_ends": at_ends}
    result |= {"wrong": wrong, "restarts": port.restarts, "memory_growth_kib": growth}
    fine = not wrong and port.restarts == len(parts) - 1 and growth < GROWTH_KIB and 0 <= at_ends <= 3 * len(parts)
    print(json.dumps(result | {"fine": fine}))
    return int(not fine)


if __name__ == "__main__":
    sys.exit(main())
