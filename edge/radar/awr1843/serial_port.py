"""Finds the radar's command port on USB and opens it."""

from __future__ import annotations

import errno
import re
import termios

import serial
from serial.tools import list_ports

from edge.core.errors import InputError

XDS110 = (0x0451, 0xBEF3)  # USB vendor and product of the debug probe on the radar board
COMMAND_INTERFACE = 0  # its 'Application/User UART'; interface 3 is the data UART, which raw capture does not need
AUTO = "auto"
PORT_OPTION_HINT = "--serial (radar.serial in the settings)"


class RadarError(InputError):
    """The radar failed or rejected a command. The message is one line: command, reply and remedy."""


def find_port() -> str:
    """Return the command port of the only radar on USB, e.g. /dev/ttyACM0.

    The USB interface number identifies the port; the order of the ports does not. Raises InputError, with the ports
    found, when there is not exactly one such port.
    """
    ports = sorted(list_ports.comports())
    found = [
        port.device
        for port in ports
        if (port.vid, port.pid) == XDS110 and _interface_number(port.location) == COMMAND_INTERFACE
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"several radars are connected ({', '.join(found)}); choose one with {PORT_OPTION_HINT}")
    names = ", ".join(f"{port.device} ({port.description})" for port in ports) or "none"
    raise InputError(
        f"no radar (XDS110 command UART) among the serial ports: {names}; connect the radar's USB cable and switch its "
        f"power on, or name the port with {PORT_OPTION_HINT}"
    )


def _interface_number(location: str | None) -> int | None:
    """Parse a location such as '1-2:1.0' (Linux): interface 0 of configuration 1 of the device at 1-2."""
    found = re.search(r":\w+\.(\d+)$", location or "")
    return int(found[1]) if found else None


def open_port(port: str, baud: int, timeout_s: float, write_timeout_s: float) -> serial.Serial:
    """Open the port exclusively. Raises RadarError."""
    try:
        return serial.Serial(port, baud, timeout=timeout_s, write_timeout=write_timeout_s, exclusive=True)
    except (OSError, termios.error) as error:  # pyserial raises either when the device disappears
        failure = error if isinstance(error, OSError) else OSError(*error.args)
        raise RadarError(f"{port} cannot be opened: {_advice(failure)}") from error


def _advice(error: OSError) -> str:
    if error.errno == errno.EACCES:
        return "permission denied; add yourself to its group (sudo usermod -aG dialout $USER) and log in again"
    if error.errno == errno.ENOENT:
        return f"port not found; connect the radar's USB cable and switch its power on, or correct {PORT_OPTION_HINT}"
    return f"{error.strerror or error}; close the other program that uses it, or correct {PORT_OPTION_HINT}"
