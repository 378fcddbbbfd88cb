"""Lists the packages in the Jetson's image and their licences: python deploy/sbom.py FOLDER [ROOT].

Installs the packages of deploy/lock/tensorrt.txt for arm64 and JetPack 6's Python without running them, and writes
sbom.cdx.json (CycloneDX) and licences.md. PyCUDA, which can be built only where CUDA is installed, is represented by
its metadata. With ROOT, a folder with the image's etc/os-release and var/lib/dpkg/status, Debian packages of the base
(Ubuntu, CUDA, TensorRT) are included; their licences are in the image's /usr/share/doc. What Dockerfiles copy into the
base without a package is not: TensorRT on x86 (deploy/tensorrt.Dockerfile).
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
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "deploy" / "lock" / "tensorrt.txt"
BUILT = "pycuda"
PLACE = ["--python-platform", "aarch64-manylinux_2_28", "--python-version", "3.10"]


def lay_out(folder: Path) -> Path:
    """Creates an environment with the locked packages for the Jetson's platform; it is only read, never run."""
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
    options = ["--quiet", "--no-deps", "--require-hashes", "--dest", str(folder), "--requirement", str(built)]
    _run("pip", "download", *options)
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
    """Returns the licences of a component, as its authors declare them."""
    names, texts = [], []
    for each in component.get("licenses", []):
        declared = each.get("license", {})
        if "text" in declared:
            texts.append(declared["text"]["content"].splitlines()[0])
        else:
            names.append(each.get("expression") or declared.get("id") or declared["name"].split(" :: ")[-1])
    return ", ".join(names or texts) or "not declared"


def base_components(root: Path) -> list[dict[str, Any]]:
    """Returns the installed Debian packages of an image as components, in the order of their names."""
    release = dict(re.findall(r'^([A-Z_]+)="?(.*?)"?$', (root / "etc/os-release").read_text(), re.MULTILINE))
    namespace, distro = release["ID"], f"{release['ID']}-{release['VERSION_ID']}"
    components = []
    for paragraph in (root / "var/lib/dpkg/status").read_text().strip().split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*)$", paragraph, re.MULTILINE))
        if fields["Status"].endswith(" installed"):
            name, version, architecture = (fields[key] for key in ("Package", "Version", "Architecture"))
            purl = f"pkg:deb/{namespace}/{quote(name)}@{quote(version)}?arch={architecture}&distro={distro}"
            component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
            components.append(component)
    return sorted(components, key=lambda component: (component["name"], component["purl"]))


def add_base(bill: dict[str, Any], root: Path) -> None:
    """Adds the packages of the base to a bill of materials; the program depends on each."""
    added = base_components(root)
    bill["components"] += added
    reference = bill["metadata"]["component"]["bom-ref"]
    program = next(each for each in bill["dependencies"] if each["ref"] == reference)
    program["dependsOn"] = sorted([*program.get("dependsOn", []), *(each["bom-ref"] for each in added)])
    bill["dependencies"] += [{"ref": each["bom-ref"]} for each in added]


def main() -> None:
    """Writes both files into the given folder."""
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    environment, bill = lay_out(folder), folder / "sbom.cdx.json"
    _run(
        *("cyclonedx-py", "environment", "--pyproject", str(ROOT / "pyproject.toml"), "--gather-license-texts"),
        *("--output-reproducible", "--output-file", str(bill), str(environment)),
    )
    content = json.loads(bill.read_text())
    if len(sys.argv) > 2:
        add_base(content, Path(sys.argv[2]))
        bill.write_text(json.dumps(content, indent=2) + "\n")
    components = content["components"]
    rows = [f"| {each['name']} | {each['version']} | {licences(each)} |" for each in components]
    lines = ["| package | version | licence |", "|---|---|---|", *sorted(rows)]
    (folder / "licences.md").write_text("\n".join(lines) + "\n")
    print(f"{bill}, {folder / 'licences.md'}: {len(rows)} packages")


def _run(program: str, *arguments: str) -> None:
    subprocess.run([Path(sys.executable).with_name(program), *arguments], check=True)


if __name__ == "__main__":
    main()
