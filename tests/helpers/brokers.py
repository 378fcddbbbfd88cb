"""Real brokers and a plain subscriber, independent of the code under test."""

import contextlib
import json
import queue
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from edge.demo import processes
from tests.helpers.processes import child


def free_port() -> int:
    return processes.free_port(socket.SOCK_STREAM)


def command(kind: str, port: int, folder: Path) -> list[str]:
    found = processes.amqtt_command(port, folder) if kind == "amqtt" else processes.mosquitto_command(port, folder)
    if found is None:
        pytest.skip("mosquitto is not installed (.ci/run installs it)")
    return found


@contextmanager
def running_broker(kind: str, folder: Path, port: int | None = None, settings: str | None = None):
    """Yields its port. `settings`, for mosquitto only, come in place of a listener that accepts every client."""
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
    with child(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not answers(port):
            assert process.poll() is None, f"{kind} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{kind} does not answer"
            time.sleep(0.02)
        yield process


def refuse_all(folder: Path) -> str:
    """Settings of a broker that requires passwords and has none."""
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


ACCEPTED = (0, b"")


class ScriptedBroker:
    """MQTT byte by byte, for what no real broker can be made to do.

    `connacks`: reason and properties for each CONNECT in turn, the last one from then on. `end`: a packet that follows
    a CONNACK and ends the connection (b"" only ends it). Publications are kept as (topic, QoS, retained, size of the
    packet) and, unless `is_silent`, confirmed at once. `subacks`: a reason for each SUBSCRIBE in turn, for all topics.
    """

    def __init__(
        self, *connacks: tuple[int, bytes], end: bytes | None = None, is_silent: bool = False, subacks: tuple = (1,)
    ) -> None:
        self._connacks, self._end, self._is_silent = list(connacks or [ACCEPTED]), end, is_silent
        self._subacks = list(subacks)
        self.connects: list[bytes] = []
        self.subscribed: list[list[str]] = []
        self.published: list[tuple[str, int, bool, int]] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for end in (self._server, *self._sockets):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self._sockets.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            while first := stream.read(1):
                length_bytes = b""
                while not length_bytes or length_bytes[-1] & 0x80:
                    length_bytes += stream.read(1)
                length = sum((byte & 0x7F) << 7 * k for k, byte in enumerate(length_bytes))
                self._answer(connection, first[0], stream.read(length), 1 + len(length_bytes) + length)

    def _answer(self, connection: socket.socket, first: int, body: bytes, size: int) -> None:
        kind = first >> 4
        if kind == 1:
            is_v5 = body[6] == 5
            reason, named = self._connacks.pop(0) if len(self._connacks) > 1 else self._connacks[0]
            self.connects.append(body)
            packet = bytes([0, reason, len(named)]) + named if is_v5 else bytes([0, reason])
            connection.sendall(bytes([0x20, len(packet)]) + packet)
            if reason or self._end is not None:
                connection.sendall(self._end or b"")
                connection.shutdown(socket.SHUT_RDWR)
        elif kind == 3:
            length, qos = int.from_bytes(body[:2], "big"), first >> 1 & 3
            topic, rest = body[2 : 2 + length].decode(), body[2 + length :]
            self.published.append((topic, qos, bool(first & 1), size))
            if qos and not self._is_silent:
                connection.sendall(b"\x40\x02" + rest[:2])
        elif kind == 8:
            topics, rest = [], body[3:]  # of MQTT 5, without properties
            while rest:
                length = int.from_bytes(rest[:2], "big")
                topics.append(rest[2 : 2 + length].decode())
                rest = rest[3 + length :]
            self.subscribed.append(topics)
            reason = self._subacks.pop(0) if len(self._subacks) > 1 else self._subacks[0]
            connection.sendall(bytes([0x90, 3 + len(topics)]) + body[:2] + b"\x00" + bytes([reason]) * len(topics))
        elif kind == 12:
            connection.sendall(b"\xd0\x00")
