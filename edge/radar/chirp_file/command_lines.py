"""Splits a `.cfg` chirp file into commands with their locations."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One command: `place` is its location for messages, such as "x.cfg:12"; `args` are words, not yet parsed."""

    place: str
    name: str
    args: list[str]

    @property
    def text(self) -> str:
        """The line as it is sent: single spaces, without comment."""
        return " ".join([self.name, *self.args])


def command_lines(text: str, source: str) -> list[Line]:
    """Return the commands of a chirp file in order. A comment begins with %; only LF ends a line."""
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        if words := line.split("%")[0].split():
            lines.append(Line(f"{source}:{number}", words[0], words[1:]))
    return lines


def count_hint(line: Line) -> str:
    """Return a hint, to append to a message, for a command with a wrong number of arguments."""
    if line.name == "frameCfg" and len(line.args) == 8:
        return "; frameCfg of another device, AWR2944, has 8, with the samples before the period"
    return ""
