"""Controls the radar over its command UART: configure, start, stop.

Each command is one line. The firmware echoes it, replies and prints its prompt again (SDK 3.5 user guide,
`utils/cli/src/cli.c`).
"""

from __future__ import annotations

import logging
import time
from types import TracebackType

from edge.radar.awr1843.replies import (
    ASSERTED,
    BANNER,
    BAUD,
    EXCEPTION,
    FIXED_AFTER_START,
    PROMPT,
    Reply,
    split_lines,
)
from edge.radar.awr1843.serial_port import AUTO, PORT_OPTION_HINT, RadarError, find_port, open_port
from edge.radar.chirp import ChirpConfig, Firmware
from edge.radar.chirp_file.command_lines import command_lines
from edge.radar.chirp_file.firmware_check import find_send_error

_REPLY_TIMEOUT_S = 3.0
_START_TIMEOUT_S = 10.0  # sensorStart calibrates the front end first
_IDLE_TIMEOUT_S = 0.05  # longer than any pause within a reply of the firmware

log = logging.getLogger(__name__)


class RadarRebootError(RadarError):
    """The radar sent its boot banner: it has rebooted and lost its settings; call `configure` again."""


class Awr1843:
    """Driver for the radar at a serial port, running `firmware`.

    A context manager: on exit it closes the port and leaves the radar as it is. Port "auto" selects the port that
    `find_port` returns. Raises RadarError when the port cannot be opened or sends no prompt, and InputError as
    `find_port` does.
    """

    def __init__(self, port: str, firmware: Firmware) -> None:
        self.port = find_port() if port == AUTO else port
        self.firmware = firmware
        self._configured: dict[str, str] = {}  # the FIXED_AFTER_START commands that were last sent
        self._started_with: dict[str, str] = {}  # those commands as they were at the first start
        self._has_new_settings = False
        self._serial = open_port(self.port, BAUD[firmware], _IDLE_TIMEOUT_S, _REPLY_TIMEOUT_S)
        try:
            self._synchronize()
        except RadarError:
            self.close()
            raise

    def __enter__(self) -> Awr1843:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the port. A radar that is running keeps running."""
        self._serial.close()

    def configure(self, chirp: ChirpConfig) -> None:
        """Send all commands of the chirp file except sensorStart.

        Raises RadarError, with the file's line, when the radar rejects a command or when a command would change a
        setting that is fixed after the first start; RadarError when the file is for the other firmware;
        RadarRebootError when the radar reboots during configuration.
        """
        if chirp.firmware != self.firmware:
            raise RadarError(
                f"{chirp.source} is for {chirp.firmware}, but the port is open for {self.firmware}; "
                f"open it for {chirp.firmware}"
            )
        self._synchronize()
        commands = _commands(chirp)
        for location, line in commands:
            first = self._started_with.get(line.split()[0], line)
            if line != first:
                raise RadarError(
                    f"{location}: {line!r} differs from {first!r}, which is fixed since the first start; reboot the "
                    "radar (NRST button) and configure it again"
                )
        self._configured = {}
        for location, line in commands:
            self._execute(line, location, _REPLY_TIMEOUT_S)
        self._configured = {line.split()[0]: line for _, line in commands if line.split()[0] in FIXED_AFTER_START}
        self._has_new_settings = True

    def start(self) -> None:
        """Start the frames, after a `stop` with the same settings. Start the card's recording first.

        Raises RadarError when the radar rejects the command or is not configured, RadarRebootError when it has
        rebooted and lost its settings.
        """
        if self._synchronize():
            raise RadarRebootError(f"{self.port}: the radar rebooted and lost its settings; configure it again")
        if not self._configured:
            raise RadarError(f"{self.port}: sensorStart requires settings; configure the radar first")
        # The stock demo rejects 'sensorStart' without an argument when no setting changed since sensorStop.
        command = "sensorStart" if self._has_new_settings else "sensorStart 0"
        self._execute(command, self.port, _START_TIMEOUT_S)
        self._started_with = self._started_with or self._configured
        self._has_new_settings = False

    def stop(self) -> None:
        """Stop the frames. No effect when they are stopped. Raises RadarError when the radar does not stop."""
        self._synchronize()
        self._execute("sensorStop", self.port, _REPLY_TIMEOUT_S)

    def check_for_reboot(self) -> None:
        """Check what the radar has sent since the last command, without sending anything.

        A running radar sends nothing. Raises RadarRebootError when it sent its boot banner, RadarError when it
        reported a failed assertion or the port failed.
        """
        response = self._drain()
        if BANNER.search(response):
            self._reset_state()
            raise RadarRebootError(f"{self.port}: the radar rebooted; check its power (5 V, 3 A)")
        if text := " ".join(split_lines(PROMPT.sub(b"", response))):
            if EXCEPTION in response:
                self._reset_state()
                raise RadarError(f"{self.port}: the radar sent {text!r}: {ASSERTED}")
            log.warning("%s: unexpected output of the radar: %r", self.port, text)

    def _synchronize(self) -> bool:
        """Send an empty line, wait for the prompt and discard earlier output. Returns whether the radar rebooted."""
        response = self._exchange("", _REPLY_TIMEOUT_S)
        if not PROMPT.search(response):
            received = "but other bytes (wrong baud rate or port?)" if response.strip() else "no bytes received"
            raise RadarError(
                f"{self.port}: no prompt at {BAUD[self.firmware]} baud, {received}; check power, the SOP jumpers (run: "
                f"SOP0 only), that {self.firmware} is flashed, and {PORT_OPTION_HINT}"
            )
        rebooted = BANNER.search(response + self._drain()) is not None
        if rebooted:
            self._reset_state()
        return rebooted

    def _execute(self, command: str, location: str, timeout_s: float) -> None:
        """Send a command and check its reply; error messages begin with `location`, the origin of the command.

        Raises RadarError when the radar rejects the command, RadarRebootError when it reboots.
        """
        response = self._exchange(command, timeout_s)
        if BANNER.search(response):
            self._reset_state()
            raise RadarRebootError(
                f"{location}: the radar rebooted at {command!r}; check its power (5 V, 3 A) and configure it again"
            )
        reply = Reply.parse(command, PROMPT.sub(b"\n", response))
        problem = reply.problem
        if not PROMPT.search(response):
            problem = f"no prompt within {timeout_s:g} s; press NRST (or power it off and on) and configure it again"
        elif command.split()[0] == "sensorStop" and reply.is_already_in_state:
            problem = None
        if problem:
            raise RadarError(f"{location}: the radar replied {reply.text!r} to {command!r}: {problem}")

    def _exchange(self, command: str, timeout_s: float) -> bytes:
        """Send a line, then read until its reply is complete or `timeout_s` has passed.

        Unread bytes from before are discarded, unless they contain the boot banner: then they are returned.
        """
        if not self._serial.is_open:
            raise RadarError(f"{self.port} is closed")
        deadline_s = time.monotonic() + timeout_s
        try:
            response = self._serial.read(self._serial.in_waiting)
            self._serial.write(command.encode("ascii") + b"\n")
        except OSError as error:  # pyserial's exceptions are OSErrors too
            raise self._port_error(error) from error
        if BANNER.search(response):
            return response + self._drain()
        response = b""
        while not _is_answered(response, command) and time.monotonic() < deadline_s:
            response += self._receive()
        return response

    def _drain(self) -> bytes:
        """Read until the port is idle, at most for _REPLY_TIMEOUT_S: a data port sends without end."""
        deadline_s = time.monotonic() + _REPLY_TIMEOUT_S
        response = b""
        while time.monotonic() < deadline_s and (more := self._receive()):
            response += more
        return response

    def _receive(self) -> bytes:
        try:
            return self._serial.read(max(1, self._serial.in_waiting))
        except OSError as error:
            raise self._port_error(error) from error

    def _port_error(self, error: Exception) -> RadarError:
        self._reset_state()
        return RadarError(f"{self.port} failed ({error}); check the USB cable and the power, then open it again")

    def _reset_state(self) -> None:
        self._configured, self._started_with, self._has_new_settings = {}, {}, False


def _is_answered(response: bytes, command: str) -> bool:
    """Whether a prompt follows the reply to `command`; a prompt before the reply is a late one of an earlier line."""
    return any(not command or response[: prompt.start()].strip() for prompt in PROMPT.finditer(response))


def _commands(chirp: ChirpConfig) -> list[tuple[str, str]]:
    """Return ('file:line', command) of each line to send: single spaces, without comments and sensorStart."""
    lines = command_lines(chirp.text, chirp.source)
    if wrong := next(filter(None, map(find_send_error, lines)), None):
        raise RadarError(wrong)
    return [(line.place, line.text) for line in lines if line.name != "sensorStart"]
