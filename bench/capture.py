"""Compares capture and decoding with xwr (its compiled path) and openradar, in one run.

    pip install -e '.[bench]' && python bench/capture.py

A sender in a separate process sends packets over a loopback socket; each receiver assembles frames. The CPU share is
this process's CPU time, all threads, over the time in which the sender sends 200 frames/s: the median of some rounds.
Then the rate is raised until frames are lost or to the sender's limit. A rate is lossless if every sent frame is
received complete in one of three tries, as other load on the machine also loses packets. The receivers take turns.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import NamedTuple

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from edge.core.spec import BLOCK_S
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.dca1000.data_port import DataPort
from edge.radar.iq import decode
from edge.twin.card import Packetizer

CHIRP = load_chirp(Path(__file__).parents[1] / "firmware_config/awr1843_mmecg.cfg")
FRAME = CHIRP.frame_bytes
NOMINAL = FRAME * 200
LADDER = [20e6, 40e6, 60e6, 80e6, 100e6, 120e6, 160e6, 200e6]
LADDER_S, NOMINAL_S = 2.0, 5.0
ROUNDS, TRIES = 5, 3
BLOCK_FRAMES = round(0.5 * BLOCK_S * CHIRP.frame_rate_hz)
HOST = "127.0.0.1"
Receive = Callable[[int, threading.Event, Callable[[], bool]], int]


def send(port: int, rate: float, seconds: float) -> None:
    """Sends frames at `rate` bytes per second, each as a burst of packets; prints the achieved rate."""
    count = int(rate * seconds / FRAME)
    packetizer, frame = Packetizer(), bytes(range(256)) * (FRAME // 256)
    packets = [packetizer.push(frame) for _ in range(count + 1)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as card:
        card.connect((HOST, port))
        start = time.perf_counter()
        for k, burst in enumerate(packets):
            wait = start + k * FRAME / rate - time.perf_counter()
            if wait > 0:
                time.sleep(wait)
            for packet in burst:
                card.send(packet)
        print(count, count * FRAME / (time.perf_counter() - start))


def ours(port: int, opened: threading.Event, ended: Callable[[], bool]) -> int:
    """Counts complete frames, taken in the blocks in which the chain takes them."""
    data, whole = DataPort(HOST, port, FRAME), 0
    opened.set()
    for frame in data.frames(lambda: BLOCK_FRAMES):
        if frame:
            whole += frame.complete
        elif ended():
            data.close()
    return whole


def xwr(port: int, opened: threading.Event, ended: Callable[[], bool]) -> int:
    from xwr.capture import DCA1000EVM

    card = DCA1000EVM(HOST, HOST, port, free_port(), timeout=0.3, socket_buffer=4 << 20)
    opened.set()
    whole = 0
    while not ended():
        whole += sum(frame.complete for frame in card.stream([FRAME // 2]))
    card.config_socket.close()
    card.data_socket.close()
    return whole


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Measured(NamedTuple):
    sent: int
    whole: int
    rate: float  # bytes/s that the sender achieved
    share: float  # of one core, by the receiver

    @property
    def is_lossless(self) -> bool:
        return self.whole >= self.sent


def measure(name: str, receive: Receive, rate: float, seconds: float) -> Measured:
    """Sends frames for some seconds and prints what arrived."""
    port, opened, ended, whole = free_port(), threading.Event(), threading.Event(), []
    thread = threading.Thread(target=lambda: whole.append(receive(port, opened, ended.is_set)))
    thread.start()
    opened.wait()
    cpu = time.process_time()
    command = [sys.executable, __file__, "send", str(port), str(rate), str(seconds)]
    sent, reached = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    share = (time.process_time() - cpu) / seconds
    ended.set()
    thread.join()
    result = Measured(int(sent), whole[0], float(reached), share)
    print(f"{name:>10}  {result.rate / 1e6:6.2f} MB/s: {whole[0]} of {sent} frames complete, {share:.2%} of a core")
    return result


class Lossless(NamedTuple):
    """The highest lossless rate; at `is_senders_limit` the sender was too slow to lose anything at a higher one."""

    mb_s: float
    is_senders_limit: bool = False


def lossless_rates(receivers: dict[str, Receive]) -> dict[str, Lossless]:
    """Returns the highest lossless rate of each receiver."""
    highest, climbing = dict.fromkeys(receivers, Lossless(0.0)), dict(receivers)
    for rate in LADDER:
        for name, receive in list(climbing.items()):
            tries = (measure(name, receive, rate, LADDER_S) for _ in range(TRIES))
            passed = next((each for each in tries if each.is_lossless), None)
            if passed:
                highest[name] = Lossless(passed.rate / 1e6, passed.rate < 0.9 * rate)
            if not passed or highest[name].is_senders_limit:
                del climbing[name]
    return highest


def compare_capture() -> dict[str, float | None]:
    """Returns share of a core and highest lossless rate of our capture, each also divided by xwr's if installed."""
    receivers: dict[str, Receive] = {"ours": ours}
    if find_spec("xwr") and find_spec("xwr.capture._fast"):
        receivers["xwr"] = xwr
    else:
        print("xwr's compiled path is not installed")
    rounds: dict[str, list[float]] = {name: [] for name in receivers}
    for _ in range(ROUNDS):
        for name, receive in receivers.items():
            rounds[name].append(measure(name, receive, NOMINAL, NOMINAL_S).share)
    shares = {name: median(each) for name, each in rounds.items()}
    rates = lossless_rates(receivers)
    result: dict[str, float | None] = {
        "cpu_share_nominal": round(shares["ours"], 4),
        "max_lossless_mb_s": round(rates["ours"].mb_s, 1),
        "capture_cpu_vs_xwr": None,
        "capture_lossless_vs_xwr": None,
    }
    if "xwr" in receivers:
        result["capture_cpu_vs_xwr"] = round(shares["ours"] / shares["xwr"], 2)
        # At the sender's limit the rates differ by chance, and neither receiver is better.
        is_draw = all(each.is_senders_limit for each in rates.values())
        if is_draw or rates["xwr"].mb_s:
            result["capture_lossless_vs_xwr"] = 1.0 if is_draw else round(rates["ours"].mb_s / rates["xwr"].mb_s, 2)
    return result


