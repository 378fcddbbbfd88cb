"""Builds the engine that a device's settings name, unless a valid one exists.

python -m export.ensure_engine /etc/radarecg/radarecg.toml

A container or a service runs this before each `radarecg run`: the first start builds the engine, later starts reuse it,
and after an update of JetPack or of the network it is rebuilt. It does nothing for settings without TensorRT.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from edge.core.settings import ConfigError
from edge.gpu.context import cuda_driver
from edge.inference import bundle
from edge.inference.backends.base import BackendError
from edge.inference.backends.engine_file import read_engine, this_machine
from edge.inference.backends.tensorrt import tensorrt
from edge.runtime.config import load_config


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.ensure_engine", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("config", type=Path, metavar="TOML", help="settings file of radarecg run")
    path = parser.parse_args(arguments).config
    try:
        wanted = _engine_of(path)
        if wanted is None:
            return 0
        folder, out = wanted
        problem = _check_engine(folder, out)
    except (InputError, OSError) as error:
        print(f"export.ensure_engine: error: {error}", file=sys.stderr)
        return 2
    if problem is None:
        return 0
    from export import build_engine  # needs onnx, which a device without TensorRT does not have

    print(f"{problem}\nbuilding it now; this takes some minutes", file=sys.stderr, flush=True)
    return build_engine.main([str(folder), "--out", str(out)])


def _engine_of(path: Path) -> tuple[Path, Path] | None:
    """Return the bundle's folder and the engine's file, or None if no engine is needed. Raises InputError, OSError."""
    network = load_config(path).network
    if network.backend != "tensorrt":
        return None
    if network.engine is None:
        raise ConfigError(f"{path}: the backend tensorrt needs a file for its engine: set engine under [network]")
    return path.parent / network.bundle if network.bundle else bundle.SHIPPED, path.parent / network.engine


def _check_engine(folder: Path, out: Path) -> str | None:
    """Return why the engine must be built, or None if the existing one is valid. Raises InputError, OSError."""
    made, here = bundle.load_bundle(folder), this_machine(tensorrt(), cuda_driver())
    try:
        read_engine(out, made, here)
    except BackendError as error:
        return str(error)
    return None


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
