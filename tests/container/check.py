"""Runs the image as compose.yaml would, with a twin and a broker outside, and looks at what a device's owner relies on.

The radar, the card and the person are the twin's, on this machine: real UDP to the card's data port, its control port,
and the radar's console on a pty. The broker is mosquitto as deploy/setup.py sets it up: TLS, passwords, access lists.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.demo.processes import Child, start

ROOT = Path(__file__).parents[2]
NAME, DEVICE = "radarecg-test", "radar-0001"
LOCK = ROOT / "deploy" / "lock" / "onnxruntime.txt"
BPM = 68.0
WATCHED_S = 60.0
START_S = 300.0
"""Emulated, a process needs long until its first second's vitals."""

SETTINGS = f"""\
device = "{DEVICE}"
[radar]
cfg = "awr1843_mmecg.cfg"
serial = "/dev/ttyACM0"
card = "dca1000.toml"
data_host = "127.0.0.1"
[mqtt]
host = "localhost"
port = 8883
tls = true
ca = "ca.crt"
username = "{DEVICE}"
password_file = "password"
home_assistant = true
[network]
backend = "onnxruntime"
[spool]
file = "/var/lib/radarecg/spool/radarecg-spool.db"
"""


class Podman:
    """The engine, with the images of `run.sh`."""

    def __init__(self, work: Path) -> None:
        store = ["--root", str(work / "images"), "--runroot", str(work / "run")]
        self._command = [
            "podman",
            "--storage-driver",
            "vfs",
            *store,
            "--cgroup-manager",
            "cgroupfs",
            "--runtime",
            "runc",
        ]

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


def ask(what: str, good: bool, found: object = "") -> None:
    """One line a check; the first that fails ends it."""
    print(f"{'ok' if good else 'FAIL':>4}  {what}{f': {found}' if found != '' else ''}", flush=True)
    if not good:
        raise SystemExit(1)


def set_up(folder: Path) -> Path:
    """The settings that deploy/setup.py makes, then the twin's boards and the CPU in place of real ones and the GPU."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, ROOT / "deploy/setup.py", "--device", DEVICE, "--folder", folder], check=True)
    (folder / "radarecg.toml").write_text(SETTINGS)
    shutil.copy(ROOT / "firmware_config" / "dca1000_twin.toml", folder / "dca1000.toml")
    return folder


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


def start_twin(stack: ExitStack, folder: Path) -> tuple[Child, str]:
    """Both boards and the person in front of them; the serial port of the radar."""
    cfg, card = (ROOT / "firmware_config" / name for name in ("awr1843_mmecg.cfg", "dca1000_twin.toml"))
    command = [
        sys.executable,
        "-m",
        "edge",
        "twin",
        "--cfg",
        str(cfg),
        "--card",
        str(card),
        "--heart-rate-bpm",
        str(BPM),
    ]
    twin = start(stack, "twin", command, folder)
    end_s = time.monotonic() + 60
    while not (found := re.search(r"^/dev/pts/\d+$", (folder / "twin.log").read_text(), re.MULTILINE)):
        twin.require_alive()
        assert time.monotonic() < end_s, "the twin does not name its port"
        time.sleep(0.1)
    Path(found[0]).chmod(0o666)  # a board's port belongs to the group dialout, a pty to who made it
    return twin, found[0]


@contextmanager
def running(podman: Podman, image: str, folder: Path, port: str) -> Iterator[None]:
    """The container, with compose.yaml's restrictions; but the radar's port, a pty, is given by name."""
    podman("rm", "--force", "--ignore", NAME)
    limits = [
        f"--ulimit={kind}=1024:1024" for kind in ("nofile", "nproc")
    ]  # podman's own need more rights than root has
    podman(
        *("run", "--detach", "--name", NAME, "--network", "host", "--read-only", "--read-only-tmpfs=false"),
        *("--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--stop-timeout", "60"),
        *("--volume", f"{folder}:/etc/radarecg:ro", "--volume", "radarecg-test-spool:/var/lib/radarecg/spool"),
        *("--volume", f"{port}:/dev/ttyACM0", "--device-cgroup-rule", "c 136:* rw", *limits, image),
    )
    try:
        yield
    finally:
        print(podman("logs", NAME, check=False).stderr, flush=True)
        podman("rm", "--force", "--time", "5", NAME)


def inside(podman: Podman, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in the running container."""
    return podman("exec", NAME, *words, check=False)


def locked(python: str) -> dict[str, str]:
    """Name and version of every package that the lock file has for this Python on arm64."""
    place = {"python_full_version": python, "python_version": ".".join(python.split(".")[:2]), "sys_platform": "linux"}
    lines = (line.removesuffix(" \\") for line in LOCK.read_text().splitlines() if re.match(r"[a-z]", line))
    wanted = map(Requirement, lines)
    return {each.name: str(each.specifier)[2:] for each in wanted if not each.marker or each.marker.evaluate(place)}


