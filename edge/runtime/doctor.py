"""What stands between this machine and its first frame: one check a line, each with what to do about it.

A check changes nothing: card and broker are greeted, the radar is sent an empty line, which it answers with its prompt.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from edge.core.errors import InputError
from edge.dsp.sst.native import COMPILED
from edge.inference.loader import load_network
from edge.mqtt.broker import Broker, greet
from edge.radar.awr1843.driver import Awr1843
from edge.radar.awr1843.serial_port import AUTO, find_port
from edge.radar.boards import require_endless
from edge.radar.chirp import require_heartbeat
from edge.radar.chirp_file.limits import LIMITS
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.dca1000.control import FEW_ATTEMPTS, Card, CardConfig, require_rate
from edge.radar.dca1000.data_port import DEFAULT_DATA_PORT
from edge.radar.dca1000.udp import WANTED_BUFFER_BYTES, enlarge_command
from edge.runtime.config import Config, broker_of, calibration_of, card_of, load_config, network_of
from edge.runtime.running_service import service_with, udp_sockets

RMEM_MAX = Path("/proc/sys/net/core/rmem_max")


class Finding(NamedTuple):
    """`text` says what was found and, unless all is well, what to do. Only FAIL keeps frames or vitals from coming."""

    level: Literal["ok", "warn", "FAIL"]
    text: str


@dataclass(frozen=True)
class Setup:
    """What is to be checked: the settings as `radarecg run` would use them, without a file the defaults."""

    config: Config | None = None
    path: Path = Path()

    @property
    def cfg(self) -> Path | None:
        """The chirp file, if one is named."""
        return self.path.parent / self.config.radar.cfg if self.config else None

    @property
    def drives_boards(self) -> bool:
        """Whether `run` starts radar and card itself."""
        return self.config is None or self.config.radar.serial is not None

    @property
    def card(self) -> CardConfig:
        """The card's settings. Raises CardError, FileNotFoundError."""
        return card_of(self.config, self.path) if self.config else CardConfig()


OTHERS = Finding("warn", "others start them (no serial in the settings)")


def _in_service(files: set[str]) -> Finding | None:
    """What to say of a port that the running service has: checking it would only disturb."""
    if (process := service_with(files)) is None:
        return None
    return Finding("ok", f"in use by the running radarecg (process {process}), as it should be")


def load_setup(path: Path | None) -> Setup:
    """From a settings file, if there is one. Raises ConfigError, FileNotFoundError."""
    return Setup(load_config(path), path) if path else Setup()


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
    if setup.cfg is None:
        return Finding("warn", "none to check: give the settings with --config")
    chirp = load_chirp(setup.cfg)
    require_heartbeat(chirp)
    require_endless(chirp)
    if setup.config and (setup.config.radar.serial or setup.config.radar.card):
        require_rate(chirp, setup.card)
    image = chirp.image if setup.drives_boards else chirp.firmware or "mmWave Studio"
    return Finding("ok", f"{setup.cfg}: {chirp.frame_rate_hz:g} frames/s for {image}, all {len(LIMITS)} limits kept")


def _calibration(setup: Setup) -> Finding:
    if setup.config is None or setup.config.radar.calibration is None:
        return Finding("warn", "none is named (radar.calibration): points of the chest are found less surely")
    calibration_of(setup.config, setup.path, load_chirp(setup.path.parent / setup.config.radar.cfg))
    return Finding("ok", f"{setup.config.radar.calibration} fits the chirp file")


def _radar(setup: Setup) -> Finding:
    if not setup.drives_boards:
        return OTHERS
    firmware = load_chirp(setup.cfg).image if setup.cfg else "studio_cli"
    serial = (setup.config and setup.config.radar.serial) or AUTO
    port = find_port() if serial == AUTO else serial
    if used := _in_service({str(Path(port).resolve())}):
        return used
    with Awr1843(port, firmware) as radar:
        return Finding("ok", f"{radar.port} is answering")


def _host_address(setup: Setup) -> Finding:
    if not setup.drives_boards:
        return OTHERS
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
    if not setup.drives_boards:
        return OTHERS
    if used := _in_service(udp_sockets(setup.card.control_port)):
        return used
    with Card(setup.card) as card:
        card.connect(attempts=FEW_ATTEMPTS)
        version = card.version()
    return Finding("ok", f"{setup.card.card_address} answers, FPGA {version.major}.{version.minor}")


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
                errno.EADDRNOTAVAIL: "correct data_host under [radar], or give an interface that address",
                errno.EADDRINUSE: "if that is not radarecg in a container, stop the other program that listens there, "
                "or choose another data_port",
            }.get(error.errno or 0, "correct data_host and data_port under [radar]")
            return Finding("FAIL", f"cannot listen on {host}:{port} ({error.strerror or error}): {advice}")
    return Finding("ok", f"{host}:{port} can be listened on")


def _receive_buffer(setup: Setup) -> Finding:
    try:
        largest = int(RMEM_MAX.read_text())
    except FileNotFoundError:
        return Finding("warn", "this system does not tell how large it may be; a warning at the start will")
    if largest < WANTED_BUFFER_BYTES:
        return Finding("warn", f"at most {largest >> 10} KiB, frames may be lost under load: {enlarge_command()}")
    return Finding("ok", f"up to {largest >> 10} KiB")


def _broker(setup: Setup) -> Finding:
    broker = broker_of(setup.config, setup.path) if setup.config else Broker()
    place = f"{broker.host}:{broker.port}"
    try:
        answer = greet(broker)
    except OSError as error:
        return Finding("FAIL", f"{place}: {error.strerror or error}; start it, or name another under [mqtt]")
    if answer is None:
        return Finding("FAIL", f"{place} accepts connections but does not speak MQTT; name another under [mqtt]")
    if answer.is_failure:
        return Finding("FAIL", f"{place} refuses us ({answer}): correct username and password_file under [mqtt]")
    return Finding("ok", f"{place} lets us in")


def _sst(setup: Setup) -> Finding:
    if COMPILED:
        return Finding("ok", "compiled")
    return Finding("warn", "computed by numpy, which is slower: install a C compiler, then pip install -e . again")


def _network(setup: Setup) -> Finding:
    network = network_of(setup.config, setup.path) if setup.config else load_network()
    if network is None:
        return Finding("warn", 'none is wanted ([network] backend = "none"): there will be no ECG')
    return Finding("ok", f"{network.name} is whole and runs")


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
)
