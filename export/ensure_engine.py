"""Builds the engines of a device's settings, unless valid ones exist.

python -m export.ensure_engine /etc/radarecg/radarecg.toml

A container or a service runs this before each `radarecg run`: the first start builds the engine, later starts reuse it,
and after an update of JetPack or of the network it is rebuilt; the one before is kept, and used again after a return to
the earlier version. For a float32 bundle there are two engines: the one that the settings name, in half precision, and
one in float32 that `radarecg run` uses if the first gives wrong values. Does nothing for settings without TensorRT.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from edge.gpu.context import cuda_driver
from edge.inference.backends.base import BackendError
from edge.inference.backends.engine_file import Machine, float32_path, read_engine, restore_previous, this_machine
from edge.inference.backends.tensorrt import tensorrt
from edge.inference.bundle import Bundle
from edge.inference.device_key import create_key
from edge.inference.settings import network_files
from edge.inference.signature import SignatureError
from edge.runtime.config import load_config


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.ensure_engine", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("config", type=Path, metavar="TOML", help="settings file of radarecg run")
    path = parser.parse_args(arguments).config
    try:
        network = load_config(path).network
        if network.backend != "tensorrt":
            return 0
        files = network_files(network, path)
        assert files.engine  # network_files requires it
        key = []
        if files.device_key:
            create_key(files.device_key)
            key = ["--device-key", str(files.device_key)]
        made, here = files.load_bundle(), this_machine(tensorrt(), cuda_driver())
        status = _ensure(made, here, files.engine, key)
        if status == 0 and made.about.precision == "fp32":
            status = _ensure(made, here, float32_path(files.engine), [*key, "--precision", "fp32"])
    except (InputError, OSError) as error:
        print(f"export.ensure_engine: error: {error}", file=sys.stderr)
        return 2
    return status


def _ensure(made: Bundle, here: Machine, out: Path, options: list[str]) -> int:
    """Build the engine `out`, or restore the one before, if it is not valid; return the exit status. Raises OSError."""
    try:
        read_engine(out, made, here)
        return 0
    except (BackendError, SignatureError) as error:
        if restore_previous(out, made, here):
            print(f"{out}: the engine before it fits again and was restored", file=sys.stderr)
            return 0
        print(f"{error}\nbuilding it now; this takes some minutes", file=sys.stderr, flush=True)
    from export import build_engine  # needs onnx, which a device without TensorRT does not have

    return build_engine.main([str(made.folder), "--out", str(out), *options])


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
