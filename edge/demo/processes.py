"""The processes of the demo; all end with the demo, even if it is killed."""

from __future__ import annotations

import ctypes
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

MQTT_PORT = 1883
WEB_PORT = 8080
_PR_SET_PDEATHSIG = 1


class DemoError(RuntimeError):
    """A process of the demo did not start or ended early; the message contains its last log lines."""


@dataclass(frozen=True)
class Usage:
    """Resource usage of a process: CPU seconds and peak resident memory."""

    cpu_s: float
    peak_rss_mb: float


class Child:
    """A process with a log file. `stop` sends SIGTERM, and SIGKILL after 5 s."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.name, self._log = name, log
        self.started_s = time.monotonic()
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=_terminate_with_parent,
            )

    def require_alive(self) -> None:
        """Raise DemoError when the process has ended."""
        if self.process.poll() is not None:
            last_lines = self._log.read_text(errors="replace").strip().splitlines()[-5:]
            raise DemoError(f"{self.name} ended with status {self.process.returncode}: " + " | ".join(last_lines))

    def stop(self) -> Usage | None:
        """End the process; return its resource usage, or None if it had ended already."""
        if self.process.poll() is not None:
            return None
        self.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 5
        while True:
            pid, status, used = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                self.process.returncode = os.waitstatus_to_exitcode(status)
                return Usage(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
            if time.monotonic() > deadline:
                self.process.kill()
            time.sleep(0.02)


def start(stack: ExitStack, name: str, command: list[str], folder: Path) -> Child:
    """Start a process that is stopped when the stack closes."""
    child = Child(name, command, folder / f"{name}.log")
    stack.callback(child.stop)
    return child


def start_broker(stack: ExitStack, folder: Path) -> tuple[Child, int]:
    """Start mosquitto if installed, else amqtt, on port 1883 if it is free. Raises DemoError."""
    port = usual_port(MQTT_PORT)
    mosquitto = mosquitto_command(port, folder)
    name = "mosquitto" if mosquitto else "amqtt"
    broker = start(stack, name, mosquitto or amqtt_command(port, folder), folder)
    deadline = time.monotonic() + 15
    while _is_free(port):
        broker.require_alive()
        if time.monotonic() > deadline:
            raise DemoError(f"{broker.name} does not answer on port {port}")
        time.sleep(0.05)
    return broker, port


def mosquitto_command(port: int, folder: Path) -> list[str] | None:
    """Return the command that starts mosquitto on loopback, with its settings in `folder`; None if not installed."""
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        return None
    config = folder / "mosquitto.conf"
    # Without `user`, mosquitto started by root changes its user, which clears the parent-death signal (prctl(2)).
    config.write_text(f"user {getpass.getuser()}\nlistener {port} 127.0.0.1\nallow_anonymous true\n")
    return [program, "-c", str(config)]


def amqtt_command(port: int, folder: Path) -> list[str]:
    """Return the command that starts amqtt, a broker in Python, on loopback."""
    config = folder / "amqtt.yaml"
    config.write_text(
        f"listeners:\n  default:\n    type: tcp\n    bind: 127.0.0.1:{port}\n"
        "plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n    allow_anonymous: true\n"
    )
    return [str(Path(sys.executable).with_name("amqtt")), "-c", str(config)]


def usual_port(port: int) -> int:
    """Return the given TCP port if it is free, else another free one."""
    return port if _is_free(port) else free_port(socket.SOCK_STREAM)


def free_port(kind: socket.SocketKind) -> int:
    """Return a free port of this kind of socket on loopback."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _terminate_with_parent() -> None:
    """Run in the child: makes Linux terminate it if the demo is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
