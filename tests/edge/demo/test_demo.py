"""Statistics of the demo with a real broker and a simulated ground truth; layout of its terminal view."""

import json
import math
import shlex
import socket
import threading
from contextlib import ExitStack
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from edge.cli.parser import parse
from edge.demo.processes import start_broker
from edge.demo.run import CHIRP
from edge.demo.story import describe_demo, next_commands
from edge.demo.subscriber import LiveState, Subscriber
from edge.demo.view import render
from edge.mqtt.payloads import BreathingRate, Clock, Frames, HeartRate, Model, QualityReport, VitalsPayload
from tests.helpers.publishing import GOOD, connected, wait


@pytest.fixture
def truth():
    """A ground truth server that answers with the last of `true_rates`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as twin:
        twin.bind(("127.0.0.1", 0))
        twin.settimeout(0.05)
        true_rates, ended = [0.0], threading.Event()

        def answer():
            while not ended.is_set():
                try:
                    _, asker = twin.recvfrom(1024)
                except TimeoutError:
                    continue
                twin.sendto(json.dumps({"heart_rate_bpm": true_rates[-1]}).encode(), asker)

        thread = threading.Thread(target=answer)
        thread.start()
        yield twin.getsockname()[1], true_rates
        ended.set()
        thread.join()


def test_a_rate_is_wrong_when_it_is_off_by_more_than_5_a_minute_and_a_tenth(mosquitto_port, mmecg, tmp_path, truth):
    port, true_rates = truth
    publisher = connected(mosquitto_port, tmp_path, mmecg)
    subscriber = Subscriber("radar-0001", mosquitto_port, port)
    watch = subscriber.watch
    wait(lambda: subscriber.update(0.1) is None and watch.messages)  # subscribed: what is retained has come
    right = ((64.0, 64.0), (64.0, 69.5), (120.0, 109.5), (None, 90.0))
    wrong = ((64.0, 58.0), (44.0, 49.4), (120.0, 108.0))
    for published, true in (*right, *wrong):
        true_rates.append(true)
        publisher.vitals(replace(GOOD, heart_rate_bpm=published))
        count = watch.vitals_count
        wait(lambda count=count: subscriber.update(0.1) is not None or watch.vitals_count > count)
    assert (watch.wrong, len(watch.errors_bpm)) == (3, 6)
    publisher.close()
    subscriber.close()


def test_without_mosquitto_the_broker_is_amqtt(mmecg, tmp_path, monkeypatch):
    monkeypatch.setattr("edge.demo.processes.shutil.which", lambda name, **options: None)
    with ExitStack() as stack:
        broker, port = start_broker(stack, tmp_path)
        assert broker.name == "amqtt"
        publisher = connected(port, tmp_path, mmecg)
        subscriber = Subscriber("radar-0001", port, port)
        wait(lambda: subscriber.update(0.1) is None and subscriber.watch.messages)
        publisher.vitals(GOOD)
        wait(lambda: subscriber.update(0.1) is not None)
        assert subscriber.watch.vitals.hr.value == 64.0
        publisher.close()
        subscriber.close()


GOOD_VITALS = VitalsPayload(
    device="radar-0001",
    boot="00000000",
    seq=1,
    t="2026-11-20T17:40:00Z",
    t_ns=1_795_196_400_000_000_000,
    clock=Clock("none", False),
    window_s=10.0,
    hr=HeartRate(valid=True, value=168.4, age_ms=4),
    breathing=BreathingRate(valid=True, value=15.0),
    chest_range_m=0.46,
    quality=QualityReport("degraded", 0.81, ("frame_loss", "clock_unsynced")),
    frames=Frames(123_456_789, 12_345_678),
    model=Model("classical-1"),
)


SIZES = [(100, 26), (80, 23), (80, 24), (132, 50), (79, 20), (60, 19), (60, 40), (40, 13), (30, 9), (200, 7), (80, 3)]
PAGE = "http://127.0.0.1:8080"


@pytest.mark.parametrize("has_ecg", [True, False])
@pytest.mark.parametrize("began", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_the_view_fits_every_terminal(size, began, has_ecg):
    width, height = size
    watch = LiveState(vitals=GOOD_VITALS if began else None, true_bpm=68.0 if began else None)
    watch.trace.extend(math.sin(k / 8) for k in range(400))
    if has_ecg:
        watch.ecg = [(math.sin(k / 30), math.cos(k / 30)) for k in range(1600)]
    console = Console(width=width, file=StringIO())
    lines = console.render_lines(render(watch, "radar-0001", 11883, PAGE, 33.0, width, height), pad=False)
    text = ["".join(piece.text for piece in line) for line in lines]
    assert len(text) <= height
    assert max(map(len, text)) <= width
    assert sum("ECG" in line for line in text) == (0 if height < 13 else 1 + has_ecg)
    assert PAGE in text[1] or width < 34
    assert ("168.4" in "".join(text)) == began
    if width >= 60 and height >= 19:
        assert any("flags: frame_loss clock_unsynced" in line for line in text) == began
        assert sum("╭" in line for line in text) == 2 + has_ecg  # the figures are panels
    if width >= 80 and height >= 23:
        assert not any("…" in line for line in text)
        assert "Research use only. Not a medical device." in text[-1]


def test_the_end_of_a_tour_is_told_in_three_sentences():
    state = LiveState()
    assert describe_demo(state) == [
        "No heart rate was published yet: it needs about ten seconds without movement.",
        "The person neither moved nor left; when that happens, no heart rate is published.",
        "No ECG was reconstructed yet: it begins about 15 s after the start.",
    ]
    state.seconds.update({"sits still": 60, "moves": 3, "is away": 12})
    state.published.update({"sits still": 41})
    state.errors_bpm = [0.5] * 40 + [1.5]
    state.ecg = [(math.sin(k), math.sin(k)) for k in range(100)]
    state.r_errors_ms = [4.0, 9.0, 30.0]
    still, disturbed, ecg = describe_demo(state)
    assert "sat still (60 s), a heart rate was published in 41 s, on average 0.5 per minute" in still
    assert "moved or was away (15 s), no heart rate was published" in disturbed
    assert "at 1.00, and its R peaks are 9 ms off" in ecg
    state.published["moves"] = 2
    assert "a heart rate was published in 2 s only" in describe_demo(state)[1]


def test_the_next_commands_are_valid():
    for command in next_commands(CHIRP):
        _, *words = shlex.split(command, comments=True)
        parse([*words])
