"""The compiled capture with random packets under the compiler's sanitizers: memory, arithmetic, threads."""

import os
import shutil
import subprocess

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow
SOURCE = ROOT / "tests/helpers/capture_fuzz.c"


@pytest.mark.parametrize(
    ("sanitizers", "arguments"),
    [
        ("address,undefined", ["300", "1"]),
        ("address,undefined", ["100", "2", "threads"]),
        ("thread", ["100", "3", "threads"]),
    ],
)
def test_random_packets_do_nothing_undefined(tmp_path, sanitizers, arguments):
    if missing := [name for name in ("gcc", "setarch") if shutil.which(name) is None]:
        pytest.skip(f"{', '.join(missing)} not installed")
    program = tmp_path / "fuzz"
    flags = ["-O1", "-g", "-std=gnu11", "-pthread", f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all"]
    subprocess.run(["gcc", *flags, SOURCE, "-o", program], check=True)
    # Addresses that are laid out at random are too many for the thread sanitizer of older compilers.
    command = ["setarch", os.uname().machine, "--addr-no-randomize", program, *arguments]
    options = os.environ | {"TSAN_OPTIONS": "halt_on_error=1"}
    run = subprocess.run(command, env=options, capture_output=True, text=True)
    assert (run.stderr, run.returncode) == ("", 0)
