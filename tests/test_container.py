"""The container's files, as far as they can be tried without building an image; `make container-test` builds one."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from packaging.requirements import Requirement

from edge.radar.dca1000.udp import WANTED_BUFFER_BYTES
from tests.conftest import ROOT

BASES = ("deploy/jetpack7.Dockerfile", "deploy/tensorrt.Dockerfile")
DOCKERFILES = ("Dockerfile.jetson", *BASES)
LOCKS = {"tensorrt": ("engine", "cpu"), "onnxruntime": ("cpu",)}
"""Lock files, and the extras of pyproject.toml that each is for."""


def instructions(path: str) -> list[tuple[str, str]]:
    """Of a Dockerfile, lines joined: keyword and the rest."""
    text = re.sub(r"^#.*\n", "", (ROOT / path).read_text(), flags=re.MULTILINE).replace("\\\n", "")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line]


def tool(name: str) -> str:
    """A program installed beside this Python, or anywhere."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.mark.parametrize("path", DOCKERFILES)
def test_the_linter_reports_nothing(path):
    done = subprocess.run([tool("hadolint"), ROOT / path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES)
def test_every_shell_line_fails_fast(path):
    shell = None
    for keyword, rest in instructions(path):
        if keyword == "FROM":
            shell = None
        elif keyword == "SHELL":
            shell = json.loads(rest)
        elif keyword == "RUN":
            assert shell == ["/bin/bash", "-euo", "pipefail", "-c"], rest


def test_copied_files_exist_and_reach_the_build():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = [rest.split()[:-1] for keyword, rest in instructions("Dockerfile.jetson") if keyword == "COPY"]
    sources = [source for words in copied for source in words if not words[0].startswith("--from")]
    assert len(sources) == 6
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source.rstrip('/')}" in ignored


def test_the_image_runs_unprivileged_and_has_a_health_check():
    keywords = dict(instructions("Dockerfile.jetson"))  # the last of each
    assert keywords["USER"].isdigit()
    assert keywords["USER"] != "0"
    assert "/healthz" in keywords["HEALTHCHECK"]
    command = json.loads(keywords["HEALTHCHECK"].split("CMD ")[1])
    ast.parse(command[2])
    assert f"RUNTIME_ID, BROKER_ID = {keywords['USER']}, " in (ROOT / "deploy/setup.py").read_text()


def test_the_image_has_no_compiler_and_compiles_nothing():
    stages = (ROOT / "Dockerfile.jetson").read_text().split("\nFROM ")
    assert re.search(r"gcc|build-essential", stages[1])
    assert not re.search(r"gcc|apt-get|nvcc", stages[2])
    for base in BASES:  # of the last stage, what is installed
        last = (ROOT / base).read_text().split("\nFROM ")[-1]
        assert not re.search(r"nvcc|build-essential|-dev\b", last), base


def test_what_caches_in_the_home_folder_writes_to_a_volume():
    text = (ROOT / "Dockerfile.jetson").read_text()
    assert re.search(r"^ +HOME=/var/lib/radarecg/engines$", text, re.MULTILINE)
    assert "engines:/var/lib/radarecg/engines" in (ROOT / "compose.yaml").read_text()


