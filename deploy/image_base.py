"""Chooses the base of the image for this computer, and writes it to docker compose's .env.

python3 deploy/image_base.py names the images in .env that a registry may change, because they have no digest.
"""

from __future__ import annotations

import grp
import re
import sys
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


BROKER = "eclipse-mosquitto:2.0.22"
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
    """Write the image's base and the group of the GPU's render node; keep other lines, and the digest of this base."""
    settings = _read(path)
    if not settings.get("BASE", "").startswith(f"{base.name}@"):
        settings["BASE"] = base.name
    with suppress(KeyError):
        settings["RENDER_GID"] = str(grp.getgrnam("render").gr_gid)
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


def warn_of_unpinned(path: Path) -> list[str]:
    """Return a warning for each image that compose, by its .env, fetches from a registry without a digest."""
    settings = _read(path)
    images = {"BASE": settings.get("BASE", JETPACK_6.name), "BROKER_IMAGE": settings.get("BROKER_IMAGE", BROKER)}
    built_here = (JETPACK_7.name, NVIDIA_CARD.name)
    return [
        f"warning: {name} may change: docker pull {name}; docker image inspect --format "
        f"'{{{{index .RepoDigests 0}}}}' {name}; write what it prints as {variable}=... into {path}"
        for variable, name in images.items()
        if name not in built_here and "@sha256:" not in name
    ]


def _read(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines() if path.exists() else []
    return {name: value for name, _, value in (line.partition("=") for line in lines) if name}


def main() -> int:
    """Print the warnings for .env; the exit status is 1 if there are any."""
    warnings = warn_of_unpinned(Path(__file__).resolve().parents[1] / ".env")
    for warning in warnings:
        print(warning, file=sys.stderr)
    return int(bool(warnings))


if __name__ == "__main__":
    sys.exit(main())
