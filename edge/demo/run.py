"""`radarecg demo`: runs the whole chain on one machine, displays it, and checks that it worked."""

from __future__ import annotations

import json
import re
import signal
import socket
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.live import Live

from edge.core.interrupts import raise_on_interrupt
from edge.demo import view
from edge.demo.processes import WEB_PORT, Child, DemoError, Usage, free_port, start, start_broker, usual_port
from edge.demo.story import describe_demo, next_commands
from edge.demo.subscriber import Subscriber

DEVICE = "radar-twin"
CHIRP = Path(__file__).parents[2] / "firmware_config" / "awr1843_mmecg.cfg"
FIRST_RATE_TIMEOUT_S = 20.0  # a shorter demo does not fail without a heart rate


def demo(scene: str, duration_s: float | None, picture: Path | None) -> int:
    """Run a scene of the twin until interrupted or for `duration_s`; the last line on stdout is a JSON summary.

    Returns 0 if vitals with received frames (and, after FIRST_RATE_TIMEOUT_S, a valid heart rate) arrived, else 1.
    """
    if not CHIRP.exists():
        raise FileNotFoundError(2, "the demo runs from a clone of the repository", str(CHIRP))
    raise_on_interrupt()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="radarecg-demo-") as name, ExitStack() as stack:
        folder = Path(name)
        try:
            broker, mqtt_port = start_broker(stack, folder)
            web_port = usual_port(WEB_PORT)
            data_port, truth_port = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
            runtime = start(stack, "runtime", _runtime(folder, mqtt_port, web_port, data_port), folder)
            twin = start(stack, "twin", _twin(scene, data_port, truth_port), folder)
            subscriber = Subscriber(DEVICE, mqtt_port, truth_port)
            stack.callback(subscriber.close)
            page = f"http://127.0.0.1:{web_port}"
            print(f"live page: {page}", file=sys.stderr)
            start_s = time.monotonic()
            _watch(subscriber, [broker, twin, runtime], mqtt_port, page, duration_s)
        except DemoError as error:
            print(f"radarecg: error: {error}", file=sys.stderr)
            return 1
        elapsed_s = time.monotonic() - start_s
        if picture:
            _save(picture, view.render(subscriber.watch, DEVICE, mqtt_port, page, elapsed_s))
        wall_s = time.monotonic() - runtime.started_s
        summary = _summary(subscriber, elapsed_s, broker.name, runtime.stop(), wall_s)
    print(*describe_demo(subscriber.watch), "next:", *next_commands(CHIRP), sep="\n", file=sys.stderr)
    print(json.dumps(summary), flush=True)
    return _verdict(subscriber, elapsed_s)


def _watch(subscriber: Subscriber, parts: list[Child], mqtt_port: int, page: str, duration_s: float | None) -> None:
    """Show the results, live on a terminal and line by line elsewhere, until the time is over or Ctrl-C."""
    start_s = time.monotonic()
    console = Console(stderr=True)
    live = Live(console=console, auto_refresh=False) if console.is_terminal and not console.is_dumb_terminal else None
    with ExitStack() as stack:
        if live:
            stack.enter_context(live)
        try:
            while (elapsed_s := time.monotonic() - start_s) < (duration_s or float("inf")):
                vitals = subscriber.update(0.1)
                for part in parts:
                    part.require_alive()
                if live:
                    width, height = console.size
                    # One line less: a full screen would scroll.
                    shown = view.render(subscriber.watch, DEVICE, mqtt_port, page, elapsed_s, width, height - 1)
                    live.update(shown, refresh=True)
                elif vitals:
                    print(view.line(vitals, subscriber.watch.true_bpm, elapsed_s), file=sys.stderr)
        except KeyboardInterrupt:
            if not (subscriber.watch.vitals and subscriber.watch.vitals.frames.received):
                raise  # there are no results to summarise


def _runtime(folder: Path, mqtt_port: int, web_port: int, data_port: int) -> list[str]:
    config = folder / "radarecg.toml"
    config.write_text(
        f'device = "{DEVICE}"\n\n[radar]\ncfg = "{CHIRP}"\ndata_host = "127.0.0.1"\ndata_port = {data_port}\n\n'
        f"[mqtt]\nport = {mqtt_port}\n\n[web]\nport = {web_port}\n\n[history]\necg = 1\n"
    )
    return [sys.executable, "-m", "edge", "run", "--config", str(config)]


def _twin(scene: str, data_port: int, truth_port: int) -> list[str]:
    ports = ["--port", str(data_port), "--truth-port", str(truth_port)]
    return [sys.executable, "-m", "edge", "twin", "--cfg", str(CHIRP), "--scene", scene, *ports]


def _summary(
    subscriber: Subscriber, elapsed_s: float, broker: str, runtime: Usage | None, wall_s: float
) -> dict[str, object]:
    watch = subscriber.watch
    errors, timing = watch.errors_bpm, watch.r_errors_ms
    return {
        "messages": watch.messages,
        "valid_fraction": round(len(errors) / watch.vitals_count, 3) if watch.vitals_count else 0.0,
        "hr_mae_bpm": round(sum(errors) / len(errors), 2) if errors else None,
        "ecg_pcc": watch.ecg_pcc,
        "r_timing_ms_median": round(statistics.median(timing), 1) if timing else None,
        "mdr": round(1 - len(timing) / watch.true_beats, 4) if watch.true_beats else None,
        "false_valid_fraction": round(watch.wrong / len(errors), 4) if errors else None,
        "frames": watch.vitals.frames.received if watch.vitals else 0,
        "frames_lost": watch.vitals.frames.lost if watch.vitals else None,
        "latency_ms_p50": watch.latency_ms(50),
        "latency_ms_p99": watch.latency_ms(99),
        "runtime_cpu_share": round(runtime.cpu_s / wall_s, 3) if runtime else None,
        "runtime_rss_mb": round(runtime.peak_rss_mb, 1) if runtime else None,
        "broker": broker,
        "duration_s": round(elapsed_s, 1),
    }


def _verdict(subscriber: Subscriber, elapsed_s: float) -> int:
    """Return 0 if the chain worked; otherwise prints the reason to stderr and return 1."""
    watch = subscriber.watch
    if watch.vitals is None or watch.vitals.frames.received == 0:
        print("radarecg: error: no vitals with received radar frames arrived", file=sys.stderr)
        return 1
    if elapsed_s >= FIRST_RATE_TIMEOUT_S and not watch.errors_bpm:
        print(f"radarecg: error: no valid heart rate in {elapsed_s:.0f} s", file=sys.stderr)
        return 1
    return 0


def _save(picture: Path, image: object) -> None:
    console = Console(record=True, width=view.WIDTH, file=StringIO(), force_terminal=True)
    console.print(image)
    svg = console.export_svg(title="radarecg demo")
    picture.write_text(re.sub(r"@font-face {.*?}", "", svg, flags=re.DOTALL))  # no fonts from the network