def test_an_engine_that_cannot_be_built_does_not_stop_the_start(tmp_path):
    command = json.loads(dict(instructions("Dockerfile.jetson"))["CMD"])
    for name, status in (("python", 2), ("radarecg", 0)):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*"\nexit {status}\n')
        (tmp_path / name).chmod(0o755)
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(command, env=path, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "radarecg run --config /etc/radarecg/radarecg.toml"
    assert "no engine for this device" in done.stderr
    assert "ExecStartPre=-" in (ROOT / "deploy/radarecg.service").read_text()


def test_compose_and_setup_name_the_same_base():
    default = re.search(r"BASE: \$\{BASE:-(.*?)\}", (ROOT / "compose.yaml").read_text())[1]
    assert f"ARG BASE={default}\n" in (ROOT / "Dockerfile.jetson").read_text()
    assert f'JETPACK_6 = Base("{default}")' in (ROOT / "deploy/image_base.py").read_text()


def test_packages_come_by_their_hashes_only():
    installs = [
        line
        for keyword, rest in instructions("Dockerfile.jetson")
        for line in rest.split("&&")
        if keyword == "RUN" and re.search(r"pip (install|wheel)|pip .* install", line)
    ]
    assert len(installs) == 5
    for line in installs:
        assert "--no-deps" in line
        assert "--require-hashes" in line or line.rstrip().endswith((" .", "*.whl")), line


@pytest.mark.parametrize("backend", LOCKS)
def test_the_lock_file_covers_what_the_project_wants(backend):
    lines = (ROOT / "deploy/lock" / f"{backend}.txt").read_text()
    assert "://" not in lines
    blocks = re.split(r"\n(?=[a-z])", lines.split("\n", 2)[2])
    assert all("--hash=sha256:" in block for block in blocks)
    project = load_project()
    extras = [text for name in LOCKS[backend] for text in extra(project, name)]
    wanted = [Requirement(text) for text in project["dependencies"] + extras]
    for python in ("3.10", "3.12"):  # JetPack 6's and 7's
        here = versions(backend, python)
        for one in wanted:
            if not one.marker or one.marker.evaluate(place_of(python)):
                assert one.specifier.contains(here[one.name]), one
        assert not {"torch", "scipy"} & set(here)
        assert here["onnxruntime"] == versions("onnxruntime", python)["onnxruntime"]


@pytest.mark.parametrize(("python", "package"), [("3.10", "nvidia-cuda-nvrtc-cu12"), ("3.12", "nvidia-cuda-nvrtc")])
def test_the_image_has_the_compiler_of_its_drivers_cuda_version(python, package):
    nvrtc = {name: version for name, version in versions("tensorrt", python).items() if "nvrtc" in name}
    assert list(nvrtc) == [package]
    assert nvrtc[package].startswith({"3.10": "12.6.", "3.12": "13.0."}[python])


def place_of(python: str) -> dict[str, str]:
    return {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux"}


def versions(lock: str, python: str) -> dict[str, str]:
    """Name and version of the packages of a lock file for a Python on Linux."""
    lines = re.findall(r"^[a-z].*?(?= \\$)", (ROOT / f"deploy/lock/{lock}.txt").read_text(), re.MULTILINE)
    locked = map(Requirement, lines)
    here = [one for one in locked if not one.marker or one.marker.evaluate(place_of(python))]
    return {one.name: str(one.specifier).removeprefix("==") for one in here}


def load_project() -> dict:
    return msgspec.toml.decode((ROOT / "pyproject.toml").read_bytes())["project"]


def extra(project: dict, name: str) -> list[str]:
    """What it asks for, other extras of the project resolved."""
    found = []
    for text in project["optional-dependencies"][name]:
        ours = re.fullmatch(r"radarecg\[(.*)\]", text)
        found += extra(project, ours[1]) if ours else [text]
    return found


def test_compose_conforms_to_its_schema():
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    done = subprocess.run(
        [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", ROOT / "compose.yaml"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_compose_grants_no_service_more_than_it_needs():
    yaml = pytest.importorskip("ruamel.yaml", reason="check-jsonschema is not installed").YAML(typ="safe")
    services = yaml.load(ROOT / "compose.yaml")["services"]
    assert set(services) == {"runtime", "broker"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["restart"] == "unless-stopped"
        assert service["stop_grace_period"]
        assert service["logging"]["options"]["max-size"]
        assert "privileged" not in service
        assert service["mem_limit"]
        assert service["pids_limit"]
        assert service["ulimits"] == {"core": 0}
    places = [volume.split(":")[1] for volume in services["runtime"]["volumes"]]
    kept = {f"/var/lib/radarecg/{name}" for name in ("engines", "recordings", "spool", "history")}
    assert kept < set(places)
    assert services["runtime"]["network_mode"] == "host"


def test_the_unit_is_valid_for_systemd(tmp_path):
    text = (ROOT / "deploy/radarecg.service").read_text()
    unit = tmp_path / "radarecg.service"
    unit.write_text(
        text.replace("/opt/radarecg/.venv/bin/python", "/bin/true").replace(
            "/opt/radarecg/.venv/bin/radarecg", "/bin/true"
        )
    )
    done = subprocess.run([tool("systemd-analyze"), "verify", unit], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_exposes_little_and_keeps_the_radar_and_the_gpu():
    """A list of devices, which some settings imply, would hide a Jetson's GPU; CUDA writes the code that it runs."""
    unit = ROOT / "deploy/radarecg.service"
    command = [tool("systemd-analyze"), "security", "--offline=true", "--threshold=20", unit]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    names = {line.partition("=")[0] for line in unit.read_text().splitlines()}
    assert not names & {"PrivateDevices", "DeviceAllow", "ProtectClock", "MemoryDenyWriteExecute", "PrivateUsers"}


def test_the_kernels_buffer_is_large_enough():
    assert int((ROOT / "deploy/60-radarecg.conf").read_text().split("=")[1]) >= WANTED_BUFFER_BYTES
