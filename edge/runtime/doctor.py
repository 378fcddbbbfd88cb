"""Checks that this machine, the boards and the broker are ready: one line per check, with advice for each problem.

A check changes nothing: it only connects to the card and the broker, and sends the radar an empty line, to which the
radar replies with its prompt.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from edge.core.errors import InputError
from edge.core.settings import is_loopback, resolve_file
from edge.dsp.sst.native import COMPILED, NOT_COMPILED
from edge.inference.ladder import place_network
from edge.inference.settings import NetworkConfig, network_files
from edge.mqtt.broker import Broker, probe_broker
from edge.mqtt.settings import load_broker
from edge.radar.awr1843.driver import Awr1843
from edge.radar.awr1843.serial_port import AUTO, find_port
from edge.radar.boards import require_unlimited_frames
from edge.radar.calibration_file import load_calibration
from edge.radar.chirp import require_heartbeat
from edge.radar.chirp_file.limits import LIMITS
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.dca1000.control import FEW_ATTEMPTS, Card, CardConfig, load_card, require_rate
from edge.radar.dca1000.data_port import DEFAULT_DATA_PORT
from edge.radar.dca1000.udp import WANTED_BUFFER_BYTES, enlarge_command
from edge.runtime.config import Config, load_config
from edge.runtime.personal_shift import check_personal_delay
from edge.runtime.running_service import service_with, udp_sockets

RMEM_MAX = Path("/proc/sys/net/core/rmem_max")


class Finding(NamedTuple):
    """The result of one check: `text` describes the state and, for "warn" and "FAIL", what to do.

    Only "FAIL" prevents frames or vitals.
    """

    level: Literal["ok", "warn", "FAIL"]
    text: str


@dataclass(frozen=True)
class Setup:
    """What to check: the settings as `radarecg run` uses them, or the defaults without a file."""

    config: Config | None = None
    path: Path = Path()

    @property
    def cfg(self) -> Path | None:
        """The chirp file, or None without settings."""
        return self.path.parent / self.config.radar.cfg if self.config else None

    @property
    def drives_boards(self) -> bool:
        """Whether `radarecg run` starts the radar and the card."""
        return self.config is None or self.config.radar.serial is not None

    @property
    def card(self) -> CardConfig:
        """The card's settings. Raises CardError, FileNotFoundError."""
        return load_card(resolve_file(self.path, self.config.radar.card) if self.config else None)


BOARDS_NOT_DRIVEN = Finding("warn", "not checked: radarecg does not start the boards (no serial in the settings)")


def _in_service(files: set[str]) -> Finding | None:
    """Return the finding for a port that the running service uses: a check would disturb the service."""
    if (process := service_with(files)) is None:
        return None
    return Finding("ok", f"in use by the running radarecg (process {process}), as expected")


def load_setup(path: Path | None) -> Setup:
    """Load the settings file, if one is given. Raises ConfigError, FileNotFoundError."""
    return Setup(load_config(path), path) if path else Setup()


def examine(setup: Setup) -> int:
    """Run all checks and print one line for each; return 1 if any fails, else 0."""
    return run_checks(CHECKS, setup)


def run_checks(checks: Sequence[tuple[str, Callable[[Setup], Finding]]], setup: Setup) -> int:
    """Run the given checks and print one line for each; return 1 if any fails, else 0."""
    failed = False
    for name, check in checks:
        try:
            finding = check(setup)
        except (InputError, OSError) as error:  # the check could not run
            finding = Finding("FAIL", str(error))
        print(f"{finding.level:>4}  {name:<14}  {finding.text}", flush=True)
        failed |= finding.level == "FAIL"
    return int(failed)


def _chirp_file(setup: Setup) -> Finding:
    if setup.cfg is None:
        return Finding("warn", "not checked: name a settings file with --config")
    chirp = load_chirp(setup.cfg)
    require_heartbeat(chirp)
    require_unlimited_frames(chirp)
    if setup.config and (setup.config.radar.serial or setup.config.radar.card):
        require_rate(chirp, setup.card)
    image = chirp.image if setup.drives_boards else chirp.firmware or "mmWave Studio"
    return Finding("ok", f"{setup.cfg}: {chirp.frame_rate_hz:g} frames/s for {image}, within all {len(LIMITS)} limits")


def _calibration(setup: Setup) -> Finding:
    if setup.cfg is None or setup.config is None or setup.config.radar.calibration is None:
        return Finding("warn", "not set (radar.calibration): the chest's points are detected less reliably")
    load_calibration(setup.path.parent / setup.config.radar.calibration, load_chirp(setup.cfg))
    return Finding("ok", f"{setup.config.radar.calibration} fits the chirp file")


