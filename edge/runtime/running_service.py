"""Finds a running `radarecg run` on this machine through /proc, for the other commands."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

PROC = Path("/proc")


def service_with(files: set[str]) -> int | None:
    """Return the process id of a `radarecg run` that has one of these files open, or None.

    A file is the path of a device or a name that `udp_sockets` returns. For another user's process only the command
    line is readable: it is assumed to have the files open.
    """
    for command_line in PROC.glob("[0-9]*/cmdline"):
        process = command_line.parent
        try:
            if _runs_radarecg(command_line.read_text(errors="replace")) and _may_have(process, files):
                return int(process.name)
        except OSError:  # the process has ended in the meantime
            continue
    return None


def udp_sockets(port: int) -> set[str]:
    """Return the sockets bound to a UDP port, by the names that Linux lists in a process's open files."""
    found = set()
    for table in (PROC / "net/udp", PROC / "net/udp6"):
        for row in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = row.split()  # proc(5): the second is the local address, the tenth the inode
            if int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _runs_radarecg(command_line: str) -> bool:
    words = [word.rpartition("/")[2] for word in command_line.split("\0")]
    return any(pair in (("radarecg", "run"), ("edge", "run")) for pair in pairwise(words))


def _may_have(process: Path, files: set[str]) -> bool:
    if not files:
        return False
    try:
        return any(str(link.readlink()) in files for link in (process / "fd").iterdir())
    except PermissionError:
        return True
