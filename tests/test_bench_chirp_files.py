"""A folder of chirp files judged, a line each."""

import runpy
import sys

import pytest

from tests.conftest import ROOT

CONFIGS = ROOT / "firmware_config"


def judged(folder, capsys, monkeypatch):
    """The lines that bench/chirp_files.py prints for a folder."""
    monkeypatch.setattr(sys, "argv", ["chirp_files.py", str(folder)])
    with pytest.raises(SystemExit) as done:
        runpy.run_path(str(ROOT / "bench/chirp_files.py"), run_name="__main__")
    assert done.value.code == 0
    return capsys.readouterr().out.splitlines()


def test_the_files_of_the_project_are_accepted(capsys, monkeypatch):
    lines = judged(CONFIGS, capsys, monkeypatch)
    assert [line.split()[:2] for line in lines[:3]] == [
        ["accepted", path.name] for path in sorted(CONFIGS.glob("*.cfg"))
    ]
    assert lines[-1] == "3 files: 3 accepted"


def test_each_file_gets_its_use_its_device_and_its_reason(capsys, monkeypatch, tmp_path):
    text = (CONFIGS / "awr1843_sdk_demo.cfg").read_text()
    (tmp_path / "a.cfg").write_text(text.replace("lvdsStreamCfg -1 0 1 0", "lvdsStreamCfg -1 0 0 0"))
    (tmp_path / "b.cfg").write_text("% Platform:xWRL6432\nchirpComnCfg 25 0 0 64 4 23 0\n")
    (tmp_path / "c.json").write_text("{}")
    lines = judged(tmp_path, capsys, monkeypatch)
    assert lines[0].startswith("replay only a.cfg")
    assert "xWR1xxx sdk_demo" in lines[0]
    assert "change the line to `lvdsStreamCfg -1 0 1 0`" in lines[0]
    assert lines[1].split()[:3] == ["refused", "b.cfg", "xWRL6432"]
    assert "another command set" in lines[1]
    assert lines[4] == "3 files: 2 refused, 1 replay only"
    assert any(line.endswith("replay only: lvds_off") for line in lines[5:])