def _radar(setup: Setup) -> Finding:
    if not setup.drives_boards:
        return BOARDS_NOT_DRIVEN
    firmware = load_chirp(setup.cfg).image if setup.cfg else "studio_cli"
    serial = (setup.config and setup.config.radar.serial) or AUTO
    port = find_port() if serial == AUTO else serial
    if used := _in_service({str(Path(port).resolve())}):
        return used
    with Awr1843(port, firmware) as radar:
        return Finding("ok", f"{radar.port} responds")


def _host_address(setup: Setup) -> Finding:
    if not setup.drives_boards:
        return BOARDS_NOT_DRIVEN
    address = setup.card.host_address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            return Finding(
                "FAIL", f"no interface has {address}: sudo ip address add {address}/24 dev (the card's port)"
            )
    return Finding("ok", f"this machine has {address}")


def _card(setup: Setup) -> Finding:
    if not setup.drives_boards:
        return BOARDS_NOT_DRIVEN
    if used := _in_service(udp_sockets(setup.card.control_port)):
        return used
    with Card(setup.card) as card:
        card.connect(attempts=FEW_ATTEMPTS)
        version = card.version()
    return Finding("ok", f"{setup.card.card_address} responds, FPGA {version.major}.{version.minor}")


def _data_port(setup: Setup) -> Finding:
    host, port = "0.0.0.0", DEFAULT_DATA_PORT
    if setup.config:
        host, port = setup.config.radar.data_host, setup.config.radar.data_port
    if used := _in_service(udp_sockets(port)):
        return used
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, port))
        except OSError as error:
            advice = {
                errno.EADDRNOTAVAIL: "correct data_host under [radar], or assign that address to an interface",
                errno.EADDRINUSE: "stop the program that uses this port (unless it is radarecg in a container), or "
                "choose another data_port",
            }.get(error.errno or 0, "correct data_host and data_port under [radar]")
            return Finding("FAIL", f"cannot listen on {host}:{port} ({error.strerror or error}): {advice}")
    return Finding("ok", f"{host}:{port} is free")


def _receive_buffer(_setup: Setup) -> Finding:
    try:
        largest = int(RMEM_MAX.read_text())
    except FileNotFoundError:
        return Finding("warn", "its maximum size is unknown on this system; radarecg run warns if it is too small")
    if largest < WANTED_BUFFER_BYTES:
        return Finding("warn", f"at most {largest >> 10} KiB, frames may be lost under load: {enlarge_command()}")
    return Finding("ok", f"up to {largest >> 10} KiB")


def _broker(setup: Setup) -> Finding:
    broker = load_broker(setup.config.mqtt, setup.path) if setup.config else Broker()
    # A broker that makes the user name the client id would end the service's connection for this one.
    if setup.config and (used := _in_service({str((setup.path.parent / setup.config.spool.file).resolve())})):
        return used
    address = broker.address
    try:
        response = probe_broker(broker)
    except OSError as error:
        reason = error.strerror or error
        return Finding("FAIL", f"{address}: {reason}; start the broker, or correct host and port under [mqtt]")
    if response is None:
        return Finding(
            "FAIL", f"{address} accepts connections but is not an MQTT broker; correct host and port under [mqtt]"
        )
    if response.is_failure:
        return Finding(
            "FAIL", f"{address} refuses the login ({response}): correct username and password_file under [mqtt]"
        )
    if broker.tls is None and not is_loopback(broker.host):
        return Finding("warn", f"{address} accepts the connection, not encrypted: set tls = true under [mqtt]")
    return Finding("ok", f"{address} accepts the connection")


def _sst(_setup: Setup) -> Finding:
    if COMPILED:
        return Finding("ok", "compiled")
    return Finding("FAIL", NOT_COMPILED)


def _network(setup: Setup) -> Finding:
    wanted = setup.config.network if setup.config else NetworkConfig()
    if wanted.backend == "none":
        return Finding("warn", 'disabled ([network] backend = "none"): no ECG is reconstructed')
    files = network_files(wanted, setup.path)
    placed = place_network(files.load_bundle(), files)
    if placed.fallback is None:
        return Finding("ok", f"{placed.name} is intact and runs on {placed.rung}")
    return Finding(
        "warn",
        f"{placed.name} does not run on {wanted.backend} but on {placed.rung}: {placed.fallback}. To return to "
        f"{wanted.backend}, do what the first problem asks for, then restart radarecg",
    )


CHECKS: tuple[tuple[str, Callable[[Setup], Finding]], ...] = (
    ("chirp file", _chirp_file),
    ("calibration", _calibration),
    ("radar", _radar),
    ("host address", _host_address),
    ("card", _card),
    ("data port", _data_port),
    ("receive buffer", _receive_buffer),
    ("broker", _broker),
    ("SST", _sst),
    ("network", _network),
    ("personal delay", lambda setup: Finding(*check_personal_delay(setup.config, setup.path))),
)
