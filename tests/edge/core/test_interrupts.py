"""Ctrl-C at any moment: one line at most, status 130, no traceback; and what a command imports before it works."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.core.interrupts import on_stop
from tests.conftest import ROOT
from tests.helpers.command_line import handlers_restored, radarecg
from train.data.workers import worker_pool

CHIRP = "firmware_config/awr1843_mmecg.cfg"
HEAVY = {"numpy", "scipy", "msgspec", "paho", "serial", "onnxruntime", "matplotlib", "rich", "ssl", "multiprocessing"}

# Python imports a sitecustomize before anything else. This one interrupts the process at the first import of a module:
# by a signal, which the importing library catches, or by what such a signal raises.
INTERRUPTING = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["INTERRUPT_AT"]:
            if os.environ["INTERRUPT_BY"] == "raising":
                raise KeyboardInterrupt
            try:
                os.kill(os.getpid(), signal.SIGINT)
                for _ in range(1000): pass
            except BaseException:
                pass

sys.meta_path.insert(0, Interrupting())
"""


def python(*args, **environ) -> subprocess.CompletedProcess:
    command = [sys.executable, *map(str, args)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, timeout=100)


@pytest.fixture
def interrupted(tmp_path):
    """Runs `python -m ...`, interrupted at a module's import; its status and what it printed."""
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING)

    def run(command, module, by):
        places = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
        done = python("-m", *command, PYTHONPATH=places, INTERRUPT_AT=module, INTERRUPT_BY=by)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize("by", ["raising", "signal"])
@pytest.mark.parametrize(
    "module", ["edge.cli.parser", "argparse", "edge.cli.commands.run", "numpy", "edge.runtime.service"]
)
def test_ctrl_c_while_radarecg_imports(interrupted, module, by):
    assert interrupted(["edge", "run", "--config", "none.toml"], module, by) == (130, "radarecg: interrupted\n")


def commands_of(package):
    """Every module of a package that `python -m` runs."""
    for path in sorted((ROOT / package).rglob("*.py")):
        if 'if __name__ == "__main__":\n' in path.read_text().splitlines(keepends=True):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")


@pytest.mark.parametrize("package", ["train", "export"])
def test_ctrl_c_while_any_other_command_imports(interrupted, package):
    """The first module that each imports itself, `argparse`."""
    commands = list(commands_of(package))
    assert f"{package}.bundle" in commands or "train.compare" in commands
    runs = [(command, by) for command in commands for by in ("raising", "signal")]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda run: interrupted([run[0]], "argparse", run[1]), runs))
    assert dict(zip(runs, found, strict=True)) == dict.fromkeys(runs, (130, f"{package}: interrupted\n"))


@pytest.mark.parametrize("command", list(commands_of("train")) + list(commands_of("export")))
def test_every_command_declares_that_it_must_clean_up(command):
    path = ROOT / command.replace(".", "/")
    text = (path / "__main__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    assert 'if __name__ == "__main__":\n    raise_on_interrupt()\n' in text


def test_a_command_that_is_interrupted_cleans_up_and_returns_130(monkeypatch, capsys):
    def interrupted(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("edge.cli.commands.check_config.load_chirp", interrupted)
    assert main(["check-config", CHIRP]) == 130
    assert capsys.readouterr().err == "radarecg: interrupted\n"


def test_a_demo_that_is_interrupted_before_anything_can_be_seen(monkeypatch):
    def interrupted(*_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("edge.demo.run.start_broker", interrupted)
    assert radarecg("demo") == (130, "", "radarecg: interrupted\n")


@pytest.mark.parametrize(
    "late",
    [
        "class Dying:\n def __del__(self): signal.raise_signal(signal.SIGINT)\nDying()",
        # Again every 5 s: Python misses a signal that arrives just before its main thread starts to wait.
        "from threading import *\n"
        "def interrupt():\n main_thread().join()\n"
        " while True: os.kill(os.getpid(), signal.SIGINT); Event().wait(5)\n"
        "Thread(target=interrupt).start()",
        "import atexit; atexit.register(signal.raise_signal, signal.SIGINT)",
        "signal.raise_signal(signal.SIGINT)",
    ],
    ids=["in a destructor", "while threads end", "at exit", "outside every guard"],
)
def test_an_interrupt_that_python_would_ignore_or_trace(late):
    code = f"import os, signal\nfrom edge.core.interrupts import *\nend_quietly('x')\nraise_on_interrupt()\n{late}\n"
    done = python("-c", code)
    assert (done.returncode, done.stderr) == (130, "x: interrupted\n")


def test_a_process_that_ignores_interrupts_continues_to_ignore_them():
    code = (
        "import signal\nfrom edge.core.interrupts import *\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "end_quietly('x')\nsignal.raise_signal(2)\nraise_on_interrupt()\nsignal.raise_signal(2)\nprint('goes on')"
    )
    assert python("-c", code).stdout == "goes on\n"


def test_other_errors_are_shown_as_usual():
    done = python("-c", "from edge.core.interrupts import *; end_quietly('x'); print(1); 1 / 0")
    assert (done.returncode, done.stdout) == (1, "1\n")
    assert done.stderr.startswith("Traceback")


def test_the_first_interrupt_stops_and_the_second_does_not_wait():
    calls = []
    with handlers_restored():
        on_stop(lambda: calls.append("stop"))
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        assert calls == ["stop"] * 3
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_workers_leave_interrupts_to_their_parent_from_the_start():
    with worker_pool(1) as pool:
        assert pool.submit(signal.pthread_sigmask, signal.SIG_BLOCK, []).result() == {signal.SIGINT}
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["check-config", CHIRP], ["check-config", "README.md"], ["no-such-command"]]
)
def test_what_only_reads_text_imports_nothing_heavy(words):
    code = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        "from edge.__main__ import main; sys.exit(main())"
    )
    done = python("-c", code, *words)
    assert done.returncode == (2 if words[-1] in ("README.md", "no-such-command") else 0)
    imported = json.loads(done.stderr.splitlines()[-1])
    assert "edge.cli.parser" in imported
    assert not {name.split(".")[0] for name in imported} & HEAVY


def test_the_table_of_commands_and_their_modules_are_the_same():
    from edge.cli.parser import COMMANDS

    modules = {path.stem for path in Path(ROOT / "edge/cli/commands").glob("*.py")} - {"__init__"}
    assert {name.replace("-", "_") for name in COMMANDS} == modules
