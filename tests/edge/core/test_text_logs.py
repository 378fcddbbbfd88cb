"""Text logs: one record is one line, whatever the names in it contain."""

import logging
import sys

from edge.core.text_logs import TextFormatter, one_line


def record(message: str, exc_info=None) -> str:
    return TextFormatter().format(logging.LogRecord("edge.x", logging.WARNING, "", 0, "name %s", (message,), exc_info))


def test_a_line_break_in_a_name_does_not_begin_another_record():
    forged = "x\r\n2026-01-01 00:00:00,000 INFO edge.run: all is well\u2028\x1b[2K"
    line = record(forged)
    assert line.splitlines() == [line]
    assert "\\r\\n2026-01-01" in line
    assert "\x1b" not in line
    assert "\\x1b[2K" in line


def test_the_lines_of_a_traceback_are_indented():
    try:
        raise ValueError("a\n2026-01-01 INFO edge.run: all is well")
    except ValueError:
        first, *others = record("x", sys.exc_info()).split("\n")
    assert first.endswith("name x")
    assert all(line.startswith("    ") for line in others)


def test_text_without_control_characters_stays():
    assert one_line("ä 37 °C: 'x'") == "ä 37 °C: 'x'"
