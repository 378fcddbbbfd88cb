"""Collects a support archive: versions, settings without secrets, the doctor's findings and the last log."""

from __future__ import annotations

import io
import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from contextlib import redirect_stdout
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from edge import __version__
from edge.core.audit import audit
from edge.core.errors import InputError
from edge.runtime.config import load_config
from edge.runtime.doctor import Setup, examine

LOG_LINES = 2000
_UNIT = "radarecg"
_SECRET = ("username", "password", "token", "secret")
_REMOVED = "(removed)"


def diagnose(config: Path, out: Path) -> None:
    """Write the archive `out`; if the settings are invalid, it contains the error. Raises FileExistsError, OSError."""
    files = {"versions.json": _versions(), **_settings(config)}
    if log := _last_log():
        files["log.txt"] = log
    with zipfile.ZipFile(out, "x", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in files.items():
            bundle.writestr(name, text)
    audit("diagnostics exported", file=str(out))


def without_secrets(settings: Any) -> Any:
    """Return the settings with every user name, password and token removed; the names of their files remain."""
    if not isinstance(settings, dict):
        return settings
    return {
        key: _REMOVED if value is not None and _is_secret(key) else without_secrets(value)
        for key, value in settings.items()
    }


def _is_secret(key: str) -> bool:
    return not key.endswith("_file") and any(word in key for word in _SECRET)


def _settings(path: Path) -> dict[str, str]:
    """Return the effective settings, the chirp file and the doctor's findings, or only the error in the settings."""
    try:
        config = load_config(path)
    except InputError as error:  # names keys, never values
        return {"settings.txt": f"{error}\n"}
    setup = Setup(config, path)
    with redirect_stdout(io.StringIO()) as findings:
        examine(setup)
    files = {
        "settings.json": json.dumps(without_secrets(msgspec.to_builtins(config)), indent=2),
        "doctor.txt": findings.getvalue(),
    }
    if setup.cfg and setup.cfg.is_file():
        files["radar.cfg"] = setup.cfg.read_text(errors="replace")
    return files


def _versions() -> str:
    packages = {dist.metadata["Name"]: dist.version for dist in metadata.distributions()}
    return json.dumps(
        {
            "radarecg": __version__,
            "python": sys.version,
            "system": platform.platform(),
            "processors": os.cpu_count(),
            "packages": dict(sorted(packages.items())),
        },
        indent=2,
    )


def _last_log() -> str:
    """Return the last log lines of the service from systemd's journal, or "" without one."""
    if shutil.which("journalctl") is None:
        return ""
    command = ["journalctl", "--unit", _UNIT, "--lines", str(LOG_LINES), "--no-pager", "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
