"""A hub for fleet.py: the broker of deploy/hub, FHIR bridges, the ward page and a plain subscriber, as processes."""

from __future__ import annotations

import getpass
import importlib.util
import json
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

from edge.cli.parser import COMMANDS
from edge.demo.processes import free_port, mosquitto_command

ROOT = Path(__file__).parents[1]
START_TIMEOUT_S = 60.0
HAS_WARD = "ward" in COMMANDS
HOME = "127.0.0.1"
# By default a bridge stores a rate a minute; here each message must be found again.
EVERY_MESSAGE = "[fhir]\nevery_s = 1"


class Usage(NamedTuple):
    """Processor time and resident memory of a process."""

    cpu_s: float = 0.0
    rss_mb: float = 0.0


class Program:
    """A process that can be killed and started again; `usage` is that of all its runs."""

    def __init__(self, stack: ExitStack, folder: Path, name: str, command: list[str]) -> None:
        self.name, self.log, self._command = name, folder / f"{name}.log", command
        self._before = Usage()
        stack.callback(self.stop)
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT)

    def kill(self) -> None:
        self._before = self.usage()
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End the process in order."""
        if self.process.poll() is None:
            self._before = self.usage()
            self.process.terminate()
            try:
                self.process.wait(START_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def usage(self) -> Usage:
        if self.process.poll() is not None:
            return self._before
        ticks = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        rss_kb = int(status.partition("VmHWM:")[2].split()[0])
        return Usage(self._before.cpu_s + sum(map(int, ticks)) / 100, max(self._before.rss_mb, rss_kb / 1024))

    def is_logged(self, words: str) -> bool:
        return words in self.log.read_text(errors="replace")


class Hub:
    """Sets up a hub in `folder` with deploy/hub/setup.py, and starts its broker.

    Devices with certificates connect to `device_port`, programs to `program_port`. `open_port` accepts every client
    and all topics: simulated devices that share a connection cannot have certificates of their own.
    """

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack, self.folder = stack, folder
        self.device_port, self.program_port, self.open_port = (free_port(socket.SOCK_STREAM) for _ in range(3))
        self._setup = _load_setup()
        with mock.patch("os.chown"):
            self._setup.set_up(folder / "etc", [HOME])
        self.programs = folder / "etc/programs"
        self.bridges: list[Program] = []
        self.broker = Program(stack, folder, "broker", self._broker_command())
        self.wait_for_broker()

    def certify(self, devices: list[str]) -> Path:
        """Issue certificates for devices; return their folder."""
        for device in devices:
            self._setup.add_certificate(self.folder / "etc", "devices", device)
        return self.folder / "etc/authorities/devices"

    def start(self, name: str, *command: str) -> Program:
        return Program(self._stack, self.folder, name, [sys.executable, *command])

    def start_subscriber(self, result: Path) -> Program:
        keys = [str(self.programs / name) for name in ("ca.crt", "telegraf.crt", "telegraf.key")]
        return self.start("subscriber", "bench/fleet_subscriber.py", str(self.program_port), *keys, str(result))

    def start_bridges(self, count: int) -> None:
        for k in range(1, count + 1):
            name, store = f"bridge-{k}", str(self.folder / "fhir")
            files = {"fhir-spool.db": f"{name}.db", "fhir-dead-letters": f"{name}-dead-letters"}
            places = {f"/var/lib/radarecg/{old}": new for old, new in files.items()}
            fhir = f"{EVERY_MESSAGE}\nshared = {'true' if count > 1 else 'false'}"
            config = self._settings("hub", name, places | {"[fhir]": fhir})
            command = ("-m", "edge", "fhir-bridge", store, "--config", str(config))
            self.bridges.append(self.start(name, *command))
        wait(lambda: all(bridge.is_logged("connected to the broker") for bridge in self.bridges), "the bridges")

    def start_ward(self) -> Program:
        port = free_port(socket.SOCK_STREAM)
        config = self._settings(
            "ward", "ward-page", {"0.0.0.0": HOME, "8081": str(port), "/var/lib/radarecg/ward.json": "ward.json"}
        )
        ward = self.start("ward", "-m", "edge", "ward", "--config", str(config))
        wait(lambda: _answers(port), "the ward page")
        return ward

    def restart_broker(self, pause_s: float) -> None:
        """Restart the broker as an upgrade would: it saves its sessions, and is away for a while."""
        self.broker.stop()
        time.sleep(pause_s)
        self.broker.start()
        self.wait_for_broker()

    def wait_for_broker(self) -> None:
        wait(lambda: all(map(_answers, (self.device_port, self.program_port, self.open_port))), "the broker")

    def waiting_in_bridges(self) -> int:
        """Return the number of messages in the spools of the bridges."""
        waiting = 0
        for path in self.programs.glob("bridge-*.db"):
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
                waiting += db.execute("SELECT count(*) FROM message").fetchone()[0]
        return waiting

    def _settings(self, kind: str, name: str, others: dict[str, str]) -> Path:
        """Write settings with local places in place of the container's; return their path."""
        path, text = self.programs / f"{name}.toml", (self.programs / f"{kind}.toml").read_text()
        for old, new in {'"broker"': f'"{HOME}"', "8884": str(self.program_port), **others}.items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        return path

    def _broker_command(self) -> list[str]:
        command = mosquitto_command(self.open_port, self.folder)
        if command is None:
            sys.exit("mosquitto is not installed")
        data = self.folder / "data"
        data.mkdir()
        text = (ROOT / "deploy/hub/mosquitto.conf").read_text()
        for old, new in (
            ("/mosquitto/config", str(self.folder / "etc/broker")),
            ("/mosquitto/data", str(data)),
            ("listener 8883", f"listener {self.device_port} {HOME}"),
            ("listener 8884", f"listener {self.program_port} {HOME}"),
        ):
            assert old in text
            text = text.replace(old, new)
        opened = f"listener {self.open_port} {HOME}\nallow_anonymous true\n"
        Path(command[-1]).write_text(f"user {getpass.getuser()}\n{text}\n{opened}")
        return command


def wait(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds; end the program if it does not within START_TIMEOUT_S."""
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline_s:
            sys.exit(f"{what}: not ready within {START_TIMEOUT_S:.0f} s")
        time.sleep(0.05)


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())


def _load_setup() -> ModuleType:
    """Load deploy/hub/setup.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("hub_setup", ROOT / "deploy/hub/setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOME, port)) == 0
