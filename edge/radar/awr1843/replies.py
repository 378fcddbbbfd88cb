"""Parses the text output of the radar's serial console: prompt, replies and errors. Does not access the port.

The parser is lenient because firmware images differ: with or without echo, with CR or LF or both, with another name
in the prompt, with additional lines.

Sources: SDK `utils/cli/src/cli.c`, `demo/xwr18xx/mmw/mss/mmw_cli.c` (stock demo), TI studio_cli `src/mss/mmw_cli.c`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from edge.radar.chirp import Firmware

PROMPT = re.compile(rb"\w+:[/\\]>")  # "mmwDemo:/>"; other TI demos have another name before the colon
# At boot both images print "xWR18xx MMW Demo 03.05.00.04" between two rows of 42 stars.
BANNER = re.compile(rb"\*{20}|MMW Demo")
EXCEPTION = b"Exception"  # the first word of the message that a failed assertion prints before the firmware halts
BAUD: dict[Firmware, int] = {"studio_cli": 921600, "sdk_demo": 115200}
LINE_CHARS = 255  # the firmware's buffer of 256 includes a terminator; a longer line would run as two commands
# These take effect at the first sensorStart only; later changes are ignored, after an assertion in the demo.
FIXED_AFTER_START = ("channelCfg", "adcCfg", "lowPower")

# Meaning and remedy of studio_cli's error numbers (mmw_cli.h).
ERRORS: dict[int, str] = {
    -50: "unknown command; remove the line, or flash the firmware that the file is for",
    -51: "wrong number of arguments; compare the line with those in firmware_config/",
    -52: "an argument is invalid or out of range; `radarecg check-config` explains the file's numbers",
    -53: "the argument of sensorStart must be 0 or absent; correct the line",
    -54: "already in that state; stop the radar before starting it again",
    -55: "this firmware supports no header and no software session; use lvdsStreamCfg -1 0 1 0",
    -56: "a command inside the radar timed out; reboot the radar and configure it again",
    -57: "the data path cannot be set up; send the whole file before sensorStart and check profileCfg and frameCfg",
    -58: "not allowed while the radar is running; stop it first",
}
ALREADY = -54
_OTHER_ERROR = "the radar front end rejected it; `radarecg check-config` compares the file with the documented limits"
ASSERTED = "the firmware failed an assertion; reboot the radar (NRST button) and configure it again"
_RUNNING = "the radar is running; put sensorStop and flushCfg first in the file"
_UNKNOWN = "unknown command; the file may be for the other firmware, or the line was corrupted: try again"
_NO_RESULT = "neither Done nor Error received; try again, and reboot the radar if this persists"
_REPLY_PATTERN = re.compile(r"Done\b|Error|Exception|Ignored|Skipped\b|Debug|'.*' is not recognized")
_MIN_GARBLED_SIMILARITY = 0.6  # above this ratio a line counts as a corrupted echo of the command


def split_lines(raw: bytes) -> tuple[str, ...]:
    """Split the firmware's output into lines, which end with LF CR; bytes that are not text become '?'."""
    text = re.sub(rb"[^ -~\r\n]", b"?", raw).decode("ascii")
    return tuple(line for part in re.split(r"[\r\n]+", text) if (line := part.strip()))


@dataclass(frozen=True)
class Reply:
    """The lines that the firmware sent between a command and its next prompt, including the echo if there is one."""

    command: str
    lines: tuple[str, ...]

    @staticmethod
    def parse(command: str, raw: bytes) -> Reply:
        """Parse the output before the prompt. The reply may follow the echo on the same line."""
        lines: list[str] = []
        for line in split_lines(raw):
            echo, found, rest = line.partition(command)
            if found and _REPLY_PATTERN.match(rest.strip()):
                lines += [echo + found, rest.strip()]
            else:
                lines.append(line)
        return Reply(command, tuple(lines))

    @property
    def text(self) -> str:
        """The reply on one line, without the echo."""
        return " ".join(line for line in self.lines if not line.endswith(self.command)) or "nothing"

    @property
    def is_already_in_state(self) -> bool:
        """Whether the radar had already been started, or stopped, before the command."""
        return any(re.fullmatch(rf"Error:?\s*{ALREADY}|Ignored: Sensor is.*", line) for line in self.lines)

    @property
    def problem(self) -> str | None:
        """The error and its remedy; None when the command was carried out (or was a comment)."""
        codes = [int(found[1]) for line in self.lines if (found := re.fullmatch(r"Error:?\s*(-?\d{1,9})", line))]
        if any("is not recognized as a CLI command" in line for line in self.lines):
            return _UNKNOWN
        if any(line.startswith("Exception") for line in self.lines):
            return ASSERTED
        if any(line.startswith("Ignored") for line in self.lines):
            return ERRORS[ALREADY] if self.is_already_in_state else _RUNNING
        if codes:
            # The stock demo explains the error on a separate line before 'Error -1'.
            explained = any(re.match(r"Error:\s*[A-Za-z]", line) for line in self.lines)
            return "correct the file accordingly" if explained else ERRORS.get(codes[-1], _OTHER_ERROR)
        if not any(re.match(r"(Done|Skipped)\b", line) for line in self.lines):
            return _NO_RESULT
        return self._check_echo()

    def _check_echo(self) -> str | None:
        """Return an error if the echo differs from the command: Done then refers to another command.

        An image that does not echo cannot be checked.
        """
        if any(line.endswith(self.command) for line in self.lines):
            return None
        for line in self.lines:
            similarity = SequenceMatcher(None, line, self.command).ratio()
            if similarity > _MIN_GARBLED_SIMILARITY and not _REPLY_PATTERN.match(line):
                return f"the radar received {line!r}; the serial line is noisy: check the USB cable and try again"
        return None