def check_image(podman: Podman, image: str) -> None:
    """What is in the image, before anything runs."""
    found, base = (podman.json("image", "inspect", name)[0] for name in (image, "localhost/radarecg-test-base"))
    ask("arm64", found["Architecture"] == "arm64")
    ask("the user is not root", found["Config"]["User"] == "radarecg", found["Config"]["User"])
    ask("a health check", bool(found["Healthcheck"]))
    added_mb = (found["Size"] - base["Size"]) / 1e6
    print(f"      image {found['Size'] / 1e6:.0f} MB, of which base {base['Size'] / 1e6:.0f} MB")
    ask("added on the base, under 300 MB", added_mb < 300, f"{added_mb:.0f} MB")


def check_inside(podman: Podman) -> None:
    """The running container, from within."""
    ask("runs as radarecg", inside(podman, "id", "-un").stdout == "radarecg\n")
    ask("the root is read-only", "Read-only" in inside(podman, "touch", "/opt/radarecg/x").stderr)
    ask("the spool is not", inside(podman, "touch", "/var/lib/radarecg/spool/x").returncode == 0)
    secret = inside(podman, "cat", "/etc/radarecg/broker/broker.key", "/etc/radarecg/authority/ca.key")
    ask("the authority's and the broker's keys cannot be read", secret.stderr.count("Permission denied") == 2)
    program = (
        "import json, platform; from importlib.metadata import distributions as all; "
        "print(json.dumps([platform.python_version(), {d.name.lower(): d.version for d in all()}]))"
    )
    python, installed = json.loads(inside(podman, "python", "-c", program).stdout)
    installed.pop("radarecg")
    ask(f"Python {python}: exactly the lock file's packages", installed == locked(python), ", ".join(installed))


def watch(hub: Hub) -> None:
    """The first vitals, then a minute of what is published."""
    start_s = time.monotonic()
    first = next((message for kind, message in hub.listen(START_S) if kind == "vitals"), None)
    ask("the first vitals", first is not None, f"{time.monotonic() - start_s:.0f} s after the start")
    counts: dict[str, int] = {}
    vitals = []
    for kind, message in hub.listen(WATCHED_S):
        counts[kind] = counts.get(kind, 0) + 1
        if kind == "vitals":
            vitals.append(message)
    print(f"      in {WATCHED_S:.0f} s: {counts}")
    ask("vitals every second", abs(counts.get("vitals", 0) - WATCHED_S) <= 3, counts.get("vitals", 0))
    ask("the reconstructed ECG", counts.get("ecg", 0) > WATCHED_S / 3, counts.get("ecg", 0))
    rates = [each["hr"]["value"] for each in vitals if each["hr"]["valid"]]
    ask("a valid heart rate", len(rates) > WATCHED_S / 4, f"in {len(rates)} of {len(vitals)} seconds")
    worst = max(abs(rate - BPM) for rate in rates)
    ask("the heart rate is right", worst < max(5, 0.1 * BPM), f"at most {worst:.1f} bpm off")
    frames = {key: vitals[-1]["frames"][key] - vitals[0]["frames"][key] for key in ("received", "lost")}
    print(f"      frames: {frames['received']} received, {frames['lost']} lost")


def healthy(podman: Podman) -> bool:
    """By the image's own health check."""
    return podman("healthcheck", "run", NAME, check=False).returncode == 0


def becomes(podman: Podman, wanted: bool, within_s: float) -> bool:
    """Whether the health check says so in time."""
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        if healthy(podman) == wanted:
            return True
        time.sleep(1)
    return False


def main() -> None:
    """The checks, in order."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("image")
    args = parser.parse_args()
    podman = Podman(args.work)
    check_image(podman, args.image)
    with ExitStack() as stack:
        folder = set_up(args.work / "etc")
        start_broker(stack, folder)
        hub = Hub(folder)
        twin, port = start_twin(stack, folder)
        stack.enter_context(running(podman, args.image, folder, port))
        watch(hub)
        ask("healthy while frames come", healthy(podman))
        stats = podman.json("stats", "--no-stream", "--format", "json", NAME)[0]
        print(f"      memory {stats['mem_usage'].split('/')[0].strip()}, CPU {stats['avg_cpu']}, emulated")
        check_inside(podman)
        twin.stop()
        ask("not healthy when frames stop", becomes(podman, False, 60))
        podman("stop", NAME)
        ended = podman.json("inspect", NAME)[0]["State"]["ExitCode"]
        ask("it stops when asked", ended == 0, f"status {ended}")
        said = [message["state"] for kind, message in hub.listen(5) if kind == "status"]
        ask("and says goodbye", said[-1:] == ["offline"], said)
    print("container-test: passed", flush=True)


if __name__ == "__main__":
    main()
