"""A live page to look at, and what it is told."""

import http.client
import json
import threading
import time
from contextlib import contextmanager

import numpy as np

from edge.core.types import EcgBlock, EcgEstimate, FrameCount, Quality, Rhythm, SstWindow, TaskOutputs, Vitals, Waveform
from edge.web.messages import Hello
from edge.web.page import LivePage

T_NS = 1_795_196_400_000_000_000
GOOD = Quality("good", 0.97)
MOVING = Quality("unusable", 0.1, ("body_movement", "frame_loss"))


@contextmanager
def live_page(token=None, host="127.0.0.1", port=0, has_ecg=False, gauges=dict, **options):
    hello = Hello("radar-0001", "1.2.3", has_ecg, is_replay="replay" in options)
    page = LivePage(host, port, token, hello, gauges, **options)
    try:
        yield page
    finally:
        page.close()


@contextmanager
def speaking_page(**options):
    """A live page that is told the same vitals again and again, as by a runtime: those last given to `say`."""
    with live_page(**options) as page:
        said: list[Vitals | None] = [None]
        ended = threading.Event()

        def repeat() -> None:
            while not ended.wait(0.2):
                if message := said[-1]:
                    page.vitals(message)

        def say(message: Vitals | None) -> None:
            said.append(message)

        page.say = say
        thread = threading.Thread(target=repeat)
        thread.start()
        try:
            yield page
        finally:
            ended.set()
            thread.join()


def tell(page, tab, message, title) -> None:
    """Vitals from now on; returns when the browser shows their verdict."""
    page.say(message)
    tab.wait_for_function("title => document.getElementById('verdict').textContent === title", arg=title)


def vitals(quality=GOOD, bpm=68.4, received=2598, lost=2, irregular=None, movement="none") -> Vitals:
    told = quality.state != "unusable"
    return Vitals(
        time.time_ns(),
        bpm if told else None,
        15.0,
        0.463,
        quality,
        FrameCount(received, lost),
        (bpm - 3, bpm + 3) if told else None,
        11 if told else None,
        None if irregular is None else Rhythm(40.0, 50.0, irregular),
        movement,
    )


def wave(t_ns: int, sample0: int, seconds: float, continues=True) -> Waveform:
    """A waveform of 2 Hz whose last sample is of `t_ns`."""
    k = sample0 + np.arange(round(seconds * 50))
    return Waveform(t_ns, sample0, 50, np.sin(2 * np.pi * 2 * k / 50), continues=continues)


def ecg(t_ns: int, sample0: int, seconds: int = 1, window: SstWindow | None = None) -> EcgBlock:
    """One beat a second, each 0.4 s into its own; not known for the first quarter of a second."""
    k = np.arange(200 * seconds)
    beats = np.exp(-0.5 * ((k % 200 - 80) / 3) ** 2)
    r_peaks = 80.0 + 200 * np.arange(seconds)
    estimate = EcgEstimate(sample0, beats, k >= 50, r_peaks + sample0, np.full(seconds, 0.9))
    said = TaskOutputs(np.zeros(200), np.full(800, 1 / 800), np.full(260, 1 / 260))
    return EcgBlock(t_ns, sample0, estimate, True, said, window, sample0 + 200 * seconds)


def get(port: int, path: str, source="127.0.0.1", **headers: str) -> tuple[int, http.client.HTTPMessage, str]:
    """Status, headers and content of a request from the address `source`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(source, 0))
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read().decode()
    finally:
        connection.close()


def post(port: int, path: str, **headers: str) -> tuple[int, str]:
    """Status and content of the answer to a POST without a body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


class Replay:
    """A replay that keeps what it is told."""

    def __init__(self) -> None:
        self.calls = []

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")

    def seek(self, position_s: float) -> None:
        self.calls.append(position_s)


class Events:
    """A reader of the page's events."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._connection.request("GET", "/events")
        self._response = self._connection.getresponse()
        assert self._response.getheader("Content-Type") == "text/event-stream"
        self.hello = self.next()
        assert self.hello["event"] == "hello"

    def next(self) -> dict | None:
        """The next message; None at the end."""
        for line in self._response:
            if line.startswith(b"data: "):
                return json.loads(line.removeprefix(b"data: "))
        return None

    def close(self) -> None:
        self._response.close()
        self._connection.close()
