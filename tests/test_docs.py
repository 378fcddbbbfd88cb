"""What the documentation and the docstrings name exists: files, modules and their members, commands, make targets."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from textwrap import indent

import pytest

from edge.cli.parser import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = ("*.md", "docs/*.md", "export/*.md", "firmware_config/*.md", "edge/models/*/*.md")
CODE = ("edge", "train", "export", "bench", "examples")
TEXTS = [path for pattern in PAGES for path in sorted(ROOT.glob(pattern)) if path.name != "CHANGELOG.md"] + [
    path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))
]

FOLDERS = "edge|train|export|bench|deploy|docs|tests|examples|firmware_config"
FILE = re.compile(rf"(?<![\w./-])((?:{FOLDERS})/[\w./-]*\w)")
NAME = re.compile(r"(?<![\w./-])((?:edge|train|export)(?:\.\w+)+)")
COMMAND = re.compile(r"(?:^|`|bin/)radarecg ([a-z][a-z-]+)((?: [^`\n]*)?)", re.MULTILINE)
TARGET = re.compile(r"(?:^|`)make ([a-z]+(?:-[a-z]+)*)", re.MULTILINE)


def code_of(path: Path) -> str:
    """The code of a page (fenced or in backticks; each on a line of its own), or a module's indented docstrings."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        blocks = re.findall(r"^```.*?^```", text, flags=re.DOTALL | re.MULTILINE)
        inline = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
        return "\n".join([re.sub(r"\\\n\s*", " ", block) for block in blocks] + [" ".join(c.split()) for c in inline])
    return indent("\n".join(re.findall(r'"""(.*?)"""', text, flags=re.DOTALL)), " ")


def module_file(parts: list[str]) -> Path | None:
    path = ROOT.joinpath(*parts)
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def members(file: Path) -> set[str]:
    """The names that a module defines, its classes' members included."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def name_exists(name: str) -> bool:
    parts = name.split(".")
    length = next(n for n in range(len(parts), 0, -1) if n == 1 or module_file(parts[:n]))
    file = module_file(parts[:length])
    return file is not None and set(parts[length:]) <= members(file)


def command_source(file: Path) -> str:
    """The text of a command's module and of the modules of edge.cli that it imports, which may add options to it."""
    text = file.read_text(encoding="utf-8")
    beside = re.findall(r"^from (edge\.cli\.\w+) import", text, flags=re.MULTILINE)
    return text + "".join((ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8") for name in beside)


def missing(text: str) -> Iterator[str]:
    for name in FILE.findall(text):
        if "NAME" not in name and not (ROOT / name).exists():  # as in bench/NAME.py
            yield name
    for name in NAME.findall(text):
        if not name_exists(name):
            yield name
    for command, options in COMMAND.findall(text):
        if command not in COMMANDS:
            yield f"radarecg {command}"
            continue
        source = command_source(ROOT / "edge/cli/commands" / f"{command.replace('-', '_')}.py")
        for option in re.findall(r"(?<!\S)(--[a-z][a-z-]*)", options.split("#")[0]):
            if f'"{option}"' not in source and option != "--help":
                yield f"radarecg {command} {option}"
    for target in TARGET.findall(text):
        if not re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE):
            yield f"make {target}"


def test_everything_that_is_named_exists():
    assert {str(path.relative_to(ROOT)): found for path in TEXTS if (found := list(missing(code_of(path))))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "edge/no_such_file.py",
        "python -m train.no_such_module",
        "edge.core.spec.no_such_constant",
        "radarecg no-such-command",
        "radarecg replay x --no-such-option",
        "make no-such-target",
    ],
)
def test_what_does_not_exist_is_found(text):
    assert len(list(missing(text))) == 1
