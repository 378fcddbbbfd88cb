"""A ward with made-up devices: messages as from a broker, a clock that is set, and the real page over HTTP."""

import http.client
import json
import threading
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import msgspec

from edge.mqtt import payloads as p
from edge.mqtt.fields import iso_utc
from edge.mqtt.topics import STATUS, VITALS
from edge.mqtt.watcher import Received
from edge.ward.app import ward_app
from edge.ward.messages import Hello
from edge.ward.notices import Limits
from edge.ward.records import RecordsFile
from edge.ward.traces import Traces
from edge.ward.users import Users
from edge.ward.ward import LATE_VITALS, Ward
from edge.web.messages import event
from edge.web.server import WebServer

START_S = 1_795_196_400.0
DEVICE_OFFSET_S = -7200.0  # the devices' clocks are two hours behind the hub's
LIMITS = Limits(offline_min=1, absent_min=2, no_rate_min=3)
TOKENS = {"desk": "a-token-that-may-read", "boss": "a-token-that-may-change"}
MANY, FEW = 200, 20
NAMES = [f"radar-{k:04d}" for k in range(1, MANY + 1)]
BED = NAMES[0]
WEAK, MOVING, NOBODY, OFFLINE, DEGRADED = NAMES[10:15]


class Clock:
    """Monotonic time, and the hub's Unix time, which a test may set."""

    def __init__(self) -> None:
        self.now_s, self.unix_offset_s = 1000.0, START_S - 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def unix(self) -> float:
        return self.now_s + self.unix_offset_s


class Hub:
    """A ward, and every notice that it delivered."""

    def __init__(self, folder: Path, limits: Limits = LIMITS, clock: Clock | None = None) -> None:
        self.clock, self.delivered = clock or Clock(), []
        self.records = RecordsFile(folder / "ward.json")
        self.ward = Ward(limits, self.records, self.delivered.append, self.clock.monotonic, self.clock.unix)
        self._seq = 0

    def say(self, device: str, bpm: float | None = 68.0, flags=(), **changes) -> None:
        """Live vitals of now."""
        self.ward.receive(Received(device, VITALS.suffix, self.vitals(device, bpm, flags, **changes), 0.0))

    def say_late(self, device: str, age_s: float, bpm: float | None = 68.0) -> None:
        """Vitals of the past on the topic for those."""
        payload = self.vitals(device, bpm, age_s=age_s)
        self.ward.receive(Received(device, LATE_VITALS.suffix, payload, 0.0))

    def say_status(self, device: str, state: str, reason: str = "connection_lost") -> None:
        payload = p.encode(p.Status(device=device, boot="5f0c6a9e", state=state, reason=reason))
        self.ward.receive(Received(device, STATUS.suffix, payload, 0.0))

    def vitals(self, device: str, bpm: float | None = 68.0, flags=(), age_s=0.0, **changes) -> bytes:
        self._seq += 1
        return encode_vitals(device, self._seq, self.clock.unix() + DEVICE_OFFSET_S - age_s, bpm, flags, **changes)

    def wait(self, seconds: float, say=lambda: None, is_connected=True) -> None:
        """Let so many seconds pass; `say` is called before each tick."""
        for _ in range(round(seconds)):
            self.clock.now_s += 1
            say()
            self.ward.tick(is_connected)

    def shown(self, device: str):
        self.ward.tick(True)
        return next(tile for tile in self.ward.snapshot("desk", False).tiles if tile.device == device)

    def bins(self, device: str) -> list:
        """The values of the sparkline, without the bins of before the first."""
        values = self.ward.snapshot("desk", False).sparklines[device]
        first = next((k for k, value in enumerate(values) if value is not None), len(values))
        return values[first:]


