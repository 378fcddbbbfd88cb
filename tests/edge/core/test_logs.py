"""Text logs."""

import logging

import pytest

from edge.core.logs import LineFormatter


@pytest.mark.parametrize("name", ["a\n2026-11-20 INFO edge: forged", "a\r", "\x1b[2J", "a\u2028b", "\x00"])
def test_a_name_from_outside_cannot_forge_a_line(name):
    record = logging.LogRecord("edge", logging.ERROR, "", 0, "a message on %s", (name,), None)
    text = LineFormatter("%(levelname)s: %(message)s").format(record)
    assert text.isprintable()
    assert text.startswith("ERROR: a message on ")


def test_other_characters_and_exceptions_stay():
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        record = logging.LogRecord("edge", logging.ERROR, "", 0, "größer %s", ("1",), (type(error), error, None))
    lines = LineFormatter("%(message)s").format(record).splitlines()
    assert lines == ["größer 1", "ValueError: two", "lines"]
