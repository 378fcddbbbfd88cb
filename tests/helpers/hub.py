"""A hub as deploy/hub/setup.py makes it, with its broker on free ports."""

import importlib.util
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from edge.mqtt.broker import Broker, tls_context
from tests.conftest import ROOT
from tests.helpers.brokers import answers, command, free_port
from tests.helpers.publishing import wait

HUB = ROOT / "deploy/hub"


@dataclass(frozen=True)
class Hub:
    """Folder of the set-up, and the broker's ports."""

    folder: Path
    device_port: int
    program_port: int

    def files(self, kind: str, name: str) -> tuple[Path, Path, Path]:
        """The authority of the broker, and a certificate of "devices" or "programs" with its key."""
        stem = self.folder / "authorities" / kind / name
        if not stem.with_suffix(".crt").exists():
            load_setup().add_certificate(self.folder, kind, name)
        return self.folder / "programs/ca.crt", stem.with_suffix(".crt"), stem.with_suffix(".key")

    def device(self, name: str) -> Broker:
        return Broker(port=self.device_port, tls=tls_context(*self.files("devices", name)))

    def program(self, name: str) -> Broker:
        return Broker(port=self.program_port, tls=tls_context(*self.files("programs", name)))


def load_setup():
    """deploy/ is no package: it is used before anything is installed."""
    spec = importlib.util.spec_from_file_location("hub_setup", HUB / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def set_up(folder: Path) -> Path:
    """Make the hub's files for 127.0.0.1; they stay this user's. Return their folder."""
    with mock.patch("os.chown"):
        load_setup().set_up(folder / "hub", ["127.0.0.1"])
    return folder / "hub"


@contextmanager
def running_hub(folder: Path, hub_folder: Path | None = None) -> Iterator[Hub]:
    """Runs the broker of the hub in `hub_folder`; None: sets one up."""
    hub = Hub(hub_folder or set_up(folder), free_port(), free_port())
    (folder / "data").mkdir(exist_ok=True)
    text = (hub.folder / "broker/mosquitto.conf").read_text()
    for old, new in (
        ("/mosquitto/config", str(hub.folder / "broker")),
        ("/mosquitto/data", str(folder / "data")),
        ("listener 8883", f"listener {hub.device_port} 127.0.0.1"),
        ("listener 8884", f"listener {hub.program_port} 127.0.0.1"),
    ):
        assert old in text
        text = text.replace(old, new)
    line = command("mosquitto", hub.device_port, folder)
    config = Path(line[-1])
    config.write_text(f"{config.read_text().splitlines()[0]}\n{text}")
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait(lambda: process.poll() is not None or all(map(answers, (hub.device_port, hub.program_port))))
            assert process.poll() is None, f"mosquitto ended with {process.returncode}"
            yield hub
        finally:
            process.kill()
