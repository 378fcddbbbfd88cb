"""Endurance test on a bad link: 200 frames/s, 1 % packet loss, two card restarts; no failure, leak or hidden loss.

    python bench/endurance.py [--seconds 600]

The frames are the twin's, of a person, computed once and sent in a loop; they pass through the data port, `decode`
and the whole pipeline. Checks that each frame marked complete equals the sent bytes, that every other frame is flagged
or a gap in the sequence numbers, that the pipeline counts exactly those as lost and marks their samples, that port and
pipeline detect both restarts, and that memory does not grow in the second half. Last line: JSON; exit status 1 if any
check fails.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

from edge.core.spec import RCG_RATE_HZ, VITALS_PERIOD_S
from edge.core.types import RawFrame, Waveform
from edge.pipeline import Pipeline
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.dca1000.data_port import DataPort
from edge.radar.iq import decode_frame, encode
from edge.twin.body import Body
from edge.twin.card import EmulatedCard, Faults
from edge.twin.fmcw import Fmcw
from edge.twin.heart import Heart
from edge.twin.scene import Scene

CHIRP = load_chirp(Path(__file__).parents[1] / "firmware_config/awr1843_mmecg.cfg")
PAGE_KIB = 4
GROWTH_KIB = 4096  # between the medians of two quarters; in 10 minutes, a leak of 140 bytes per frame is detected
PAUSE_S = 0.3  # between two recordings; no card is faster
# One breath and four beats, so that the loop has no discontinuity.
PERSON = Scene(Heart(60.0), Body(breathing_rate_bpm=15.0))
FRAMES = [
    encode(iq, "sdk")
    for first in range(0, round(4 * CHIRP.frame_rate_hz), 20)
    for iq in Fmcw(CHIRP, PERSON).frames(first, 20)
]


def content(seq: int) -> bytes:
    """Returns frames that all differ in their noise, so that a mixed or misplaced frame is detected."""
    return FRAMES[seq % len(FRAMES)]


class Chain:
    """Runs frames through the pipeline and collects its results."""

    def __init__(self) -> None:
        self._pipeline = Pipeline(CHIRP, lambda: True)
        self._seen = 0
        self.begun = 0
        self.marked = 0.0
        """RCG samples that are not covered."""
        self.unsaid = 0
        """Vitals that do not report lost frames."""

    def push(self, raw: RawFrame) -> None:
        """Adds a frame; once a second reads the vitals."""
        self._pipeline.push(decode_frame(raw, CHIRP, "sdk"), self._check)
        self._seen += 1
        if self._seen % round(CHIRP.frame_rate_hz * VITALS_PERIOD_S) == 0:
            self.unsaid += "frame_loss" not in self._pipeline.vitals(raw.t_ns).quality.flags

    def _check(self, wave: Waveform) -> None:
        self.begun += not wave.continues
        self.marked += (1 - wave.coverage) * len(wave.samples) * RCG_RATE_HZ / wave.rate_hz

    @property
    def counted(self) -> tuple[int, int]:
        """Complete frames and lost frames."""
        return self._pipeline.frames.received, self._pipeline.frames.lost


def resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KIB


def stream(port: int, parts: list[int], ended: threading.Event) -> None:
    """Sends the parts, each a recording with its number of frames; the card restarts between them."""
    card = EmulatedCard(("127.0.0.1", port), faults=Faults(loss=0.01, reorder=0.005, duplicate=0.005, delay=0.001))
    for frames in parts:
        card.restart()
        time.sleep(PAUSE_S)
        due = time.monotonic()
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
    expected, memory, chain = 0, [], Chain()
    for frame in port.frames():
        if frame is None:
            if ended.is_set():
                port.close()
            continue
        if frame.seq < expected:  # the card restarted; frames missing at the last recording's end are counted below
            expected = frame.seq
        missing += frame.seq - expected
        expected = frame.seq + 1
        whole += frame.complete
        flagged += not frame.complete
        wrong += frame.complete and frame.data != content(frame.seq)
        chain.push(frame)
        if (whole + flagged) % 200 == 0:
            memory.append(resident_kib())
    quarter = len(memory) // 4  # single readings vary with the data in buffers
    growth = round(median(memory[-quarter:]) - median(memory[-2 * quarter : -quarter]))
    at_ends = total - whole - flagged - missing  # a recording's last frame waits for packets that never come
    result = {"frames": total, "whole": whole, "flagged": flagged, "missing": missing, "at_ends": at_ends}
    result |= {"wrong": wrong, "restarts": port.restarts, "memory_growth_kib": growth}
    result |= {"stretches": chain.begun, "samples_marked": round(chain.marked), "vitals_unflagged": chain.unsaid}
    fine = not wrong and port.restarts == len(parts) - 1 and growth < GROWTH_KIB and 0 <= at_ends <= 3 * len(parts)
    fine &= chain.counted == (whole, flagged + missing) and chain.marked >= flagged + missing
    fine &= chain.begun >= len(parts) and not chain.unsaid
    print(json.dumps(result | {"fine": fine}))
    return int(not fine)


if __name__ == "__main__":
    sys.exit(main())
