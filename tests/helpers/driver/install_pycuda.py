"""Installs PyCUDA on a machine without CUDA, for the tests on the stand-in driver; `make test` runs this once.

PyCUDA exists as source only. It needs CUDA's headers, which are a package on PyPI, and a library to link with, for
which one function is enough. The build takes some minutes; pip keeps its result for the next virtual environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGE = "pycuda==2026.1"


def include_folders() -> list[Path]:
    """Folders of CUDA's headers, of JetPack 6's version."""
    nvidia = find_spec("nvidia")
    roots = [Path(root) for root in (nvidia and nvidia.submodule_search_locations) or ()]
    return [folder for root in roots for folder in sorted(root.glob("cuda_*/include"))]


def main() -> None:
    if find_spec("pycuda"):
        return
    print(f"Building {PACKAGE} for the tests on the stand-in driver, some minutes the first time ...", flush=True)
    with TemporaryDirectory() as name:
        home = Path(name)
        stub = ["cc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-x", "c", "-", "-o", home / "libcuda.so"]
        subprocess.run(stub, input="int cuInit(unsigned flags) { return flags; }\n", text=True, check=True)
        settings = {
            "CUDA_ENABLE_CURAND": False,
            "CUDA_INC_DIR": [str(folder) for folder in include_folders()],
            "CUDADRV_LIB_DIR": [name],
            "CXXFLAGS": ["-O0", "-g0", "-w"],
        }
        # PyCUDA's setup reads this file only, and only from the home folder; pip keeps its settings and its cache.
        (home / ".aksetup-defaults.py").write_text("".join(f"{key} = {value!r}\n" for key, value in settings.items()))
        environment = {
            "XDG_CACHE_HOME": str(Path("~/.cache").expanduser()),
            "XDG_CONFIG_HOME": str(Path("~/.config").expanduser()),
            **os.environ,
            "HOME": name,
        }
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]
        subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
