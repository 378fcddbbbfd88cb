"""Reads and writes a TensorRT engine and the file beside it that describes the machine it was built for.

A TensorRT engine fits one version of TensorRT and one type of GPU; on others it may fail or give wrong results. It is
therefore built on the device (`export.build_engine`) and checked before it is loaded.
"""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path
from typing import Any

import msgspec

from edge.core.files import write_atomic
from edge.inference.backends.base import BackendError
from edge.inference.bundle import Bundle, Precision

FORMAT = "radarecg.engine/1"


class Machine(msgspec.Struct, frozen=True):
    """The machine that an engine is built for: versions of TensorRT and CUDA, the GPU's name and compute capability."""

    tensorrt: str
    cuda: str
    gpu: str
    compute_capability: str


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content of the file beside the engine. `bundle` is the sha256 of the bundle.json it was built from."""

    format: str = FORMAT
    bundle: str
    name: str
    points: int
    precision: Precision
    machine: Machine
    sha256: str


def this_machine(tensorrt: Any, cuda: Any) -> Machine:
    """Describe this machine with the modules `tensorrt` and `pycuda.driver`. Needs a current CUDA context."""
    device, version = cuda.Context.get_device(), int(cuda.get_driver_version())
    capability = ".".join(map(str, device.compute_capability()))
    return Machine(tensorrt.__version__, f"{version // 1000}.{version % 1000 // 10}", device.name(), capability)


def digest_of(bundle: Bundle) -> str:
    """Return the sha256 of the bundle's bundle.json, which contains the model's digest."""
    return hashlib.sha256(bundle.description).hexdigest()


def about_path(path: Path) -> Path:
    """Return the path of the file beside the engine."""
    return path.with_name(path.name + ".json")


def write_engine(path: Path, content: bytes, about: About) -> None:
    """Write an engine and its description; `read_engine` rejects one without the other. Raises OSError."""
    write_atomic(path, content)
    write_atomic(about_path(path), msgspec.json.format(msgspec.json.encode(about)) + b"\n")


def read_engine(path: Path, bundle: Bundle, here: Machine) -> tuple[bytes, About]:
    """Read and check an engine for this bundle on this machine.

    Raises BackendError with the command that builds one.
    """
    command = ["python", "-m", "export.build_engine", str(bundle.folder), "--out", str(path)]
    rebuild = f"build it here: {shlex.join(command)}"
    try:
        content, about = path.read_bytes(), msgspec.json.decode(about_path(path).read_bytes(), type=About)
    except OSError as error:
        raise BackendError(f"{error.filename}: cannot be read ({error.strerror}); {rebuild}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackendError(f"{about_path(path)}: {error}; {rebuild}") from error
    for what, built, found in (
        ("format", about.format, FORMAT),
        ("TensorRT", about.machine.tensorrt, here.tensorrt),
        ("GPU", about.machine.gpu, here.gpu),
        ("compute capability", about.machine.compute_capability, here.compute_capability),
        ("bundle", about.bundle, digest_of(bundle)),
        ("content", about.sha256, hashlib.sha256(content).hexdigest()),
    ):
        if built != found:
            raise BackendError(
                f"{path}: built for {what} {built}, found {found}; {rebuild} --precision {about.precision}"
            )
    return content, about
