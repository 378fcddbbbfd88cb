"""The arrows of ARCHITECTURE.md: edge <- train <- export, and the order of the rooms inside edge."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("edge", "train", "export")
MAY_IMPORT = {"edge": {"edge"}, "train": {"edge", "train"}, "export": {"edge", "train", "export"}}

# What each room inside edge may import beside core and itself; what is nearer to the user stands lower.
ROOMS: dict[str, set[str]] = {
    "core": set(),
    "radar": set(),
    "filters": set(),
    "vitals": {"filters"},
    "personal": {"filters"},
    "history": set(),
    "web": {"history"},
    "mqtt": {"radar"},
    "sources": {"radar"},
    "twin": {"radar"},
    "dsp": {"radar", "filters"},
    "fhir": {"mqtt"},
    "ward": {"mqtt", "web"},
    "demo": {"mqtt"},
    "ecg": {"dsp", "filters"},
    "gpu": {"dsp"},
    "inference": {"dsp", "ecg", "gpu"},
    "pipeline": {"radar", "sources", "dsp", "ecg", "vitals"},
    "front_end_process": {"radar", "sources", "dsp"},
    "analysis": {"radar", "sources", "dsp", "inference", "pipeline", "front_end_process"},
    "runtime": {"radar", "sources", "dsp", "ecg", "gpu", "inference", "pipeline", "personal", "history", "mqtt", "fhir"}
    | {"web", "ward"},
    "cli": {"radar", "sources", "twin", "dsp", "pipeline", "analysis", "history", "fhir", "runtime", "demo"},
    "__main__": {"cli"},
}
# The same for train. Its commands are the single modules beside the rooms: they import rooms, never one another.
TRAIN_ROOMS: dict[str, set[str]] = {
    "data": set(),
    "model": set(),
    "strategies": set(),
    "simulation": {"data"},
    "evaluation": {"data"},
    "training": {"data", "model", "strategies", "simulation", "evaluation"},
    "quality_fit": {"data", "simulation"},
    "realism": {"data", "evaluation"},
    "comparators": {"data", "model", "evaluation", "training"},
    "scenes": {"data", "strategies", "evaluation", "training"},
    "reproduce": {"data", "model", "evaluation", "training", "comparators", "scenes"},
}


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


@cache
def imported(path: Path) -> set[str]:
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_architecture_has_the_same_rooms_and_arrows():
    documented: dict[str, set[str]] = {}
    for line in (ROOT / "ARCHITECTURE.md").read_text().split("## Rooms and arrows")[1].split("\n## ")[0].splitlines():
        cells = line.split("|")
        if line.startswith("| `"):
            room = cells[1].strip(" `").split("/")[0]
            documented.setdefault(room, set()).update(re.findall(r"`(\w+)`", cells[-2]))
    assert {room: arrows - {room} for room, arrows in documented.items()} == ROOMS


def test_packages_import_only_along_the_arrows():
    for path in modules():
        package = path.relative_to(ROOT).parts[0]
        forbidden = set(PACKAGES) - MAY_IMPORT[package] | ({"torch"} if package == "edge" else set())
        assert not {name for name in imported(path) if name.split(".")[0] in forbidden}, path


def rooms_used(package: str) -> dict[str, set[str]]:
    """The rooms of a package that the modules of each of its rooms import."""
    used: dict[str, set[str]] = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        room = path.relative_to(ROOT / package).parts[0].removesuffix(".py")
        names = {name.split(".")[1] for name in imported(path) if name.startswith(f"{package}.")}
        used.setdefault(room, set()).update(names - {"__version__", room})
    return used


def test_rooms_of_edge_import_only_along_the_arrows():
    for room, used in rooms_used("edge").items():
        if room != "__init__":
            assert used - {"core"} <= ROOMS[room], room


def test_rooms_of_train_import_only_along_the_arrows():
    for room, used in rooms_used("train").items():
        if room in TRAIN_ROOMS:
            assert used <= TRAIN_ROOMS[room], room


def test_commands_of_train_import_only_rooms():
    commands = {path.stem for path in (ROOT / "train").glob("*.py")} - {"__init__"}
    assert {"__main__", "evaluate", "finetune", "compare", "simulate", "fit_quality"} <= commands
    used = rooms_used("train")
    for command in commands:
        assert used[command] <= set(TRAIN_ROOMS), command


def test_no_package_imports_a_command_of_train():
    for path in modules():
        used = {name.split(".")[1] for name in imported(path) if name.startswith("train.")}
        assert used <= set(TRAIN_ROOMS), path


def test_no_rooms_import_one_another_in_a_circle():
    for package in PACKAGES[:2]:
        TopologicalSorter(rooms_used(package)).prepare()  # raises CycleError


def test_only_the_twin_imports_scipy():
    """Within functions, too: SciPy is not in the device's image."""
    importing = {path for path in (ROOT / "edge").rglob("*.py") if any(n.startswith("scipy") for n in imported(path))}
    assert {path.parent for path in importing} == {ROOT / "edge/twin"}


def test_every_module_of_edge_imports_without_torch_train_or_export_and_outside_the_twin_without_scipy():
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted((ROOT / "edge").rglob("*.py"))]
    names = [name.removesuffix(".__init__") for name in names if name != "edge.__init__"]
    twin = [name for name in names if name.startswith("edge.twin")]
    code = (
        "import sys, importlib\n"
        "sys.modules['scipy'] = None\n"
        f"for name in {sorted(set(names) - set(twin))!r}: importlib.import_module(name)\n"
        "del sys.modules['scipy']\n"
        f"for name in {twin!r}: importlib.import_module(name)\n"
        "assert not {'torch', 'train', 'export'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_no_file_is_two_rooms():
    assert [path for path in modules() if len(path.read_text().splitlines()) > 250] == []


def test_no_function_is_longer_than_a_screen():
    long = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in modules()
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 60
    ]
    assert long == []