def decoders() -> Iterator[tuple[str, Callable[[bytes], object]]]:
    shape = CHIRP.frame_shape
    loops, tx, rx, samples = shape
    yield "ours", lambda data: decode(data, shape, "sdk")
    try:
        from xwr.rsp import iq_from_iiqq

        words = (*shape[:-1], 2 * samples)
        yield "xwr", lambda data: iq_from_iiqq(np.frombuffer(data, np.int16).reshape(words))
    except ImportError as error:
        print(f"xwr's decoder is not installed: {error}")
    try:
        from mmwave.dataloader import DCA1000

        yield "openradar", lambda data: DCA1000.organize(np.frombuffer(data, np.int16), loops * tx, rx, samples)
    except ImportError as error:
        print(f"openradar is not installed: {error}")


def decode_rates() -> dict[str, float]:
    """Returns the median rate in MB/s; the contenders take turns, so that other load affects all of them equally."""
    data = np.random.default_rng(0).integers(-3000, 3000, FRAME // 2, np.int16).tobytes()
    contenders = dict(decoders())
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(40):
        for name, run in contenders.items():
            start = time.perf_counter()
            for _ in range(50):
                run(data)
            times[name].append((time.perf_counter() - start) / 50)
    return {name: FRAME / float(np.median(taken)) / 1e6 for name, taken in times.items()}


def main() -> None:
    logging.disable()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    result = compare_capture()
    rates = decode_rates()
    for name, rate in rates.items():
        print(f"{name:>10}  decodes {rate:6.0f} MB/s")
    result["decode_mb_s"] = round(rates["ours"])
    for name in ("openradar", "xwr"):
        result[f"decode_ratio_vs_{name}"] = round(rates["ours"] / rates[name], 2) if name in rates else None
    print(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1:2] == ["send"]:
        send(int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
    else:
        main()
