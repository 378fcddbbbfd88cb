"""Real brokers and a plain subscriber, independent of the code under test."""

import json
import queue
import signal
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
def running_broker(kind: str, folder: Path, port: int | None = None, settings: str | None = None):
    """Yields its port. `settings`, for mosquitto only, come in place of a listener that lets everybody in."""
    port = port or free_port()
    with broker_process(kind, folder, port, settings):
        yield port


@contextmanager
def broker_process(kind: str, folder: Path, port: int, settings: str | None = None):
    """Yields the process, which answers; kills it at the end."""
    line = command(kind, port, folder)
    if settings is not None:
        config = Path(line[-1])
        user = config.read_text().splitlines()[0]
        config.write_text(f"{user}\nlistener {port} 127.0.0.1\n{settings}\n")
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 60
            while not answers(port):
                assert process.poll() is None, f"{kind} ended with {process.returncode}"
                assert time.monotonic() < deadline, f"{kind} does not answer"
                time.sleep(0.02)
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


def nobody_let_in(folder: Path) -> str:
    """Settings of a broker that asks for passwords and knows none."""
    (folder / "passwords").touch()
    return f"allow_anonymous false\npassword_file {folder / 'passwords'}"


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Listener:
    """Collects every message of `topics`."""

    def __init__(self, port: int, topics: str = "radarecg/#", tls=None, login: tuple[str, str] | None = None) -> None:
        self.messages: queue.Queue = queue.Queue()
        self.received: list = []
        subscribed = queue.Queue()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self._client.on_connect = lambda client, *_: client.subscribe(topics, qos=1)
        self._client.on_subscribe = lambda *_: subscribed.put(True)
        self._client.on_message = self._on_message
        if tls:
            self._client.tls_set_context(tls)
        if login:
            self._client.username_pw_set(*login)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        subscribed.get(timeout=60)

    def wait_for(self, suffix: str, timeout_s: float = 60.0, matching=lambda message: True):
        """The next message whose topic ends so (others are passed over)."""
        deadline = time.monotonic() + timeout_s
        while True:
            message = self.messages.get(timeout=max(0.01, deadline - time.monotonic()))
            if message.topic.endswith(suffix) and matching(message):
                return message

    def seqs(self, topic: str) -> list[int]:
        """Numbers of all messages of a topic so far, in order."""
        return [json.loads(message.payload)["seq"] for message in self.received if message.topic == topic]

    def _on_message(self, client, userdata, message) -> None:
        self.received.append(message)
        self.messages.put(message)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
