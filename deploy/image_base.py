"""Chooses the base of the image for this computer, and writes it to docker compose's .env."""

from __future__ import annotations

import grp
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

TEGRA_RELEASE = Path("/etc/nv_tegra_release")
"""The release of a Jetson; its first line: # R36 (release), REVISION: 5.0, GCID: 43688277, BOARD: generic, ..."""


class UnsupportedReleaseError(Exception):
    """The Jetson's release is too old or unknown; the message says what to do."""


class Base(NamedTuple):
    """A base of the image: its name, and the command that builds it if NVIDIA does not offer it."""

    name: str
    command: str | None = None


JETPACK_6 = Base("nvcr.io/nvidia/l4t-tensorrt:r10.3.0-runtime")
JETPACK_7 = Base("jetpack7", "docker build -f deploy/jetpack7.Dockerfile -t jetpack7 /etc/apt")
NVIDIA_CARD = Base("tensorrt", "docker build -f deploy/tensorrt.Dockerfile -t tensorrt deploy")


def find_base(release: Path = TEGRA_RELEASE) -> Base:
    """Return the base for the Jetson's release, or, without such a file, for a computer with an NVIDIA card.

    Raises UnsupportedReleaseError, OSError.
    """
    if not release.exists():
        return NVIDIA_CARD
    line = release.read_text(errors="replace").partition("\n")[0]
    found = re.search(r"R(\d+) \(release\)", line)
    major = int(found[1]) if found else 0
    if major < 36:
        raise UnsupportedReleaseError(f"{release}: {line!r} is not R36 (JetPack 6) or later: flash JetPack 6 or 7")
    return JETPACK_6 if major == 36 else JETPACK_7


def write_compose_environment(path: Path, base: Base) -> None:
    """Write the image's base and the group of the GPU's render node; keep the file's other lines."""
    settings = {"BASE": base.name}
    with suppress(KeyError):
        settings["RENDER_GID"] = str(grp.getgrnam("render").gr_gid)
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if line.partition("=")[0] not in settings]
    path.write_text("\n".join([*kept, *(f"{name}={value}" for name, value in settings.items())]) + "\n")
