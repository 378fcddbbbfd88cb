"""Parsing of the radar's replies: every kind of reply and the errors derived from it."""

import re

import pytest

from edge.radar.awr1843.replies import BANNER, ERRORS, PROMPT, Reply

REPLIES = [
    (b"sensorStop\nDone\n\r", None),
    (b"Done\n\r", None),  # an image that does not echo
    (b"\xffsensorStop\nDone\n\r", None),
    (b"sensorStop\nDebug: Init Calibration Status = 0x1ffe\n\rDone\n\r", None),
    (b"sensorStop\nSkipped\n\r", None),
    (b"sensorStap\nDone\n\r", "received 'sensorStap'"),
    (b"sensorStop\n", "neither Done nor Error"),
    (b"", "neither Done nor Error"),
    (b"sensorStop\r\nDone\r\n", None),
    (b"sensorStop\rDone\r", None),
    (b"Done", None),
    (b"sensorStopDone\n\r", None),  # an echo without its newline
    (b"sensorStop Done.\n\r", None),
    (b"\n\r\n\rsensorStop\n\n\n\rDone\n\r\n\r", None),
    (b"Debug: Temperature = 71\n\rsensorStop\nDebug: a\n\rDebug: b\n\rDone\n\r", None),
    (b"BSS is up\n\rDone\n\r", None),  # chatter, and no echo
    (b"sensorStop\nIgnored: Sensor is already stopped\n\rDone\n\r", "already in that state"),  # prompt of an xWR1843
    (b"sensorStop\nError: -52\n\r", "invalid or out of range"),
    (b"sensorStopError -52\n\r", "invalid or out of range"),
    (b"sensor\x00top\nDone\n\r", "line is noisy"),
    (b"sensorStop\nException: a.c, line 7.\n\rDone\n\r", "assertion"),
    (b"sensorStop\nError -204\n\r", "front end rejected"),
    *((f"sensorStop\nError {number}\n\r".encode(), re.escape(text)) for number, text in ERRORS.items()),
]


@pytest.mark.parametrize(("raw", "problem"), REPLIES)
def test_replies(raw, problem):
    found = Reply.parse("sensorStop", raw).problem
    assert found is None if problem is None else re.search(problem, found)


@pytest.mark.parametrize(
    "response",
    [b"mmwDemo:/>", b"\n\rmmwDemo:/>\n", b"mmwDemo:\\>", b"CLI:/>", b"\rtrackDemo:/> ", b"\xffmmwDemo:/>"],
)
def test_prompts_of_other_images(response):
    assert PROMPT.search(response)
    assert not BANNER.search(response)


@pytest.mark.parametrize("response", [b"mmwDemo:/", b"/>", b"Error: x > y", b"profileCfg 0 77"])
def test_no_prompts(response):
    assert not PROMPT.search(response)


@pytest.mark.parametrize("greeting", [b"xWR18xx MMW Demo 03.05.00.04", b"*" * 42, b"AWR18xx MMW Demo 02.00"])
def test_greetings(greeting):
    assert BANNER.search(b"\x00\xff" + greeting + b"\n\r")


def test_a_number_of_thousands_of_digits_is_no_reply():
    """Python refuses to convert more than 4300 digits."""
    problem = Reply.parse("sensorStart", b"sensorStart\r\nError " + b"9" * 5000 + b"\r\n").problem
    assert problem is not None
    assert "try again" in problem
