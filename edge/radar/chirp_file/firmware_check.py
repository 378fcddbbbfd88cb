"""Checks a chirp file against the firmware's command line before it is sent."""

from __future__ import annotations

from difflib import get_close_matches

from edge.radar.awr1843.replies import LINE_CHARS, Reply
from edge.radar.chirp import ChirpConfigError, Firmware
from edge.radar.chirp_file.command_lines import Line, count_hint
from edge.radar.chirp_file.firmware_model import COMMANDS, Awr1843Firmware

_NAMES: dict[Firmware, str] = {"studio_cli": "studio_cli", "sdk_demo": "the stock demo"}
_NO_SETTINGS = ("sensorStart", "sensorStop", "flushCfg", "version", "help", "queryDemoStatus")


def require_accepted(lines: list[Line], image: Firmware) -> None:
    """Raise ChirpConfigError for the first line that the image would reject, in the file's order."""
    firmware = Awr1843Firmware(image)
    start: Line | None = None
    for line in lines:
        if line.name == "sensorStart":
            start = start or line
            continue
        if start and line.name in COMMANDS[image] and line.name not in _NO_SETTINGS:
            raise ChirpConfigError(
                f"{start.place}: sensorStart comes before settings ({line.name} at {line.place}), which a running "
                "radar rejects; put it at the end of the file"
            )
        if problem := find_send_error(line) or _problem(line, image, firmware):
            raise ChirpConfigError(problem)


def require_start(lines: list[Line], image: Firmware) -> None:
    """Raise ChirpConfigError when the image accepts these lines but would reject sensorStart after them."""
    firmware = Awr1843Firmware(image)
    for line in lines:
        if line.name != "sensorStart":
            firmware.execute(line.text)
    source = lines[-1].place
    if missing := firmware.missing():
        raise ChirpConfigError(
            f"{source}: {_NAMES[image]} would not start ({_reply(firmware, 'sensorStart').text}): the file lacks "
            f"{', '.join(missing)}; compare it with those in firmware_config/"
        )


def find_send_error(line: Line) -> str | None:
    """Return why a line cannot be sent to the console at all; None when it can."""
    if line.text.isascii() and len(line.text) <= LINE_CHARS:
        return None
    return f"{line.place}: a line must have at most {LINE_CHARS} plain characters (ASCII); shorten it"


def _reply(firmware: Awr1843Firmware, command: str) -> Reply:
    return Reply.parse(command, firmware.execute(command).encode())


def _problem(line: Line, image: Firmware, firmware: Awr1843Firmware) -> str | None:
    """Return the error message for a line: location, error, remedy; None when the image accepts it."""
    reply = _reply(firmware, line.text)
    if reply.problem is None or (line.name == "sensorStop" and reply.is_already_in_state):
        return None
    place, name = f"{line.place}: {line.name}", _NAMES[image]
    if line.name[0] in "#/;":
        return f"{place}: a comment must begin with % ({name} reads {line.name!r} as a command)"
    if line.name not in COMMANDS[image]:
        close = get_close_matches(line.name.lower(), [name.lower() for name in COMMANDS[image]], 1)
        meant = next((command for command in COMMANDS[image] if command.lower() in close), None)
        advice = f"did you mean {meant}?" if meant else "remove the line, or correct its spelling"
        return f"{place} is not a command of {name}, for which the file is written; {advice}"
    counts = COMMANDS[image][line.name]
    if counts is not None and len(line.args) not in counts:
        needed = " or ".join(map(str, counts))
        return (
            f"{place} needs {needed} numbers, has {len(line.args)} ({' '.join(line.args) or 'none'!r}); {name} of "
            f"SDK 3.5 would reply {reply.text!r}{count_hint(line) or '; the file may be for another SDK'}"
        )
    return f"{place}: {name} would reply {reply.text!r}: {_REMEDIES.get(line.name, reply.problem)}"


_REMEDIES = {
    "profileCfg": "dfeDataOutputMode 1 must come before it, and its id must be 0 to 3",
    "chirpCfg": "dfeDataOutputMode 1 and the profileCfg that it uses must come before it",
    "frameCfg": "dfeDataOutputMode 1 must come before it",
}
