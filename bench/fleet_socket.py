"""One connection of many simulated devices, for fleet_devices.py: their messages are those of devices on their own."""

from __future__ import annotations

import sys
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from edge.mqtt.broker import Broker
from edge.mqtt.client import MqttClient, PublishToken
from edge.mqtt.outbox import OutboxCount
from edge.mqtt.spool import SpoolCount
from edge.mqtt.topics import SPOOLED, Topic, backfill

BACKFILL_PER_S = 20.0  # of a device: nearly ten times as many as it produces
WORK_PERIOD_S = 0.2


@dataclass(frozen=True, slots=True)
class DeviceTopic(Topic):
    """A topic of one of the devices that share a client."""

    device: str = ""

    def name(self, device: str) -> str:
        """Return the topic's name; the argument is the client's name."""
        return Topic.name(self, self.device)


def of_device(topic: Topic, device: str) -> DeviceTopic:
    return DeviceTopic(topic.suffix, topic.qos, topic.retain, topic.expiry_s, topic.root, device)


class SharedSocket:
    """One connection of several devices, with their unconfirmed messages in memory."""

    def __init__(self, broker: Broker, name: str) -> None:
        self._broker, self._name = broker, name
        self._will: tuple[Topic, bytes] | None = None
        self._births: list[tuple[Topic, bytes]] = []
        self._in_flight: dict[PublishToken, tuple[str, Topic, bytes] | None] = {}
        self._late: deque[tuple[str, Topic, bytes]] = deque()
        self._lock = threading.Lock()
        self._devices, self._dropped = 0, 0
        self.client: MqttClient | None = None

    def join(self, device: str, will: tuple[Topic, bytes], birth: list[tuple[Topic, bytes]]) -> None:
        """Add a device before `start`. A connection has one will: that of its first device."""
        self._devices += 1
        self._will = self._will or (of_device(will[0], device), will[1])
        self._births += [(of_device(topic, device), payload) for topic, payload in birth]

    def start(self) -> None:
        assert self._will
        self.client = MqttClient(self._broker, self._name, self._will, self._births)

    def send(self, device: str, topic: Topic, payload: bytes, sent_as: Topic | None = None) -> None:
        """Send the message now, or keep it for backfill if its topic is spooled."""
        assert self.client
        kept = (device, topic, payload) if topic in SPOOLED else None
        with self._lock:
            token = self.client.send(of_device(sent_as or topic, device), payload)
            if token is not None:
                self._in_flight[token] = kept
            elif kept:
                self._late.append(kept)
            else:
                self._dropped += 1

    def leave(self, device: str, final_message: tuple[Topic, bytes]) -> None:
        """Publish a device's final message; with the last one, disconnect."""
        assert self.client
        topic, payload = final_message
        self._devices -= 1
        if self._devices:
            self.send(device, topic, payload)
        else:
            self.client.close((of_device(topic, device), payload))

    def work(self) -> None:
        """Process acknowledgements, and backfill; to be called every WORK_PERIOD_S."""
        assert self.client
        acks, connection = self.client.acks, self.client.connection
        with self._lock:
            while not acks.empty():
                token, refused = acks.get()
                kept = self._in_flight.pop(token, None)
                self._late.extend([kept] if refused and kept else [])
            ended = [token for token in self._in_flight if token.connection != connection]
            self._late.extend(kept for token in ended if (kept := self._in_flight.pop(token)))
            room = int(self._devices * BACKFILL_PER_S * WORK_PERIOD_S) if connection else 0
            late = [self._late.popleft() for _ in range(min(room, len(self._late)))]
        for device, topic, payload in late:
            self.send(device, topic, payload, backfill(topic.suffix))

    def count(self, device: str | None = None) -> OutboxCount:
        """Return the number of messages lost (of all devices) and waiting (of this device, or of all)."""
        with self._lock:
            waiting = [*self._late, *filter(None, self._in_flight.values())]
            sizes = [len(payload) for name, _, payload in waiting if device in (None, name)]
            return OutboxCount(self._dropped, SpoolCount(len(sizes), sum(sizes), 0, 0))


class SharedOutbox:
    """Takes the place of a publisher's client and outbox."""

    takeovers = 0

    def __init__(self, socket: SharedSocket, device: str, will: tuple, birth: list) -> None:
        self._socket, self._device = socket, device
        socket.join(device, will, birth)

    @property
    def connections(self) -> int:
        return self._socket.client.connections

    def publish(self, topic: Topic, payload: bytes) -> None:
        self._socket.send(self._device, topic, payload)

    def count(self) -> OutboxCount:
        return self._socket.count(self._device)

    def close(self, final_message: tuple[Topic, bytes]) -> None:
        self._socket.leave(self._device, final_message)
