"""Reads and writes a TensorRT engine and the files beside it: what it was built for, and the layers that it has.

A TensorRT engine fits one version of TensorRT and one type of GPU; on others it may fail or give wrong results. It is
therefore built on the device (`export.build_engine`) and checked before it is loaded. The engine before it is kept, so
that a device that returns to an earlier version need not build it again.
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

FORMAT = "radarecg.engine/2"
FLOAT32_SUFFIX = "-fp32"
"""End of the name, before the extension, of the float32 engine beside another one."""


class Machine(msgspec.Struct, frozen=True):
    """The machine that an engine is built for: versions of TensorRT and CUDA, and the GPU.

    Modules of one family have the same name and compute capability (Orin, 8.7); the number of their multiprocessors
    distinguishes them.
    """

    tensorrt: str
    cuda: str
    gpu: str
    compute_capability: str
    multiprocessors: int


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
    cuda_version = f"{version // 1000}.{version % 1000 // 10}"
    return Machine(tensorrt.__version__, cuda_version, device.name(), capability, int(device.MULTIPROCESSOR_COUNT))


def digest_of(bundle: Bundle) -> str:
    """Return the sha256 of the bundle's bundle.json, which contains the model's digest."""
    return hashlib.sha256(bundle.description).hexdigest()


def about_path(path: Path) -> Path:
    """Return the path of the description beside the engine."""
    return path.with_name(path.name + ".json")


def layers_path(path: Path) -> Path:
    """Return the path of TensorRT's list of the engine's layers, with their precisions."""
    return path.with_name(path.name + ".layers.json")


def float32_path(path: Path) -> Path:
    """Return the path of the float32 engine that is used where the engine at `path` cannot be."""
    return path.with_name(f"{path.stem}{FLOAT32_SUFFIX}{path.suffix}")


def previous_path(path: Path) -> Path:
    """Return the path of the engine that the one at `path` replaced."""
    return path.with_name(path.name + ".before")


def write_engine(path: Path, content: bytes, about: About, layers: str | None = None) -> None:
    """Write an engine, its description and its layers, and keep the engine before it. Raises OSError."""
    new = path.with_name(path.name + ".new")
    write_atomic(new, content)
    write_atomic(about_path(new), msgspec.json.format(msgspec.json.encode(about)) + b"\n")
    layers_path(new).unlink(missing_ok=True)  # of a write that was interrupted
    if layers is not None:
        write_atomic(layers_path(new), layers.encode())
    if path.exists():
        _move(path, previous_path(path))
    _move(new, path)


def restore_previous(path: Path, bundle: Bundle, here: Machine) -> bool:
    """Exchange the engine with the one before it if that one fits; return whether it does. Raises OSError."""
    before, aside = previous_path(path), path.with_name(path.name + ".new")
    try:
        read_engine(before, bundle, here)
    except BackendError:
        return False
    _move(path, aside)
    _move(before, path)
    _move(aside, before)
    return True


def read_engine(path: Path, bundle: Bundle, here: Machine) -> tuple[bytes, About]:
    """Read and check an engine for this bundle on this machine.

    Raises BackendError with the command that builds one.
    """
    is_float32 = path.stem.endswith(FLOAT32_SUFFIX)
    command = ["python", "-m", "export.build_engine", str(bundle.folder), "--out", str(path)]
    command += ["--precision", "fp32"] if is_float32 else []
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
        ("multiprocessors", about.machine.multiprocessors, here.multiprocessors),
        ("bundle", about.bundle, digest_of(bundle)),
        ("content", about.sha256, hashlib.sha256(content).hexdigest()),
    ):
        if built != found:
            raise BackendError(
                f"{path}: built for {what} {built}, found {found}; {rebuild}"
                + ("" if is_float32 else f" --precision {about.precision}")
            )
    if is_float32 and about.precision != "fp32":
        raise BackendError(f"{path}: has the name of a float32 engine, but was built in {about.precision}; {rebuild}")
    return content, about


def _move(engine: Path, to: Path) -> None:
    """Move an engine's files. The description comes last: without it, `read_engine` rejects the engine."""
    about_path(to).unlink(missing_ok=True)
    for source, target in ((path_of(engine), path_of(to)) for path_of in (layers_path, Path, about_path)):
        if source.exists():
            source.replace(target)
        else:
            target.unlink(missing_ok=True)
