"""Controls the radar over its command UART: configure, start, stop.

One command a line; the firmware echoes it, answers, and prompts again (SDK 3.5 user guide, `utils/cli/src/cli.c`).
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
    lines_of,
)
from edge.radar.awr1843.serial_port import AUTO, PORT_OPTION_HINT, RadarError, find_port, open_port
from edge.radar.chirp import ChirpConfig, Firmware
from edge.radar.chirp_file.command_lines import command_lines
from edge.radar.chirp_file.firmware_check import unsendable

_REPLY_S = 3.0
_START_S = 10.0  # sensorStart calibrates the front end first
_QUIET_S = 0.05  # the firmware answers without pauses as long as this

log = logging.getLogger(__name__)


class RadarRebootError(RadarError):
    """The radar's boot banner came: its settings are gone; `configure` it again."""


class Awr1843:
    """The radar at a serial port, running `firmware`. A context manager; leaving closes the port, not the radar.

    "auto" is the port that `find_port` finds. Raises RadarError when the port cannot be opened or nothing there
    prompts, and InputError as `find_port` does.
    """

    def __init__(self, port: str, firmware: Firmware) -> None:
        self.port = find_port() if port == AUTO else port
        self.firmware = firmware
        self._configured: dict[str, str] = {}  # the fixed commands last sent
        self._started_with: dict[str, str] = {}  # ... and those the radar was first started with
        self._new_settings = False
        self._serial = open_port(self.port, BAUD[firmware], _QUIET_S, _REPLY_S)
        try:
            self._synchronise()
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
        """Closes the port. A running radar runs on."""
        self._serial.close()

    def configure(self, chirp: ChirpConfig) -> None:
        """Sends the chirp file's commands, all but sensorStart.

        Raises RadarError naming the file's line when the radar refuses one, when one would change what is fixed
        since the first start, and when the file is for the other firmware; RadarRebootError when it reboots meanwhile.
        """
        if chirp.firmware != self.firmware:
            raise RadarError(
                f"{chirp.source} is for {chirp.firmware}, the port is open for {self.firmware}; open it for the former"
            )
        self._synchronise()
        commands = _commands(chirp)
        for place, line in commands:
            first = self._started_with.get(line.split()[0], line)
            if line != first:
                raise RadarError(
                    f"{place}: {line!r} differs from {first!r}, which holds since the first start; reboot the radar "
                    "(NRST button) and configure it again"
                )
        self._configured = {}
        for place, line in commands:
            self._tell(line, place, _REPLY_S)
        self._configured = {line.split()[0]: line for _, line in commands if line.split()[0] in FIXED_AFTER_START}
        self._new_settings = True

    def start(self) -> None:
        """Starts the frames; after a `stop` with the same settings. Start the card's recording first.

        Raises RadarError when the radar refuses or was never configured, RadarRebootError when it lost its settings.
        """
        if self._synchronise():
            raise RadarRebootError(f"{self.port}: the radar rebooted and lost its settings; configure it again")
        if not self._configured:
            raise RadarError(f"{self.port}: sensorStart needs settings; configure the radar first")
        # 'sensorStart' alone is refused by the stock demo when nothing changed since sensorStop.
        command = "sensorStart" if self._new_settings else "sensorStart 0"
        self._tell(command, self.port, _START_S)
        self._started_with = self._started_with or self._configured
        self._new_settings = False

    def stop(self) -> None:
        """Stops the frames; harmless when they already are. Raises RadarError when the radar does not stop."""
        self._synchronise()
        self._tell("sensorStop", self.port, _REPLY_S)

    def listen(self) -> None:
        """Hears, without a word, whether all is well since the last command: a radar that runs says nothing.

        Raises RadarRebootError when the boot banner came, RadarError when an assertion or the port failed.
        """
        heard = self._drain()
        if BANNER.search(heard):
            self._forget()
            raise RadarRebootError(f"{self.port}: the radar rebooted; check its power (5 V, 3 A)")
        if said := " ".join(lines_of(PROMPT.sub(b"", heard))):
            if EXCEPTION in heard:
                self._forget()
                raise RadarError(f"{self.port}: the radar said {said!r}: {ASSERTED}")
            log.warning("%s: the radar said, unasked: %r", self.port, said)

    def _synchronise(self) -> bool:
        """An empty line brings the prompt; whatever was left over from before is read away. True after a reboot."""
        heard = self._exchange("", _REPLY_S)
        if not PROMPT.search(heard):
            said = "bytes that are no prompt: another baud rate or port?" if heard.strip() else "nothing"
            raise RadarError(
                f"{self.port}: no prompt at {BAUD[self.firmware]} baud, {said}; check power, the SOP jumpers (run: "
                f"SOP0 only), that {self.firmware} is flashed, and {PORT_OPTION_HINT}"
            )
        rebooted = BANNER.search(heard + self._drain()) is not None
        if rebooted:
            self._forget()
        return rebooted

    def _tell(self, command: str, place: str, timeout_s: float) -> None:
        """Has a command carried out. `place` says in messages where it comes from."""
        heard = self._exchange(command, timeout_s)
        if BANNER.search(heard):
            self._forget()
            raise RadarRebootError(
                f"{place}: the radar rebooted at {command!r}; check its power (5 V, 3 A) and configure it again"
            )
        reply = Reply.parse(command, PROMPT.sub(b"\n", heard))
        problem = reply.problem
        if not PROMPT.search(heard):
            problem = f"no prompt within {timeout_s:g} s; press NRST (or power it off and on) and configure it again"
        elif command.split()[0] == "sensorStop" and reply.already:
            problem = None
        if problem:
            raise RadarError(f"{place}: the radar answered {reply.said!r} to {command!r}: {problem}")

    def _exchange(self, command: str, timeout_s: float) -> bytes:
        """Sends a line, then reads until it is answered or for `timeout_s`. Of what was unread a banner matters."""
        if not self._serial.is_open:
            raise RadarError(f"{self.port} is closed")
        deadline_s = time.monotonic() + timeout_s
        try:
            heard = self._serial.read(self._serial.in_waiting)
            self._serial.write(command.encode("ascii") + b"\n")
        except OSError as error:  # pyserial's exceptions are OSErrors too
            raise self._failed(error) from error
        if BANNER.search(heard):
            return heard + self._drain()
        heard = b""
        while not _is_answered(heard, command) and time.monotonic() < deadline_s:
            heard += self._receive()
        return heard

    def _drain(self) -> bytes:
        """Reads until nothing more comes, or for as long as a reply may take: a data port never falls silent."""
        deadline_s = time.monotonic() + _REPLY_S
        heard = b""
        while time.monotonic() < deadline_s and (more := self._receive()):
            heard += more
        return heard

    def _receive(self) -> bytes:
        try:
            return self._serial.read(max(1, self._serial.in_waiting))
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> RadarError:
        self._forget()
        return RadarError(f"{self.port} failed ({error}); check the USB cable and the power, then open it again")

    def _forget(self) -> None:
        self._configured, self._started_with, self._new_settings = {}, {}, False


def _is_answered(heard: bytes, command: str) -> bool:
    """Whether a prompt follows what was said to a command; one before it is of an earlier line, and came late."""
    return any(not command or heard[: prompt.start()].strip() for prompt in PROMPT.finditer(heard))


def _commands(chirp: ChirpConfig) -> list[tuple[str, str]]:
    """('file:line', command) of what `configure` sends: words one space apart, without comments and sensorStart."""
    lines = command_lines(chirp.text, chirp.source)
    if wrong := next(filter(None, map(unsendable, lines)), None):
        raise RadarError(wrong)
    return [(line.place, line.text) for line in lines if line.name != "sensorStart"]
