"""What stands around the container under test: podman, a broker, the twin's boards, and a hub that listens."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.demo.processes import Child, free_port, start
from tests.container.slow_twin import SLOWER

ROOT = Path(__file__).parents[2]
NAME, DEVICE = "radarecg-test", "radar-0001"
BPM = 68.0
LIMITS = [f"--ulimit={kind}=1024:1024" for kind in ("nofile", "nproc")]
"""For podman, whose own may be above those that this machine's root may give."""

ON_CPU = 'backend = "onnxruntime"'
SETTINGS = f"""\
device = "{DEVICE}"
[radar]
cfg = "awr1843_mmecg.cfg"
serial = "/dev/ttyACM0"
card = "dca1000.toml"
data_host = "127.0.0.1"
[mqtt]
host = "localhost"
port = 8885
tls = true
ca = "ca.crt"
username = "{DEVICE}"
password_file = "password"
home_assistant = true
[network]
NETWORK
[spool]
file = "/var/lib/radarecg/spool/radarecg-spool.db"
"""


class Podman:
    """The engine, with the images of `run.sh`."""

    def __init__(self, work: Path) -> None:
        self.work = work
        store = ["--root", str(work / "images"), "--runroot", str(work / "run")]
        self._command = ["podman", *store, "--cgroup-manager", "cgroupfs", "--runtime", "runc"]

    def __call__(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([*self._command, *words], capture_output=True, text=True)
        if check and done.returncode:
            raise SystemExit(f"podman {words[0]} failed: {done.stderr.strip()}")
        return done

    def json(self, *words: str) -> Any:
        return json.loads(self(*words).stdout)


class Hub:
    """Hears everything as Home Assistant would, with its password."""

    def __init__(self, folder: Path) -> None:
        self.messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        password = (folder / "authority" / "home-assistant.password").read_text().strip()
        self._client.username_pw_set("home-assistant", password)
        self._client.tls_set_context(ssl.create_default_context(cafile=folder / "ca.crt"))
        self._client.on_connect = lambda client, *_: client.subscribe([("radarecg/#", 1), ("homeassistant/#", 1)])
        self._client.on_message = lambda client, userdata, m: self.messages.put((m.topic, json.loads(m.payload)))
        self._client.connect("localhost", 8883)
        self._client.loop_start()

    def listen(self, seconds: float) -> Iterator[tuple[str, Any]]:
        """What comes within so many seconds: the topic's last part, and the message."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            try:
                topic, message = self.messages.get(timeout=left_s)
            except queue.Empty:
                return
            yield topic.removeprefix(f"radarecg/v1/{DEVICE}/"), message


def set_up(folder: Path, network: str = ON_CPU) -> Path:
    """The settings that deploy/setup.py makes, then the twin's boards, and a network on the CPU or as given."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, ROOT / "deploy/setup.py", "--device", DEVICE, "--folder", folder], check=True)
    (folder / "radarecg.toml").write_text(SETTINGS.replace("NETWORK", network))
    shutil.copy(ROOT / "firmware_config" / "dca1000_twin.toml", folder / "dca1000.toml")
    return folder


def importable(podman: Podman, image: str, folder: Path, place: str) -> list[str]:
    """What of podman run lets the image import the modules in `folder`, mounted at `place`, container_start.py at once.

    PYTHONPATH would not do, because -I ignores it, nor a sitecustomize.py, because Debian has its own.
    """
    program = ("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    packages = podman("run", "--rm", "--no-healthcheck", *LIMITS, image, *program).stdout.strip()
    path_file = podman.work / "container_start.pth"
    path_file.write_text(f"{place}\nimport container_start\n")
    path_file.chmod(0o644)
    return ["--volume", f"{folder}:{place}:ro", "--volume", f"{path_file}:{packages}/{path_file.name}:ro"]


def start_broker(stack: ExitStack, folder: Path) -> Child:
    """mosquitto with the settings of compose.yaml's."""
    config = folder / "broker" / "mosquitto.conf"
    places = {"/mosquitto/config": str(config.parent), "/mosquitto/data/": f"{config.parent}/"}
    text = re.sub("|".join(places), lambda found: places[found[0]], config.read_text())
    config.write_text(f"user root\n{text}")
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program
    broker = start(stack, "broker", [program, "-c", str(config)], folder)
    time.sleep(1)
    broker.require_alive()
    return broker


def start_twin(stack: ExitStack, folder: Path, slower: float = SLOWER) -> tuple[Child, str]:
    """Both boards and the person in front of them, `slower` times; the serial port of the radar."""
    cfg, card = (ROOT / "firmware_config" / name for name in ("awr1843_mmecg.cfg", "dca1000_twin.toml"))
    words = ["--cfg", str(cfg), "--card", str(card), "--heart-rate-bpm", str(BPM)]
    program = str(Path(__file__).with_name("slow_twin.py"))
    twin = start(stack, "twin", [sys.executable, program, str(slower), *words], folder)
    end_s = time.monotonic() + 60
    while not (found := re.search(r"^/dev/pts/\d+$", (folder / "twin.log").read_text(), re.MULTILINE)):
        twin.require_alive()
        assert time.monotonic() < end_s, "the twin does not name its port"
        time.sleep(0.1)
    Path(found[0]).chmod(0o666)  # a board's port belongs to the group dialout, a pty to who made it
    return twin, found[0]


@contextmanager
def running(podman: Podman, image: str, folder: Path, port: str, *options: str) -> Iterator[None]:
    """The container, with compose.yaml's restrictions; but the radar's port, a pty, is given by name.

    `options`: further ones of podman run.
    """
    podman("rm", "--force", "--ignore", NAME)
    podman("volume", "rm", "--force", f"{NAME}-spool")
    podman(
        *("run", "--detach", "--name", NAME, "--network", "host", "--read-only", "--read-only-tmpfs=false"),
        *("--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--stop-timeout", "60"),
        *("--volume", f"{folder}:/etc/radarecg:ro", "--volume", f"{NAME}-spool:/var/lib/radarecg/spool"),
        *("--env", f"RADARECG_WEB__PORT={free_port(socket.SOCK_STREAM)}"),
        *("--volume", f"{port}:/dev/ttyACM0", "--device-cgroup-rule", "c 136:* rw", *LIMITS, *options, image),
    )
    try:
        yield
    finally:
        print(podman("logs", NAME, check=False).stderr, flush=True)
        podman("rm", "--force", "--time", "5", NAME)
