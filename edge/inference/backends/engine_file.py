"""An engine's file and the one beside it, which says where it was built: an engine runs there or not at all.

A TensorRT engine fits one version of TensorRT and one kind of GPU; another may run it wrongly or not at all. So it is
built on the device (`export.build_engine`), and checked before it is loaded.
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
    """What an engine is built for: TensorRT's version, CUDA's, the GPU's name and its compute capability."""

    tensorrt: str
    cuda: str
    gpu: str
    compute_capability: str


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file beside the engine. `bundle` is the sha256 of the bundle.json that it was built from."""

    format: str = FORMAT
    bundle: str
    name: str
    points: int
    precision: Precision
    machine: Machine
    sha256: str


def this_machine(tensorrt: Any, cuda: Any) -> Machine:
    """By the modules `tensorrt` and `pycuda.driver`, with a current context."""
    device, version = cuda.Context.get_device(), int(cuda.get_driver_version())
    capability = ".".join(map(str, device.compute_capability()))
    return Machine(tensorrt.__version__, f"{version // 1000}.{version % 1000 // 10}", device.name(), capability)


def digest_of(bundle: Bundle) -> str:
    """Of its bundle.json, which has the digests of the rest."""
    return hashlib.sha256(bundle.description).hexdigest()


def about_path(path: Path) -> Path:
    """The file beside the engine."""
    return path.with_name(path.name + ".json")


def write(path: Path, content: bytes, about: About) -> None:
    """Writes an engine and what is said of it; one without the other is refused by `read`. Raises OSError."""
    write_atomic(path, content)
    write_atomic(about_path(path), msgspec.json.format(msgspec.json.encode(about)) + b"\n")


def read(path: Path, bundle: Bundle, here: Machine) -> tuple[bytes, About]:
    """An engine for this bundle on this machine. Raises BackendError with the command that builds one."""
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
                f"{path}: built for {what} {built}, this is {found}; {rebuild} --precision {about.precision}"
            )
    return content, about
