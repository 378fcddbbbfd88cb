"""Real brokers and a plain subscriber, independent of the code under test."""

import queue
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def command(kind: str, port: int, folder: Path) -> list[str]:
    if kind == "mosquitto":
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed (.ci/run installs it)")
        (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
        return [program, "-c", str(folder / "mosquitto.conf")]
    (folder / "amqtt.yaml").write_text(
        f"listeners:\n  default:\n    type: tcp\n    bind: 127.0.0.1:{port}\n"
        "plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n    allow_anonymous: true\n"
    )
    return [str(Path(sys.executable).with_name("amqtt")), "-c", str(folder / "amqtt.yaml")]


@contextmanager
def running_broker(kind: str, folder: Path, port: int | None = None):
    port = port or free_port()
    process = subprocess.Popen(command(kind, port, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, f"{kind} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{kind} does not answer"
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


class Listener:
    """Collects every message of `radarecg/#`."""

    def __init__(self, port: int) -> None:
        self.messages: queue.Queue = queue.Queue()
        subscribed = queue.Queue()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self._client.on_connect = lambda client, *_: client.subscribe("radarecg/#", qos=1)
        self._client.on_subscribe = lambda *_: subscribed.put(True)
        self._client.on_message = lambda client, userdata, message: self.messages.put(message)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        subscribed.get(timeout=10)

    def wait_for(self, suffix: str, timeout_s: float = 15.0, matching=lambda message: True):
        """The next message whose topic ends so (others are passed over)."""
        deadline = time.monotonic() + timeout_s
        while True:
            message = self.messages.get(timeout=max(0.01, deadline - time.monotonic()))
            if message.topic.endswith(suffix) and matching(message):
                return message

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
