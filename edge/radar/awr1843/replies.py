"""What the radar's serial console says: its prompt, its replies and its errors, as text; no port is touched here.

Read leniently, as images differ: with or without echo, any of CR and LF, another name in the prompt, lines in between.

Sources: SDK `utils/cli/src/cli.c`, `demo/xwr18xx/mmw/mss/mmw_cli.c` (stock demo), TI studio_cli `src/mss/mmw_cli.c`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from edge.radar.chirp import Firmware

PROMPT = re.compile(rb"\w+:[/\\]>")  # "mmwDemo:/>"; other demos of TI's have another name before the colon
# Both images greet with "xWR18xx MMW Demo 03.05.00.04" between two rows of 42 stars.
BANNER = re.compile(rb"\*{20}|MMW Demo")
EXCEPTION = b"Exception"  # begins what an assertion says before it halts the firmware
BAUD: dict[Firmware, int] = {"studio_cli": 921600, "sdk_demo": 115200}
LINE_CHARS = 255  # the firmware's buffer of 256 keeps a terminator; what is longer would run as two commands
# Taken at the first sensorStart only; the demo runs on with the old values after an assert.
FIXED_AFTER_START = ("channelCfg", "adcCfg", "lowPower")

# studio_cli's error numbers (mmw_cli.h): what each means and what to do.
ERRORS: dict[int, str] = {
    -50: "unknown command; remove the line, or flash the firmware that the file is for",
    -51: "wrong number of arguments; compare the line with those in firmware_config/",
    -52: "an argument is out of place or out of range; `radarecg check-config` explains the file's numbers",
    -53: "sensorStart takes no argument or 0; send it as one of the two",
    -54: "already in that state; stop the radar before starting it again",
    -55: "this firmware streams without header and software session; use lvdsStreamCfg -1 0 1 0",
    -56: "a command inside the radar timed out; reboot the radar and configure it again",
    -57: "the data path cannot be set up; send the whole file before sensorStart and check profileCfg and frameCfg",
    -58: "not while the radar runs; stop it first",
}
ALREADY = -54
_OTHER_ERROR = "the radar front end refused it; `radarecg check-config` compares the file with the documented limits"
ASSERTED = "the firmware failed an assertion; reboot the radar (NRST button) and configure it again"
_RUNNING = "the radar is running; put sensorStop and flushCfg first in the file"
_UNKNOWN = "the firmware does not know it; the file may be for the other firmware, or the line was garbled: try again"
_SILENT = "neither Done nor Error; try again, and reboot the radar if it stays so"
_REPLY_PATTERN = re.compile(r"Done\b|Error|Exception|Ignored|Skipped\b|Debug|'.*' is not recognized")
_GARBLED_RATIO = 0.6  # of what two lines share: so much alike, and one is the other with noise in it


def lines_of(raw: bytes) -> tuple[str, ...]:
    """What the firmware wrote, which ends lines with LF CR; bytes that are not text become '?'."""
    text = re.sub(rb"[^ -~\r\n]", b"?", raw).decode("ascii")
    return tuple(line for part in re.split(r"[\r\n]+", text) if (line := part.strip()))


@dataclass(frozen=True)
class Reply:
    """The lines the firmware wrote between a command and its next prompt, the echo included if there was one."""

    command: str
    lines: tuple[str, ...]

    @staticmethod
    def parse(command: str, raw: bytes) -> Reply:
        """Splits what came before the prompt. An answer may follow the echo on the same line."""
        lines: list[str] = []
        for line in lines_of(raw):
            echo, found, rest = line.partition(command)
            if found and _REPLY_PATTERN.match(rest.strip()):
                lines += [echo + found, rest.strip()]
            else:
                lines.append(line)
        return Reply(command, tuple(lines))

    @property
    def said(self) -> str:
        """The answer on one line, without the echo."""
        return " ".join(line for line in self.lines if not line.endswith(self.command)) or "nothing"

    @property
    def already(self) -> bool:
        """A start or stop that found the radar already started or stopped."""
        return any(re.fullmatch(rf"Error:?\s*{ALREADY}|Ignored: Sensor is.*", line) for line in self.lines)

    @property
    def problem(self) -> str | None:
        """What is wrong and what to do; None when the command was carried out (or was a comment)."""
        codes = [int(found[1]) for line in self.lines if (found := re.fullmatch(r"Error:?\s*(-?\d+)", line))]
        if any("is not recognized as a CLI command" in line for line in self.lines):
            return _UNKNOWN
        if any(line.startswith("Exception") for line in self.lines):
            return ASSERTED
        if any(line.startswith("Ignored") for line in self.lines):
            return ERRORS[ALREADY] if self.already else _RUNNING
        if codes:
            # The stock demo explains itself in a line of its own before 'Error -1'; then there is nothing to add.
            explained = any(re.match(r"Error:\s*[A-Za-z]", line) for line in self.lines)
            return "correct the file as it says" if explained else ERRORS.get(codes[-1], _OTHER_ERROR)
        if not any(re.match(r"(Done|Skipped)\b", line) for line in self.lines):
            return _SILENT
        return self._misheard()

    def _misheard(self) -> str | None:
        """A Done to something else than was sent must not count. An image that does not echo cannot be checked."""
        if any(line.endswith(self.command) for line in self.lines):
            return None
        for line in self.lines:
            alike = SequenceMatcher(None, line, self.command).ratio()
            if alike > _GARBLED_RATIO and not _REPLY_PATTERN.match(line):
                return f"the radar heard {line!r}; the line is noisy: check the USB cable and try again"
        return None
