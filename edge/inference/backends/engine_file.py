"""Reads and writes a TensorRT engine and the files beside it: what it was built for, and the layers that it has.

A TensorRT engine fits one version of TensorRT and one type of GPU; on others it may fail or give wrong results. It is
therefore built on the device (`export.build_engine`) and checked before it is loaded. The engine before it is kept, so
that a device that returns to an earlier version need not build it again.
"""

from __future__ import annotations

import hashlib
import hmac
import shlex
from pathlib import Path
from typing import Any

import msgspec

from edge.core.files import write_atomic
from edge.inference.backends.base import BackendError
from edge.inference.bundle import Bundle, Precision
from edge.inference.device_key import authenticate
from edge.inference.signature import SignatureError, verify_signature

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


def code_path(path: Path) -> Path:
    """Return the path of the code that shows that this device built the engine (`edge.inference.device_key`)."""
    return path.with_name(path.name + ".json.mac")


def signature_path(path: Path) -> Path:
    """Return the path of the signature of an engine that its maker built for this device."""
    return path.with_name(path.name + ".json.sig")


def float32_path(path: Path) -> Path:
    """Return the path of the float32 engine that is used where the engine at `path` cannot be."""
    return path.with_name(f"{path.stem}{FLOAT32_SUFFIX}{path.suffix}")


def previous_path(path: Path) -> Path:
    """Return the path of the engine that the one at `path` replaced."""
    return path.with_name(path.name + ".before")


def write_engine(
    path: Path, content: bytes, about: About, layers: str | None = None, device_key: Path | None = None
) -> None:
    """Write an engine, its description and its layers, and keep the engine before it.

    With the device's key, also the code that shows where it was built. Raises OSError, DeviceKeyError.
    """
    new = path.with_name(path.name + ".new")
    write_atomic(new, content)
    described = msgspec.json.format(msgspec.json.encode(about)) + b"\n"
    write_atomic(about_path(new), described)
    for leftover in (code_path(new), signature_path(new)):
        leftover.unlink(missing_ok=True)
    if device_key:
        write_atomic(code_path(new), authenticate(described, device_key).encode())
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
    except (BackendError, SignatureError):
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
        content, described = path.read_bytes(), about_path(path).read_bytes()
        _check_origin(path, described, bundle, rebuild)
        about = msgspec.json.decode(described, type=About)
    except OSError as error:
        raise BackendError(f"{error.filename}: cannot be read ({error.strerror}); {rebuild}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
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


def _check_origin(path: Path, described: bytes, bundle: Bundle, rebuild: str) -> None:
    """Raise BackendError or SignatureError unless this device built the engine, or the bundle's maker signed it.

    Only if the bundle must be signed: to load an engine is to run its code.
    """
    if bundle.public_key is None:
        return
    if signature_path(path).exists():
        verify_signature(described, signature_path(path), bundle.public_key)
        return
    try:
        code = code_path(path).read_text()
    except (OSError, UnicodeDecodeError):
        code = ""
    if bundle.device_key is None or not hmac.compare_digest(
        code.encode(), authenticate(described, bundle.device_key).encode()
    ):
        raise BackendError(f"{path}: not built on this device, and not signed; {rebuild}")


def _move(engine: Path, to: Path) -> None:
    """Move an engine's files. The description comes last: without it, `read_engine` rejects the engine."""
    about_path(to).unlink(missing_ok=True)
    files = (layers_path, code_path, signature_path, Path, about_path)
    for source, target in ((path_of(engine), path_of(to)) for path_of in files):
        if source.exists():
            source.replace(target)
        else:
            target.unlink(missing_ok=True)
