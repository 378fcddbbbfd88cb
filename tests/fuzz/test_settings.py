"""Settings files and bundles' descriptions: accepted, or an error with the file's name."""

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.fhir.subjects import read_subjects
from edge.inference.bundle import DESCRIPTION, GOLDEN, MODEL, SHIPPED, load_bundle
from edge.radar.calibration_file import load_calibration
from edge.radar.dca1000.control import load_card
from edge.runtime.config import load_config
from edge.runtime.hub_config import load_hub_config
from tests.conftest import ROOT
from tests.helpers.fuzz import budget, damaged, outcome

DEVICE = b"""device = "radar-0001"
[radar]
cfg = "x.cfg"
serial = "auto"
[mqtt]
host = "localhost"
port = 8883
username = "radar-0001"
[network]
backend = "none"
[web]
port = 8080
"""
HUB = b'[mqtt]\nhost = "localhost"\n[spool]\nmax_mb = 5\n[fhir]\nevery_s = 60\nplain = true\nsubjects = "s.csv"\n'
SUBJECTS = b"""device,patient,since,until
radar-0001,Patient/123,2026-11-20T08:00:00Z,2026-11-21T11:30:00.5+01:00
radar-0001,http://hospital.example/mrn|4711,2026-11-21T12:00:00Z,
"""
WARD = b'[mqtt]\n[ward]\nname = "w"\n[ward.read_tokens]\ndesk = "t"\n[ward.webhook]\nurl = "http://h/"\n'
CARD = (ROOT / "firmware_config/dca1000.toml").read_bytes()
LOADERS = {
    "device": (DEVICE, lambda path, chirp: load_config(path, {})),
    "hub": (HUB, lambda path, chirp: load_hub_config(path, {})),
    "subjects": (SUBJECTS, lambda path, chirp: (path.chmod(0o600), read_subjects(path))),
    "ward": (WARD, lambda path, chirp: load_hub_config(path, {})),
    "card": (CARD, lambda path, chirp: load_card(path)),
    "calibration": (b"range_bias_m = 0.01\n", load_calibration),
}


@budget
@given(name=st.sampled_from(sorted(LOADERS)), data=st.data())
def test_settings_are_accepted_or_an_error_that_names_the_file(name, data, tmp_path, iwr6843):
    sample, load = LOADERS[name]
    path = tmp_path / f"{name}.toml"
    path.write_bytes(data.draw(damaged(sample)))
    result = outcome(lambda: load(path, iwr6843))
    assert not isinstance(result, str) or str(path) in result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    for name in (MODEL, GOLDEN):
        shutil.copy(SHIPPED / name, folder)
    return folder


@budget
@given(damaged((SHIPPED / DESCRIPTION).read_bytes()))
def test_a_bundles_description_is_accepted_or_an_error_that_names_the_file(folder, content):
    (folder / DESCRIPTION).write_bytes(content)
    result = outcome(lambda: load_bundle(folder))
    if isinstance(result, str):
        assert str(folder) in result
    else:
        assert result.about.sha256.keys() <= {MODEL, GOLDEN}
