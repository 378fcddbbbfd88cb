"""Shows where the CPU time of `radarecg run` goes: the setting of `bench/runtime.py`, with a table of the stages.

    pip install -e '.[dev]' && apt-get install mosquitto && python bench/stages.py [--seconds 60]

The chain's thread reads its CPU clock (CLOCK_THREAD_CPUTIME_ID) before and after the stages below; the time of a stage
is without that of the stages inside it. The time of the other threads is the kernel's. The table is in thousandths of
a core, from 10 s after the first block of the heart waveform on, so that what happens only at the start is not in it.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import runtime
from edge.demo.processes import Child, free_port, start_broker
from edge.demo.subscriber import Subscriber

SETTLE_S = 10.0
INSIDE = "--inside"
STAGES = {
    "receive frames": ["edge.radar.dca1000.native:NativeReceiver.take"],
    "decode": ["edge.sources.live:decode_frame"],
    "count and check frames": ["edge.pipeline:Pipeline.push"],
    "front end: collect frames": ["edge.dsp.frontend.rcg:RcgExtractor.push"],
    "front end: range profiles": ["edge.dsp.frontend.rcg:range_profile"],
    "front end: chest, history": [
        "edge.dsp.frontend.rcg:RcgExtractor._search_chest",
        "edge.dsp.frontend.chest_finder:ChestFinder.push",
        "edge.dsp.frontend.beamforming:Beamformer.push",
    ],
    "front end: point selection": [
        f"edge.dsp.frontend.beamforming:{name}" for name in ("steering", "_surface", "beat_score", "select_points")
    ],
    "front end: echoes to RCG": ["edge.dsp.frontend.rcg:RcgExtractor._track"],
    "front end: placement": ["edge.pipeline:Pipeline.placement"],
    "movement": ["edge.vitals.movement:MovementDetector.push"],
    "breathing": ["edge.vitals.breathing_rate:BreathingEstimator.push"],
    "heart waveform": ["edge.vitals.heart_motion:HeartMotion.push"],
    "shared motion": ["edge.ecg.shared_motion:SharedMotion.push"],
    "segments": ["edge.dsp.sst.transform:Segments.push"],
    "SST": ["edge.dsp.sst.transform:Sst.__call__"],
    "network": ["edge.inference.backends.onnxrt:OnnxRuntime.__call__"],
    "stitching": ["edge.ecg.stitcher:Stitcher.push"],
    "vitals": ["edge.pipeline:Pipeline.vitals"],
    "MQTT": [f"edge.mqtt.publisher:Publisher.{name}" for name in ("waveform", "ecg", "vitals")],
    "page": [f"edge.web.page:LivePage.{name}" for name in ("waveform", "ecg", "vitals")],
    "history": [f"edge.history.writer:HistoryWriter.{name}" for name in ("ecg", "vitals")],
}
OTHER = "the rest of the chain's thread"


class Accounts:
    """CPU time of one thread by stage."""

    def __init__(self) -> None:
        self.ns: dict[str, int] = dict.fromkeys([*STAGES, OTHER], 0)
        self._open, self._since_ns = [OTHER], time.thread_time_ns()

    def switch(self) -> None:
        now_ns = time.thread_time_ns()
        self.ns[self._open[-1]] += now_ns - self._since_ns
        self._since_ns = now_ns

    def wrap(self, stage: str, place: str) -> None:
        """Replace a function by one that counts its time."""
        module, _, name = place.partition(":")
        owner: Any = importlib.import_module(module)
        *classes, name = name.split(".")
        for each in classes:
            owner = getattr(owner, each)
        function = getattr(owner, name)

        @functools.wraps(function)
        def counted(*args: Any, **options: Any) -> Any:
            self.switch()
            self._open.append(stage)
            try:
                return function(*args, **options)
            finally:
                self.switch()
                self._open.pop()

        setattr(owner, name, counted)


def serve(arguments: list[str]) -> int:
    """Run the command; print the table's rows at SIGUSR1, in the chain's thread, which alone handles signals."""
    from edge.__main__ import main

    accounts = Accounts()
    for stage, places in STAGES.items():
        for place in places:
            accounts.wrap(stage, place)

    def report(_number: int, _frame: object) -> None:
        accounts.switch()
        threads = {thread.name: thread_ns(thread.native_id) for thread in threading.enumerate()[1:]}
        print(json.dumps(accounts.ns | {f"thread {name}": ns for name, ns in threads.items()}), flush=True)

    signal.signal(signal.SIGUSR1, report)
    return main(arguments)


def thread_ns(number: int | None) -> int:
    """Returns the CPU time of a thread of this process (proc(5): the first field of schedstat)."""
    return int(Path(f"/proc/self/task/{number}/schedstat").read_text().split()[0])


def read_table(child: Child, log: Path) -> dict[str, int]:
    """Requests and returns the table of the process."""
    before = log.stat().st_size
    child.process.send_signal(signal.SIGUSR1)
    while not (rows := [line for line in log.read_text()[before:].splitlines(True) if line.endswith("}\n")]):
        child.require_alive()
        time.sleep(0.01)
    return dict(json.loads(rows[-1]))


def measure(seconds: float) -> dict[str, float]:
    """Runs everything and returns thousandths of a core."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        _, mqtt_port = start_broker(stack, folder)
        web_port, truth_port = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
        command = [sys.executable, __file__, INSIDE]
        child = runtime.start_runtime(stack, folder, mqtt_port, web_port, truth_port, command)
        subscriber = Subscriber(runtime.DEVICE, mqtt_port, truth_port)
        stack.callback(subscriber.close)
        while not subscriber.watch.trace:
            child.require_alive()
            subscriber.update(0.1)
        threading.Thread(target=runtime.look_at_page, args=(web_port,), daemon=True).start()
        tables, times_s = [], []
        for wait_s in (SETTLE_S, seconds):
            end_s = time.monotonic() + wait_s
            while time.monotonic() < end_s:
                subscriber.update(0.1)
            tables.append(read_table(child, folder / "runtime.log"))
            times_s.append(time.monotonic())
        before, after = tables
    return {name: (ns - before.get(name, 0)) / 1e6 / (times_s[1] - times_s[0]) for name, ns in after.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    shares = measure(parser.parse_args().seconds)
    for name, share in shares.items():
        print(f"{name:>30}  {share:6.1f}")
    print(f"{'sum':>30}  {sum(shares.values()):6.1f}   load of the machine: {os.getloadavg()}")
    print(json.dumps({name: round(share, 2) for name, share in shares.items()}))


if __name__ == "__main__":
    sys.exit(serve(sys.argv[2:]) if sys.argv[1:2] == [INSIDE] else main())