def hub_of_devices(folder: Path, count: int = FEW) -> Hub:
    """Devices, most of them with a good signal; their time stands still."""
    hub = Hub(folder, Limits(offline_min=0, no_rate_min=0.1))
    hub.count = count
    if not hub.count:
        return hub
    for k, name in enumerate(NAMES[: hub.count]):
        hub.say(name, 60.0 + k % 40)
    hub.say(WEAK, None, ["low_snr"])
    hub.say(MOVING, None, ["body_movement"], movement="extensive")
    hub.say(NOBODY, None, ["no_subject"])
    hub.say(DEGRADED, 75.0, ["frame_loss"], state="degraded")
    hub.clock.now_s += 1
    hub.say_status(OFFLINE, "offline")
    return hub


def encode_vitals(device, seq, t_s, bpm: float | None, flags=(), state=None, **changes) -> bytes:
    t_ns = round(t_s * 1e9)
    valid = bpm is not None
    payload = p.VitalsPayload(
        device=device,
        boot="5f0c6a9e",
        seq=seq,
        t=iso_utc(t_ns),
        t_ns=t_ns,
        clock=p.Clock("none", False),
        window_s=10.0,
        hr=p.HeartRate(valid=valid, value=bpm, age_ms=5),
        breathing=p.BreathingRate(valid=valid, value=15.0 if valid else None),
        chest_range_m=0.5 if valid else None,
        quality=p.QualityReport(state or ("good" if valid else "unusable"), 0.9, tuple(flags)),
        frames=p.Frames(1, 0),
        model=p.Model("classical"),
    )
    return p.encode(msgspec.structs.replace(payload, **changes))


class NoSubscriptions:
    """Records which devices' traces are subscribed to."""

    def __init__(self) -> None:
        self.watched: set[str] = set()

    def watch(self, device, topics) -> None:
        self.watched.add(device)

    def unwatch(self, device, topics) -> None:
        self.watched.discard(device)


@contextmanager
def served(hub: Hub, read=None, admin=None, port=0, host="127.0.0.1"):
    """The hub's page; yields `port`, `traces`, `subscriptions` and `feed`. It is updated five times a second."""
    traces, users = Traces(), Users(host, read or {}, admin or {})
    traces.subscriptions = NoSubscriptions()
    hello = event(Hello("ward-3", "1.2.3", round(1000 * START_S), LIMITS))
    fault = SimpleNamespace(text=None)
    server = WebServer(
        "127.0.0.1", port, lambda feed: ward_app(users, hub.ward, traces, feed, hello, lambda: fault.text)
    )
    page = SimpleNamespace(
        port=server.port,
        traces=traces,
        subscriptions=traces.subscriptions,
        feed=server.feed,
        fault=fault,
        is_connected=True,
        is_paused=False,
    )
    ended = threading.Event()

    def update() -> None:
        while not ended.wait(0.2):
            if not page.is_paused:
                server.feed.send(event(hub.ward.tick(page.is_connected)))

    thread = threading.Thread(target=update)
    thread.start()
    try:
        yield page
    finally:
        ended.set()
        thread.join()
        traces.close()
        server.close()


def post(port: int, path: str, content=None, **headers: str) -> tuple[int, str]:
    """Status and content of the answer to a POST of JSON, or of bytes as they are."""
    body = content if isinstance(content, bytes | None) else json.dumps(content).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


class Stream:
    """A reader of server-sent events."""

    def __init__(self, port: int, path: str, **headers: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._connection.request("GET", path, headers=headers)
        self._response = self._connection.getresponse()
        self.status = self._response.status

    def next(self, matching=lambda message: True) -> dict | None:
        """The next message that matches; None at the end."""
        for line in self._response:
            if line.startswith(b"data: ") and matching(message := json.loads(line.removeprefix(b"data: "))):
                return message
        return None

    def close(self) -> None:
        self._response.close()
        self._connection.close()


def text(tab, device: str, part: str) -> str:
    return tab.text_content(f'li[data-device="{device}"] .{part}')


def wait_for(tab, device: str, part: str, expected: str) -> None:
    selector = f'li[data-device="{device}"] .{part}'
    shows = "([selector, text]) => document.querySelector(selector)?.textContent === text"
    tab.wait_for_function(shows, arg=[selector, expected])


def shown(tab) -> list[str]:
    return tab.evaluate("[...document.querySelectorAll('#tiles li:not([hidden])')].map((item) => item.dataset.device)")
