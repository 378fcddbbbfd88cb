"""NVRTC, NVIDIA's compiler in a library: CUDA source to machine code without nvcc, a host compiler, PATH or HOME.

It is a part of the CUDA toolkit and of JetPack, and a package on PyPI (nvidia-cuda-nvrtc-cu12, or nvidia-cuda-nvrtc for
CUDA 13 and later). Only functions that exist since NVRTC 11.2 are used.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from edge.core.errors import InputError

OLDEST_MAJOR = 12
"""The CUDA version of JetPack 6; older compilers do not know the GPUs of a Jetson Orin."""
TOOLKITS = Path("/usr/local")
"""The folder with CUDA's toolkits: `cuda`, a link to the preferred one, and `cuda-12.6`, `cuda-13.0`, ..."""


class NvrtcError(InputError):
    """NVRTC is missing, does not fit this GPU, or rejects the source; the message contains the compiler's log."""


class Nvrtc:
    """One NVRTC library, opened from `path`; `version` is (major, minor). Raises OSError if it is not NVRTC."""

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)
        self._library.nvrtcGetErrorString.restype = ctypes.c_char_p
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
        self.version = (major.value, minor.value)

    @property
    def architectures(self) -> frozenset[str]:
        """The GPU architectures that this version compiles for, such as "sm_87"."""
        count = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        numbers = (ctypes.c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", numbers)
        return frozenset(f"sm_{number}" for number in numbers)

    def compile(
        self, source: bytes, headers: Mapping[str, bytes], architecture: str, options: Sequence[str]
    ) -> tuple[bytes, str]:
        """Compile `source`, which may include the `headers` by name. Returns the cubin and the compiler's log.

        Raises NvrtcError with the log.
        """
        names, contents = [name.encode() for name in headers], list(headers.values())
        words = [f"--gpu-architecture={architecture}".encode(), *(option.encode() for option in options)]
        program = ctypes.c_void_p()
        self._call(
            "nvrtcCreateProgram",
            *(ctypes.byref(program), source, b"source.cu", len(names), _strings(contents), _strings(names)),
        )
        try:
            try:
                self._call("nvrtcCompileProgram", program, len(words), _strings(words))
            except NvrtcError as error:
                raise NvrtcError(f"{error} for {architecture}:\n{self._text(program, 'ProgramLog')}") from error
            return self._bytes(program, "CUBIN"), self._text(program, "ProgramLog")
        finally:
            self._call("nvrtcDestroyProgram", ctypes.byref(program))

    def _bytes(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self._call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        content = ctypes.create_string_buffer(size.value)
        self._call(f"nvrtcGet{what}", program, content)
        return content.raw

    def _text(self, program: ctypes.c_void_p, what: str) -> str:
        return self._bytes(program, what).rstrip(b"\0\n").decode(errors="replace")

    def _call(self, name: str, *arguments: object) -> None:
        try:
            function = getattr(self._library, name)
        except AttributeError as error:
            raise OSError(f"no function {name}") from error
        if status := function(*arguments):
            text = self._library.nvrtcGetErrorString(status).decode()
            raise NvrtcError(f"NVRTC {'.'.join(map(str, self.version))} fails in {name} ({text})")


def find_nvrtc(architecture: str, newest_major: int) -> Nvrtc:
    """Return the newest NVRTC of this machine for a GPU's architecture, at most of the driver's CUDA major version.

    A driver rejects the output of a compiler of a later major version. Raises NvrtcError.
    """
    found: set[str] = set()
    for major in range(newest_major, OLDEST_MAJOR - 1, -1):
        for path in _candidates(major):
            try:
                nvrtc = Nvrtc(path)
            except OSError:
                continue
            if architecture in nvrtc.architectures:
                return nvrtc
            found.add(".".join(map(str, nvrtc.version)))
    package = "nvidia-cuda-nvrtc-cu12" if newest_major == 12 else f"nvidia-cuda-nvrtc=={newest_major}.*"
    problem = (
        f"NVRTC {', '.join(sorted(found))} does not support {architecture}"
        if found
        else "CUDA's compiler NVRTC not found"
    )
    raise NvrtcError(
        f"{problem}: install that of CUDA {newest_major}, which the driver supports: apt install "
        f"cuda-nvrtc-{newest_major}-N (the toolkit's version), or pip install '{package}'"
    )


def _candidates(major: int) -> Iterator[str]:
    """Generate file names of NVRTC, the most deliberate choice first: Python's package, the loader's, the toolkits'."""
    name = f"libnvrtc.so.{major}"
    for package in ("nvidia-cuda-nvrtc", f"nvidia-cuda-nvrtc-cu{major}"):
        try:
            files = metadata.files(package) or []
        except metadata.PackageNotFoundError:
            continue
        yield from (str(file.locate()) for file in files if file.name == name)
    yield name
    toolkits = sorted(TOOLKITS.glob("cuda*"), key=lambda folder: [int(n) for n in re.findall(r"\d+", folder.name)])
    for toolkit in reversed(toolkits):
        for folder in ("lib64", "targets/*/lib"):
            yield from map(str, sorted(toolkit.glob(f"{folder}/{name}")))


def _strings(texts: Sequence[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * len(texts))(*texts)
