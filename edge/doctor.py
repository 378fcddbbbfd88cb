"""What stands between this machine and its first frame: one check a line, each with what to do about it.

A check changes nothing: the card is greeted, not configured; the radar's port is looked for, not opened.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from edge.config import Config, load_config
from edge.dsp.sst_native import COMPILED
from edge.errors import InputError
from edge.mqtt.client import Broker
from edge.radar.awr1843 import find_port
from edge.radar.dca1000_control import Card, CardConfig, load_card
from edge.radar.firmware import load_chirp
from edge.radar.limits import LIMITS
from edge.radar.udp import WANTED_BUFFER_BYTES, enlarge_command

RMEM_MAX = Path("/proc/sys/net/core/rmem_max")
BROKER_S = 2.0


class Finding(NamedTuple):
    """`text` says what was found and, unless all is well, what to do. Only FAIL keeps frames or vitals from coming."""

    level: Literal["ok", "warn", "FAIL"]
    text: str


@dataclass(frozen=True)
class Setup:
    """What is to be checked: the settings as `radarecg run` would use them, without a file the defaults."""

    config: Config | None = None
    folder: Path = Path()

    @property
    def card(self) -> CardConfig:
        """The card's settings. Raises CardError, FileNotFoundError."""
        name = self.config and self.config.radar.card
        return load_card(self.folder / name) if name else CardConfig()


def load_setup(path: Path | None) -> Setup:
    """From a settings file, if there is one. Raises ConfigError, FileNotFoundError."""
    return Setup(load_config(path), path.parent) if path else Setup()


def examine(setup: Setup) -> int:
    """Prints a line a check; returns 1 if any FAILs, else 0."""
    failed = False
    for name, check in CHECKS:
        try:
            finding = check(setup)
        except (InputError, OSError) as error:  # what a check cannot even read
            finding = Finding("FAIL", str(error))
        print(f"{finding.level:>4}  {name:<14}  {finding.text}", flush=True)
        failed |= finding.level == "FAIL"
    return int(failed)


def _chirp_file(setup: Setup) -> Finding:
    if setup.config is None:
        return Finding("warn", "none to check: give the settings with --config")
    path = setup.folder / setup.config.radar.cfg
    chirp = load_chirp(path)
    return Finding(
        "ok", f"{path}: {chirp.frame_rate_hz:g} frames/s for {chirp.firmware}, all {len(LIMITS)} limits kept"
    )


def _serial_port(setup: Setup) -> Finding:
    port = find_port()
    if not os.access(port, os.R_OK | os.W_OK):
        return Finding("FAIL", f"{port} is not ours to use: sudo usermod -aG dialout $USER, then log in again")
    return Finding("ok", str(port))


def _host_address(setup: Setup) -> Finding:
    address = setup.card.host_address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            return Finding(
                "FAIL", f"{address} is on no interface: sudo ip address add {address}/24 dev (the card's port)"
            )
    return Finding("ok", f"{address} is this machine's")


def _card(setup: Setup) -> Finding:
    with Card(setup.card) as card:
        card.connect(attempts=2)
        version = card.version()
    return Finding("ok", f"{setup.card.card_address} answers, FPGA {version.major}.{version.minor}")


def _receive_buffer(setup: Setup) -> Finding:
    try:
        largest = int(RMEM_MAX.read_text())
    except FileNotFoundError:
        return Finding("warn", "this system does not tell how large it may be; a warning at the start will")
    if largest < WANTED_BUFFER_BYTES:
        return Finding("warn", f"at most {largest >> 10} KiB, frames may be lost under load: {enlarge_command()}")
    return Finding("ok", f"up to {largest >> 10} KiB")


def _broker(setup: Setup) -> Finding:
    broker = setup.config.mqtt if setup.config else Broker()
    place = f"{broker.host}:{broker.port}"
    try:
        socket.create_connection((broker.host, broker.port), timeout=BROKER_S).close()
    except OSError as error:
        return Finding("FAIL", f"{place}: {error.strerror or error}; start it, or name another under [mqtt]")
    return Finding("ok", f"{place} accepts connections")


def _sst(setup: Setup) -> Finding:
    if COMPILED:
        return Finding("ok", "compiled")
    return Finding("warn", "computed by numpy, which is slower: install a C compiler, then pip install -e . again")


CHECKS: tuple[tuple[str, Callable[[Setup], Finding]], ...] = (
    ("chirp file", _chirp_file),
    ("radar's port", _serial_port),
    ("host address", _host_address),
    ("card", _card),
    ("receive buffer", _receive_buffer),
    ("broker", _broker),
    ("SST", _sst),
)
