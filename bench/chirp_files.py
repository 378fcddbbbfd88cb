"""Reports which chirp files of a folder radarecg accepts, for what purpose, and why it rejects the others.

    python bench/chirp_files.py FOLDER

Prints a line for every .cfg, .json and .xml file below FOLDER: "accepted" (a radar can run it), "replay only"
(recordings made with it can be read) or "refused"; then its device and the reason. A summary counts the reasons.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from edge.core.errors import InputError
from edge.radar.chirp import ChirpConfig, require_heartbeat
from edge.radar.chirp_file.front_end_limits import FAMILIES
from edge.radar.chirp_file.limit import LimitError
from edge.radar.chirp_file.parser import load_chirp

SUFFIXES = {".cfg", ".json", ".xml"}
COLUMN_CHARS = 48


class Verdict(NamedTuple):
    """One result: `use` is "accepted", "replay only" or "refused"; `kind` is the reason without numbers."""

    use: str
    device: str
    reason: str = ""
    kind: str = ""


def judge(path: Path) -> Verdict:
    """Makes the checks of `radarecg run` on a chirp file and, if they fail, those of `radarecg replay`."""
    try:
        chirp = load_chirp(path)
        require_heartbeat(chirp)
        return Verdict("accepted", device_of(chirp))
    except InputError as error:
        reason, kind = str(error).removeprefix(f"{path}"), kind_of(error, path)
    try:
        recorded = load_chirp(path, for_replay=True)
        require_heartbeat(recorded)
    except InputError as error:
        return Verdict("refused", named_device(path), str(error).removeprefix(f"{path}"), kind_of(error, path))
    return Verdict("replay only", device_of(recorded), reason, kind)


def device_of(chirp: ChirpConfig) -> str:
    """Returns family and firmware."""
    return f"{FAMILIES[chirp.band].name} {chirp.firmware or 'other'}"


def named_device(path: Path) -> str:
    """Returns the device that TI's visualizer writes in a comment, or ""."""
    found = re.search(rb"Platform:\s*(\w+)", path.read_bytes())
    return found[1].decode() if found else ""


def kind_of(error: InputError, path: Path) -> str:
    """Returns the reason for the summary: the limits' names, or the message without path, quotations and numbers."""
    if isinstance(error, LimitError):
        return ", ".join(limit.name for limit in error.limits)
    words = re.sub(r"^:\d+|(?<!\w)'[^']*'|\([^)]*\)", "", str(error).removeprefix(f"{path}"))
    return re.sub(r"(?<![\w.])-?\d+(\.\d+)?", "N", words).strip(": ")[:90]


def main() -> int:
    """Prints one line per file and the summary."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    uses: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    for path in files:
        verdict = judge(path)
        uses[verdict.use] += 1
        if verdict.kind:
            kinds[f"{verdict.use}: {verdict.kind}"] += 1
        name = str(path.relative_to(folder))[-COLUMN_CHARS:]
        print(f"{verdict.use:11} {name:{COLUMN_CHARS}} {verdict.device:24} {verdict.reason.strip(': ')}")
    print(f"\n{len(files)} files: " + ", ".join(f"{count} {use}" for use, count in uses.most_common()))
    for kind, count in kinds.most_common():
        print(f"{count:5}  {kind}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
