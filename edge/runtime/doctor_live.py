"""`radarecg doctor --live`: shows in the terminal how the radar is aimed, until q or Ctrl-C.

The data come from the page of the running service, or else from the radar itself, as `radarecg run` would start it.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import shutil
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from edge.core.errors import InputError
from edge.core.settings import resolve_file
from edge.core.types import EcgBlock, Quality, Vitals, Waveform
from edge.pipeline import Pipeline, run
from edge.radar.boards import open_boards
from edge.radar.calibration_file import load_calibration
from edge.radar.chirp_file.parser import load_chirp
from edge.runtime.config import Config, WebConfig
from edge.runtime.doctor import Setup
from edge.runtime.keyboard import Keyboard, call_on_q
from edge.runtime.placement_view import placement_lines
from edge.runtime.running_service import service_with, udp_sockets
from edge.sources.live import LiveSource
from edge.web.access import read_token
from edge.web.messages import PlacementMessage, placement_message

RECEIVE_TIMEOUT_S = 5.0  # the page sends every second

Show = Callable[[PlacementMessage], None]
OnStop = Callable[[Callable[[], object]], None]


def watch_placement(setup: Setup, on_stop: OnStop, show: Show) -> None:
    """Show the placement every second until stopped. Raises InputError, OSError."""
    if setup.config is None:
        raise InputError("--live needs the settings file of radarecg run: name it with --config")
    if setup.config.web and (connection := _connect(setup.config.web)):
        with closing(connection):
            _show_page(connection, setup.config.web, setup.path, on_stop, show)
        return
    if process := service_with(udp_sockets(setup.config.radar.data_port)):
        raise InputError(
            f"radarecg runs (process {process}) without a page: add [web] to its settings and restart it, or stop it"
        )
    _show_radar(setup.config, setup, on_stop, show)


def show_on_terminal(placement: PlacementMessage) -> None:
    """Draw the placement over the last one; without a terminal, print the advice as a line."""
    if not sys.stdout.isatty():
        print(placement.advice, flush=True)
        return
    width, height = shutil.get_terminal_size()
    text = "\n".join(placement_lines(placement, width, height - 1))
    print(f"\x1b[H\x1b[J{text}", end="", flush=True)


def _connect(web: WebConfig) -> http.client.HTTPConnection | None:
    """Connect to the page of the service on this machine; None if nothing answers there."""
    connection = http.client.HTTPConnection(_reachable(web.host), web.port, timeout=RECEIVE_TIMEOUT_S)
    try:
        connection.connect()
    except ConnectionRefusedError:
        return None
    return connection


def _reachable(host: str) -> str:
    """Return the host, or loopback if the page is served on all addresses."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return {4: "127.0.0.1", 6: "::1"}[address.version] if address.is_unspecified else host


def _show_page(connection: http.client.HTTPConnection, web: WebConfig, path: Path, on_stop: OnStop, show: Show) -> None:
    token_file = resolve_file(path, web.token_file)
    headers = {"Authorization": f"Bearer {read_token(token_file)}"} if token_file else {}
    connection.request("GET", "/events", headers=headers)
    response = connection.getresponse()
    if response.status != 200 or response.getheader("Content-Type") != "text/event-stream":
        raise InputError(
            f"{web.host}:{web.port} answers {response.status}, not as the page of radarecg: correct [web] in {path}"
        )
    stopped: list[bool] = []

    def stop() -> None:
        stopped.append(True)

    on_stop(stop)
    with closing(response), Keyboard(call_on_q(stop)):
        for line in response:  # vitals come every second, so a stop takes no longer
            if stopped:
                return
            if placement := _placement(line):
                show(placement)
    raise InputError("the page has ended: radarecg was stopped")


def _placement(line: bytes) -> PlacementMessage | None:
    """Return the placement in a line of server-sent events, if it has one."""
    if not line.startswith(b"data: "):
        return None
    data = json.loads(line.removeprefix(b"data: "))
    return msgspec.convert(data, PlacementMessage) if data["event"] == "placement" else None


def _show_radar(config: Config, setup: Setup, on_stop: OnStop, show: Show) -> None:
    """Start the boards, if the settings say so, and show what the radar sends."""
    radar = config.radar
    chirp = load_chirp(setup.path.parent / radar.cfg)
    pipeline = Pipeline(chirp, lambda: True, load_calibration(resolve_file(setup.path, radar.calibration), chirp))
    with open_boards(chirp, radar.serial, setup.card) as driven:
        source = LiveSource(chirp, radar.iq_order, radar.data_host, radar.data_port)
        on_stop(source.close)
        driven.start(source.silence_s)
        with Keyboard(call_on_q(source.close)):
            run(source, pipeline, _PlacementSink(pipeline, show))


class _PlacementSink:
    """Shows the placement with each second's vitals."""

    def __init__(self, pipeline: Pipeline, show: Show) -> None:
        self._pipeline, self._show = pipeline, show

    def waveform(self, wave: Waveform) -> None:
        """Ignores the waveform."""

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        """Ignores the ECG."""

    def vitals(self, vitals: Vitals) -> None:
        """Show the placement of this second."""
        if placement := self._pipeline.placement():
            self._show(placement_message(placement))
