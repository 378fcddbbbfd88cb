"""Loads a module of deploy/, which is no package: it is used before anything is installed."""

import importlib.util
from types import ModuleType

import pytest

from tests.conftest import ROOT


def load_deployed(name: str) -> ModuleType:
    """Load deploy/NAME.py, which may import its neighbours."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"deploy/{name}.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "deploy"))
        spec.loader.exec_module(module)
    return module
