"""Emulates an AWR1843 at a pseudo terminal: the serial console of both firmware images, byte for byte.

The UART driver echoes input as it arrives and sends LF CR for every newline. The replies to the commands are in
`edge.radar.chirp_file.firmware_model`.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import tty
from collections.abc import Callable
from types import TracebackType

from edge.radar.awr1843.replies import LINE_CHARS
from edge.radar.chirp import Firmware
from edge.radar.chirp_file.firmware_model import Awr1843Firmware

_BANNER = "*" * 42 + "\nxWR18xx MMW Demo 03.05.00.04\n" + "*" * 42 + "\n"
PROMPT = b"mmwDemo:/>"
_FRAGMENT_BYTES = 3


def _ignore() -> None:
    pass


class Awr1843Emulator:
    """The console of one board at `port`. A context manager.

    `on_start` and `on_stop` are called when the frames start and stop.

    Faults, which can be set at any time: `reboot_at` (a command name: the board reboots once instead of replying),
    `silent` (neither echo nor reply), `fragment_s` (a pause after every three bytes), `noise` (bytes before the next
    reply). Differences between images, to be set before entering the context: `echoes`, `newline`, `prompt`, and
    `chatter` (text before every reply).
    """

    def __init__(
        self, image: Firmware, on_start: Callable[[], None] = _ignore, on_stop: Callable[[], None] = _ignore
    ) -> None:
        self.image, self._on_start, self._on_stop = image, on_start, on_stop
        self.reboot_at: str | None = None
        self.silent = False
        self.fragment_s = 0.0
        self.noise = b""
        self.echoes, self.newline, self.prompt, self.chatter = True, "\n\r", PROMPT, ""
        self.received: list[str] = []  # every line, as the firmware received it
        self.frames = 0  # number of frames of the last frameCfg; 0: unlimited
        self.starts = 0  # how often frames were started
        self._master, self._slave = os.openpty()  # the slave stays open, so that clients can close and reopen it
        tty.setraw(self._slave)
        self.port: str = os.ttyname(self._slave)
        self._wake, self._waker = os.pipe()
        self._firmware = Awr1843Firmware(image)
        self._resources = contextlib.ExitStack()
        for descriptor in (self._master, self._slave, self._wake, self._waker):
            self._resources.callback(os.close, descriptor)

    def __enter__(self) -> Awr1843Emulator:
        thread = threading.Thread(target=self._run, name="awr1843-emulator", daemon=True)
        thread.start()
        self._resources.callback(thread.join)
        self._resources.callback(os.write, self._waker, b"stop")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """Whether the radar is sending frames."""
        return self._firmware.running

    def close(self) -> None:
        """Remove the port, as if the USB cable were disconnected."""
        self._resources.close()

    def reboot(self) -> None:
        """Reboots the board, as the NRST button does."""
        if self.running:
            self._on_stop()
        self._firmware = Awr1843Firmware(self.image)
        self._write(_BANNER)
        self._send(self.prompt)

    def _run(self) -> None:
        self.reboot()  # power on
        line = b""
        while True:
            readable, _, _ = select.select([self._master, self._wake], [], [])
            if self._wake in readable:
                return
            echo = b""
            for byte in os.read(self._master, 4096):
                echo += bytes([byte])
                ended = byte in b"\r\n"
                if not ended:
                    line += bytes([byte])
                if ended or len(line) == LINE_CHARS:
                    self._echo(echo)
                    self._execute(line.decode("latin-1"))
                    echo = line = b""
            self._echo(echo)

    def _echo(self, data: bytes) -> None:
        if self.echoes:
            self._send(data)

    def _execute(self, line: str) -> None:
        self.received.append(line)
        if line.split(" ")[0] == self.reboot_at:
            self.reboot_at = None
            self.reboot()
            return
        noise, self.noise = self.noise, b""
        was_running = self.running
        reply = self._firmware.execute(line)
        words = line.split()
        if words[:1] == ["frameCfg"] and "Done" in reply:
            self.frames = int(words[4])
        if self.running != was_running:
            self.starts += self.running
            (self._on_start if self.running else self._on_stop)()
        self._send(noise)
        self._write(self.chatter + reply)
        self._send(self.prompt)

    def _write(self, text: str) -> None:
        self._send(text.replace("\n", self.newline).encode("latin-1"))

    def _send(self, data: bytes) -> None:
        if self.silent:
            return
        step = _FRAGMENT_BYTES if self.fragment_s else max(1, len(data))
        for start in range(0, len(data), step):
            os.write(self._master, data[start : start + step])
            time.sleep(self.fragment_s)
