"""Measures the history: size of a month, latency of the API, cost for the chain, and what a killed process loses.

    python bench/history.py                 # a month, and ten kills of a writer that runs in real time
    python bench/history.py --kills 0       # without the kills, which need two minutes

The vitals are synthetic, of a person who is always there and moves for 5 % of the time; every rate is noisy to its last
stored digit, which is the worst case for the size. `cpu_ms` is processor time, which does not depend on other load.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from edge.core.types import EcgBlock, EcgEstimate, FrameCount, Quality, Rhythm, TaskOutputs, Vitals
from edge.history.reader import open_reader
from edge.history.records import Event, Second
from edge.history.settings import HistoryConfig
from edge.history.store import HistoryStore
from edge.history.writer import HistoryWriter
from edge.web.messages import Hello
from edge.web.page import LivePage

DAY_S = 86_400
BATCH_S = 3
COST_S = 1800
VIEWS_S = {"10 min": 600, "1 h": 3600, "24 h": DAY_S, "30 d": 30 * DAY_S}
OUTPUTS = TaskOutputs(np.zeros(200), np.full(800, 1 / 800), np.full(260, 1 / 260))


class Person:
    """Vitals of consecutive seconds: a rate that wanders, and movements of half a minute."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._bpm, self._moves_s = 65.0, 0

    def vitals(self, second: int) -> Vitals:
        rng = self._random
        self._bpm += rng.gauss(0, 0.5) + (65 - self._bpm) / 300
        if self._moves_s == 0 and rng.random() < 1 / 600:
            self._moves_s = 30
        t_ns = second * 10**9 + 400_000_000
        if self._moves_s:
            self._moves_s -= 1
            quality = Quality("unusable", 0.1, ("body_movement",))
            return Vitals(t_ns, None, None, None, quality, movement="extensive")
        rate, half = self._bpm + rng.gauss(0, 0.3), rng.uniform(1, 4)
        return Vitals(
            t_ns,
            rate,
            15 + rng.gauss(0, 0.3),
            0.5 + rng.gauss(0, 0.004),
            Quality("good", 0.9),
            FrameCount(20 * second, 0),
            (rate - half, rate + half),
            10,
            Rhythm(30.0, 40.0, False),
        )


def ecg(second: int) -> EcgBlock:
    """A second of a plausible ECG with some noise."""
    k = np.arange(200)
    noise = np.random.default_rng(second).normal(0, 0.01, 200)
    samples = np.exp(-0.5 * ((k - 80) / 3) ** 2) + 0.2 * np.exp(-0.5 * ((k - 130) / 15) ** 2) + noise
    estimate = EcgEstimate(200 * second, samples, k >= 0, np.array([200.0 * second + 80]), np.ones(1))
    return EcgBlock(second * 10**9, 200 * second, estimate, True, OUTPUTS)


def fill(path: Path, start: int, days: int) -> None:
    """Write the vitals of some days, an hour at a time, with the events of the movements."""
    store, person, moved = HistoryStore(path), Person(1), False
    for hour in range(24 * days):
        seconds = [Second(t_s, person.vitals(t_s)) for t_s in range(start + 3600 * hour, start + 3600 * (hour + 1))]
        events = []
        for second, vitals in seconds:
            if (vitals.movement != "none") != moved:
                moved = not moved
                events.append(Event(second * 1000, "flag_began" if moved else "flag_ended", "body_movement"))
        store.write(seconds, events, [])
    store.close()


def cost(path: Path, has_ecg: bool) -> dict[str, float]:
    """Processor time per second of operation, in the chain's thread and in all, in percent of a core."""
    start, person = int(time.time()), Person(2)
    writer = HistoryWriter(path, HistoryConfig(ecg=30 if has_ecg else 0), 1e6)
    chain_s = 0.0
    everything = [(person.vitals(start + k), ecg(start + k)) for k in range(COST_S)]
    begin_s = time.process_time()
    for k, (vitals, block) in enumerate(everything):
        before_s = time.process_time()
        writer.vitals(vitals)
        writer.ecg(block, vitals.quality)
        chain_s += time.process_time() - before_s
        if k % BATCH_S == BATCH_S - 1:
            writer._write_batch()
    total_s = time.process_time() - begin_s
    writer.close()
    return {"chain": 100 * chain_s / COST_S, "all": 100 * total_s / COST_S}


