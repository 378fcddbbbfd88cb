"""Measures what radarecg costs an embedded computer, each figure beside its aim and, where there is one, its peer.

    pip install -e '.[bench,demo]' && apt-get install mosquitto && python bench/cost.py [--seconds 60]

Capture: as `bench/capture.py`, beside xwr in the same run. Chain: as `bench/runtime.py`, with an open page, at 200
frames/s; and the times from its first frame to the first waveform, vitals and valid rates. Start: the CPU time of
`radarecg --version` beside that of an empty Python. Replay: `radarecg replay --summary` of a minute of raw frames, its
start included. Memory: of every library that `radarecg run` imports. CPU times are those of the processes; latency and
replay are times of the clock, so they need a quiet machine: the load is printed. Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import capture, runtime
from bench.rcg import CHIRP, frames
from edge.analysis import open_recording
from edge.core.types import EcgBlock, Quality, RawFrame, Vitals, Waveform
from edge.radar.iq import encode
from edge.sources.recording import Recorder
from edge.twin.scene import SCENES

RECORDED_S = 60
STARTS = 10
AIMS = {
    "capture_cpu_vs_xwr": "<= 1",
    "capture_lossless_vs_xwr": ">= 1",
    "cpu_share": "<= 0.10",
    "latency_ms_p99": "<= 35",
    "rss_mb": "<= 180",
    "start_vs_python": "<= 8",
    "replay_times_real_time": ">= 25",
}
IMPORTS = ("numpy", "msgspec", "paho.mqtt.client", "sqlite3", "onnxruntime", "uvicorn", "starlette.applications")
IMPORTS += ("edge.runtime.service", "edge.web.page")
MEMORY = """
import sys
def rss_mb(): return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
before = rss_mb()
print(f"{'python':>24}  {before:5.1f} MB")
for name in sys.argv[1:]:
    __import__(name)
    print(f"{name:>24}  {rss_mb() - before:+5.1f} MB")
    before = rss_mb()
"""


def cpu_s(command: list[str]) -> float:
    """Returns the CPU time of a command and of the processes that it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def start_vs_python() -> float:
    """Compares the shortest starts; they take turns, so that other load affects both equally."""
    commands = [sys.executable, "-c", ""], [sys.executable, "-m", "edge", "--version"]
    empty_s, version_s = (min(times) for times in zip(*(map(cpu_s, commands) for _ in range(STARTS)), strict=True))
    print(f"an empty Python: {1e3 * empty_s:.0f} ms of CPU time; radarecg --version: {1e3 * version_s:.0f} ms")
    return version_s / empty_s


class FirstTimes:
    """A `Sink` that notes when each kind of result first came, in the time of the frames."""

    def __init__(self) -> None:
        self.t_ns: dict[str, int] = {}

    def waveform(self, wave: Waveform) -> None:
        self.t_ns.setdefault("waveform", wave.t_ns)

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        if ecg.estimate.valid_mask.any():
            self.t_ns.setdefault("ECG", ecg.t_ns + len(ecg.estimate.ecg) * 5_000_000)

    def vitals(self, vitals: Vitals) -> None:
        self.t_ns.setdefault("vitals", vitals.t_ns)
        for name, value in (("heart rate", vitals.heart_rate_bpm), ("breathing rate", vitals.breathing_rate_bpm)):
            if value is not None:
                self.t_ns.setdefault(f"valid {name}", vitals.t_ns)


def show_first_times(folder: Path) -> None:
    recording, first = open_recording(folder), FirstTimes()
    recording.reconstruct(also=first)
    for name, t_ns in sorted(first.t_ns.items(), key=lambda item: item[1]):
        print(f"{(t_ns - recording.start_ns) / 1e9:6.1f} s after the first frame: first {name}")


def replay_times_real_time() -> float:
    """Replays a recording of a simulated person, and shows when its first results came."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "recording"
        with Recorder(folder, CHIRP, "sdk") as recorder:
            stream = (iq for stack in frames(SCENES["breathing"], RECORDED_S, 1) for iq in stack)
            for number, iq in enumerate(stream):
                data = encode(iq, "sdk")
                recorder.write(RawFrame(number, round(number * CHIRP.frame_period_s * 1e9), data, len(data)))
        start_s = time.monotonic()
        taken_s = cpu_s([sys.executable, "-m", "edge", "replay", str(folder), "--summary"])
        wall_s = time.monotonic() - start_s
        show_first_times(folder)
    print(f"replay of {RECORDED_S} s: {wall_s:.2f} s, {taken_s:.2f} s of CPU time on {os.cpu_count()} cores")
    return RECORDED_S / wall_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="of the chain (default 60)")
    seconds = parser.parse_args().seconds
    subprocess.run([sys.executable, "-c", MEMORY, *IMPORTS], check=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})
    found: dict[str, float | None] = {"start_vs_python": round(start_vs_python(), 1)}
    found["replay_times_real_time"] = round(replay_times_real_time(), 1)
    found |= runtime.measure(seconds)
    found |= capture.compare_capture()
    print(f"\nload of the machine over 1, 5 and 15 minutes: {os.getloadavg()}")
    for name, aim in AIMS.items():
        print(f"{name:>24}  {found[name]}   aim: {aim}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
