"""Real brokers and a plain subscriber, independent of the code under test."""

import queue
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from edge.demo import processes


def free_port() -> int:
    return processes.free_port(socket.SOCK_STREAM)


def command(kind: str, port: int, folder: Path) -> list[str]:
    found = processes.amqtt_command(port, folder) if kind == "amqtt" else processes.mosquitto_command(port, folder)
    if found is None:
        pytest.skip("mosquitto is not installed (.ci/run installs it)")
    return found


@contextmanager
def running_broker(kind: str, folder: Path, port: int | None = None, strict: bool = False):
    port = port or free_port()
    line = command(kind, port, folder)
    if strict:  # mosquitto only: nobody has a password that it knows
        config, passwords = Path(line[-1]), folder / "passwords"
        passwords.touch()
        settings = config.read_text().replace("allow_anonymous true", "allow_anonymous false")
        config.write_text(f"{settings}password_file {passwords}\n")
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
