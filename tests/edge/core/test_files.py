"""Atomic file writing, and text in the encodings of users' editors."""

import signal
import subprocess
import sys

import pytest

from edge.core.errors import InputError
from edge.core.files import read_text_file, write_atomic
from tests.conftest import ROOT
from tests.helpers.disk import full_disk


def test_what_is_written_replaces_what_was_there(tmp_path):
    for content in (b"before", b"after"):
        write_atomic(tmp_path / "x", content)
        assert (tmp_path / "x").read_bytes() == content
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_a_full_disk_leaves_the_old_file_and_no_partial_one(tmp_path):
    write_atomic(tmp_path / "x", b"before")
    with full_disk(), pytest.raises(OSError, match=r"x: cannot be written \(File too large\); the old content is un"):
        write_atomic(tmp_path / "x", b"after " * 100)
    assert (tmp_path / "x").read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_a_process_that_is_killed_leaves_the_file_before(tmp_path):
    write_atomic(tmp_path / "x", b"before")
    code = (
        "import os, signal, sys; from pathlib import Path; from edge.core.files import write_atomic\n"
        "os.fsync = lambda number: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomic(Path(sys.argv[1]), b'after')"
    )
    killed = subprocess.run([sys.executable, "-c", code, tmp_path / "x"], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "x").read_bytes() == b"before"
    write_atomic(tmp_path / "x", b"after")
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(OSError, match=r"none/x: cannot be written \(No such file or directory\)"):
        write_atomic(tmp_path / "none" / "x", b"")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_read_with_and_without_a_byte_order_mark(tmp_path, encoding):
    (tmp_path / "x").write_bytes("t_s,µV\r\n1,2\r3,4\n".encode(encoding))
    assert read_text_file(tmp_path / "x") == "t_s,µV\n1,2\n3,4\n"


def test_bytes_that_are_not_utf_8_are_refused_with_their_line_or_read_by_the_fallback(tmp_path):
    (tmp_path / "x").write_bytes(b"a\nb \xb5s \x85\n")
    with pytest.raises(InputError, match="x:2: not UTF-8 text; save the file with the encoding UTF-8"):
        read_text_file(tmp_path / "x")
    assert read_text_file(tmp_path / "x", fallback="latin-1") == "a\nb µs \x85\n"


def test_a_binary_file_is_not_text(tmp_path):
    (tmp_path / "x").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="x: not a text file"):
        read_text_file(tmp_path / "x", fallback="latin-1")