def latency(path: Path, end: int, repeats: int) -> tuple[dict[str, list[float]], float]:
    """Milliseconds of each request over HTTP, by view, and the mean processor time of one, client included."""
    found: dict[str, list[float]] = {name: [] for name in VIEWS_S}
    page = LivePage("127.0.0.1", 0, None, Hello("radar-0001", "1", False), history=path)
    cpu_s = time.process_time()
    for k in range(repeats):
        for name, span_s in VIEWS_S.items():
            to_s = end - 37 * k % 3600
            begin_s = time.perf_counter()
            connection = http.client.HTTPConnection("127.0.0.1", page.port)
            connection.request("GET", f"/api/v1/vitals?from={to_s - span_s}&to={to_s}")
            response = connection.getresponse()
            content = response.read()
            found[name].append(1e3 * (time.perf_counter() - begin_s))
            connection.close()
            assert response.status == 200, content
            assert json.loads(content)["t_s"]
    cpu_ms = 1e3 * (time.process_time() - cpu_s) / (repeats * len(VIEWS_S))
    page.close()
    return found, cpu_ms


WRITE = """
import sys, time
from pathlib import Path
sys.path.insert(0, "bench")
from history import Person
from edge.history.settings import HistoryConfig
from edge.history.writer import HistoryWriter
writer, person = HistoryWriter(Path(sys.argv[1]), HistoryConfig()), Person(3)
while True:
    now = time.time()
    writer.vitals(person.vitals(int(now)))
    print(int(now), flush=True)
    time.sleep(1 - time.time() % 1)
"""


def kill(path: Path, kills: int) -> int:
    """Kill a writer in real time again and again; return the most seconds that were lost."""
    worst, rng = 0, random.Random(4)
    for number in range(kills):
        with subprocess.Popen([sys.executable, "-c", WRITE, path], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            for _ in range(6):
                process.stdout.readline()
            time.sleep(rng.uniform(0, 4))
            os.kill(process.pid, signal.SIGKILL)
            last = [int(line) for line in process.stdout.read().split()] or [0]
        db = sqlite3.connect(path)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.close()
        with open_reader(path) as reader:
            stored = reader.vitals(last[-1] - 60, last[-1] + 60, 1).t_s.tolist()
        lost = max(0, last[-1] - stored[-1]) if last[-1] else 0
        worst = max(worst, lost)
        print(f"kill {number + 1}: {lost} s lost, file consistent")
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=50, help="requests for each view")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        path = folder / "history.sqlite"
        end = int(time.time()) // 3600 * 3600
        fill(path, end - args.days * DAY_S, args.days)
        month_mb = path.stat().st_size / 1e6 * 30 / args.days
        print(f"{args.days} d of vitals without ECG: {path.stat().st_size / 1e6:.1f} MB; a month: {month_mb:.1f} MB")
        found, cpu_ms = latency(path, end, args.repeats)
        for name, times_ms in found.items():
            p50, p95 = np.percentile(times_ms, [50, 95])
            print(f"API, {name:>6}: p50 {p50:.1f} ms, p95 {p95:.1f} ms")
        everything = [value for times_ms in found.values() for value in times_ms]
        print(f"API: {cpu_ms:.1f} ms of processor time a request, client included")
        costs = {has_ecg: cost(folder / f"cost-{has_ecg}.sqlite", has_ecg) for has_ecg in (False, True)}
        for has_ecg, share in costs.items():
            print(
                f"cost {'with' if has_ecg else 'without'} ECG: {share['chain']:.3f} % of a core in the chain's thread, "
                f"{share['all']:.3f} % in all"
            )
        day_mb = (folder / "cost-True.sqlite").stat().st_size / 1e6 * DAY_S / COST_S
        print(f"a day with ECG: {day_mb:.0f} MB")
        lost_s_max = kill(folder / "kill.sqlite", args.kills)
    finally:
        shutil.rmtree(folder)
    figures = {
        "month_mb": round(month_mb, 1),
        "api_p50_ms": round(float(np.percentile(everything, 50)), 1),
        "api_p95_ms": round(float(np.percentile(everything, 95)), 1),
        "api_cpu_ms": round(cpu_ms, 1),
        "cost_percent": round(costs[False]["all"], 3),
        "cost_with_ecg_percent": round(costs[True]["all"], 3),
        "lost_s_max": lost_s_max,
        "kills": args.kills,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
