"""The commands of a `.cfg` chirp file, each with its place, as radarecg sends them to the radar."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One command: `place` says in messages where it stands, such as "x.cfg:12"; `args` are words, not yet numbers."""

    place: str
    name: str
    args: list[str]

    @property
    def text(self) -> str:
        """As it is sent: words one space apart, without comment."""
        return " ".join([self.name, *self.args])


def command_lines(text: str, source: str) -> list[Line]:
    """Returns the commands of a chirp file in order. What follows a % is a comment; only LF ends a line."""
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        if words := line.split("%")[0].split():
            lines.append(Line(f"{source}:{number}", words[0], words[1:]))
    return lines


def count_hint(line: Line) -> str:
    """Returns what a wrong number of arguments tells of a command, as the end of a message."""
    if line.name == "frameCfg" and len(line.args) == 8:
        return "; AWR2944's frameCfg has 8, with the samples before the period: another device"
    return ""
