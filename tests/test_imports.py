"""The arrows of ARCHITECTURE.md: edge <- train <- export, and the order of the rooms inside edge."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("edge", "train", "export")
MAY_IMPORT = {"edge": {"edge"}, "train": {"edge", "train"}, "export": {"edge", "train", "export"}}

BASE = {"spec", "errors", "files", "frames", "chirp", "antennas", "calibration", "timing"}
# What each room inside edge may use beside BASE and itself.
ROOMS = {
    "spec": set(),
    "errors": set(),
    "files": {"errors"},
    "frames": {"spec"},
    "chirp": {"spec", "errors"},
    "antennas": {"spec", "frames", "chirp"},
    "calibration": {"errors"},
    "timing": set(),
    "radar": set(),
    "dsp": set(),
    "cuda": set(),
    "kernels": {"cuda", "dsp"},
    "vitals": set(),
    "mqtt": set(),
    "web": set(),
    "systemd": set(),
    "logs": set(),
    "signature": set(),
    "bundle": {"signature"},
    "backends": {"bundle", "cuda"},
    "twin": {"radar"},
    "recording": {"radar"},
    "record": {"radar", "recording"},
    "sources": {"radar", "recording"},
    "reconstruction": {"dsp", "vitals"},
    "pipeline": {"dsp", "vitals", "sources", "reconstruction"},
    "report": set(),
    "calibrate": {"dsp", "radar", "recording", "sources"},
    "plot": {"dsp", "recording", "sources"},
    "network": {"backends", "bundle", "cuda", "dsp", "kernels", "reconstruction"},
    "swap": {"bundle", "config", "network", "reconstruction", "signature"},
    "environment": set(),
    "config": {"environment", "mqtt", "network", "radar", "vitals", "web"},
    "arguments": set(),
    "interrupts": set(),
    "service": set(),
    "doctor": {"config", "dsp", "mqtt", "network", "radar", "service"},
    "diagnostics": {"config", "doctor"},
    "demo": {"interrupts", "mqtt"},
    "runtime": {"config", "logs", "mqtt", "network", "pipeline", "radar", "sources", "swap", "systemd", "web"},
    "hub": {"config", "mqtt"},
    "cli": {
        *{"arguments", "calibrate", "config", "demo", "diagnostics", "doctor", "hub", "interrupts", "mqtt", "pipeline"},
        *{"plot", "radar", "record", "recording", "report", "runtime", "sources", "swap", "twin"},
    },
    "__main__": {"cli", "interrupts"},
}


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_packages_import_only_along_the_arrows():
    for path in modules():
        package = path.relative_to(ROOT).parts[0]
        forbidden = set(PACKAGES) - MAY_IMPORT[package] | ({"torch"} if package == "edge" else set())
        assert not {name for name in imported(path) if name.split(".")[0] in forbidden}, path


def test_rooms_of_edge_import_only_along_the_arrows():
    for path in sorted((ROOT / "edge").rglob("*.py")):
        room = path.relative_to(ROOT / "edge").parts[0].removesuffix(".py")
        if room != "__init__":
            used = {name.split(".")[1] for name in imported(path) if name.startswith("edge.")} - {"__version__"}
            assert used <= ROOMS[room] | (BASE if room not in BASE else set()) | {room}, path


def test_every_module_of_edge_imports_without_torch_train_or_export():
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted((ROOT / "edge").rglob("*.py"))]
    names = [name.removesuffix(".__init__") for name in names if name != "edge.__init__"]
    code = (
        "import sys, importlib\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "assert not {'torch', 'train', 'export'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_no_file_is_two_rooms():
    assert [path for path in modules() if len(path.read_text().splitlines()) > 250] == []
