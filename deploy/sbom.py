"""What is in the Jetson's image, and under which licences: python deploy/sbom.py FOLDER.

Lays out what deploy/lock/tensorrt.txt has for arm64 and JetPack 6's Python, runs none of it, and writes sbom.cdx.json
(CycloneDX) and licences.md. PyCUDA, which can only be built beside CUDA, is represented by its metadata. What the base
image has (Ubuntu, CUDA, TensorRT) is NVIDIA's to list.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "deploy" / "lock" / "tensorrt.txt"
BUILT = "pycuda"
PLACE = ["--python-platform", "aarch64-manylinux_2_28", "--python-version", "3.10"]


def lay_out(folder: Path) -> Path:
    """An environment with the locked packages, of another machine's kind: to be read, not run."""
    environment = folder / "environment"
    shutil.rmtree(environment, ignore_errors=True)
    _run("uv", "venv", "--quiet", str(environment))
    wheels, built = folder / "wheels.txt", folder / "built.txt"
    requirements = re.split(r"\n(?=[a-z])", LOCK.read_text())
    for file, is_built in ((wheels, False), (built, True)):
        file.write_text("\n".join(each for each in requirements if each.startswith(BUILT) == is_built))
    _run(
        *("uv", "pip", "install", "--quiet", "--python", str(environment), *PLACE, "--no-deps", "--require-hashes"),
        *("--only-binary", ":all:", "--requirement", str(wheels)),
    )
    words = ["--quiet", "--no-deps", "--require-hashes", "--dest", str(folder), "--requirement", str(built)]
    _run("pip", "download", *words)
    source = next(folder.glob(f"{BUILT}-*.tar.gz"))
    name = source.name.removesuffix(".tar.gz")
    packages = next(environment.glob("lib/python*/site-packages"))
    with tarfile.open(source) as archive:
        about = archive.extractfile(f"{name}/PKG-INFO")
        assert about
        (packages / f"{name}.dist-info").mkdir()
        (packages / f"{name}.dist-info" / "METADATA").write_bytes(about.read())
    return environment


def licences(component: dict[str, Any]) -> str:
    """A component's, as its authors declare them."""
    names, texts = [], []
    for each in component.get("licenses", []):
        declared = each.get("license", {})
        if "text" in declared:
            texts.append(declared["text"]["content"].splitlines()[0])
        else:
            names.append(each.get("expression") or declared.get("id") or declared["name"].split(" :: ")[-1])
    return ", ".join(names or texts) or "not declared"


def main() -> None:
    """Writes both files into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    environment, bill = lay_out(folder), folder / "sbom.cdx.json"
    _run(
        *("cyclonedx-py", "environment", "--pyproject", str(ROOT / "pyproject.toml"), "--gather-license-texts"),
        *("--output-reproducible", "--output-file", str(bill), str(environment)),
    )
    components = json.loads(bill.read_text())["components"]
    rows = [f"| {each['name']} | {each['version']} | {licences(each)} |" for each in components]
    lines = ["| package | version | licence |", "|---|---|---|", *sorted(rows)]
    (folder / "licences.md").write_text("\n".join(lines) + "\n")
    print(f"{bill}, {folder / 'licences.md'}: {len(rows)} packages")


def _run(program: str, *words: str) -> None:
    subprocess.run([Path(sys.executable).with_name(program), *words], check=True)


if __name__ == "__main__":
    main()
