"""What the radar says, read as text: each kind of reply, and what is wrong with it."""

import re

import pytest

from edge.radar.console import ERRORS, Reply

REPLIES = [
    (b"sensorStop\nDone\n\r", None),
    (b"Done\n\r", None),  # an image that does not echo
    (b"\xffsensorStop\nDone\n\r", None),
    (b"sensorStop\nDebug: Init Calibration Status = 0x1ffe\n\rDone\n\r", None),
    (b"sensorStop\nSkipped\n\r", None),
    (b"sensorStap\nDone\n\r", "heard 'sensorStap'"),
    (b"sensorStop\n", "neither Done nor Error"),
    (b"", "neither Done nor Error"),
    (b"sensorStop\nException: a.c, line 7.\n\rDone\n\r", "assertion"),
    (b"sensorStop\nError -204\n\r", "front end refused"),
    *((f"sensorStop\nError {number}\n\r".encode(), re.escape(text)) for number, text in ERRORS.items()),
]


@pytest.mark.parametrize(("raw", "problem"), REPLIES)
def test_replies(raw, problem):
    found = Reply.parse("sensorStop", raw).problem
    assert found is None if problem is None else re.search(problem, found)
