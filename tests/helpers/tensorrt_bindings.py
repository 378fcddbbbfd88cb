"""NVIDIA's real Python bindings of TensorRT without TensorRT: for looking at their names, nothing more.

The wheels are small and on the package index; the libraries they load are neither, so an empty one takes their place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

VERSIONS = ("10.3.0", "10.13.3.9", "10.16.1.11", "11.4.0.106")
"""JetPack 6.2's, 7.1's, 7.2's, and the newest."""

LIBRARIES = [
    f"lib{name}.so.{version}" for name in ("nvinfer", "nvinfer_plugin", "nvonnxparser") for version in (10, 11)
]
ENTRIES = (
    *("createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL"),
    *("createNvOnnxParserRefitter_INTERNAL", "createNvOnnxParser_INTERNAL", "getNvOnnxParserVersion"),
    *("getBuilderPluginRegistry", "getPluginRegistry", "getPluginRegistryForCapability", "initLibNvInferPlugins"),
    *("getInferLibVersion", "getLogger"),
)
"""What the bindings look for in the libraries when they are loaded."""

TELL = """
import json, warnings
warnings.simplefilter("ignore")
import tensorrt_bindings as trt
print(json.dumps({name: dir(each) for name, each in vars(trt).items() if isinstance(each, type)}))
"""


def members(version: str, folder: Path) -> dict[str, list[str]]:
    """Classes of the bindings and the names they have; what is downloaded stays in `folder`. Raises OSError."""
    place, stubs = folder / version, folder / "stubs"
    if not (place / "tensorrt_bindings").exists():
        package = f"tensorrt-cu12-bindings=={version}"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        run = subprocess.run([*pip, package, "--dest", place], capture_output=True, text=True)
        wheels = list(place.glob("*.whl"))
        if run.returncode or not wheels:
            raise OSError(f"{package} cannot be had: {run.stderr.strip().splitlines()[-1:]}")
        zipfile.ZipFile(wheels[0]).extractall(place)
    if not stubs.exists():
        stubs.mkdir()
        source = "".join(f"void *{name}(void) {{ return 0; }}\n" for name in ENTRIES)
        stub = stubs / LIBRARIES[0]
        subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", stub], input=source, text=True, check=True)
        for library in LIBRARIES[1:]:
            (stubs / library).symlink_to(stub)
    env = os.environ | {"LD_LIBRARY_PATH": os.fspath(stubs)}
    run = subprocess.run([sys.executable, "-c", TELL], cwd=place, env=env, capture_output=True, text=True)
    if run.returncode:
        raise OSError(f"TensorRT {version}: its bindings do not load: {run.stderr.strip().splitlines()[-1:]}")
    return json.loads(run.stdout)
