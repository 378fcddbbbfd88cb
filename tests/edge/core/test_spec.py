"""The fingerprint of a network's input and output: every constant changes it, names in the source do not."""

import dataclasses

import pytest

from edge.core import spec
from edge.core.spec import SST_DEFAULT, SstSpec, fingerprint
from edge.inference.bundle import SHIPPED, load_bundle

PREFIXES = ("SST_", "ECG_PIECE_", "ANCHOR_", "CYCLE_")
NUMBERS = [name for name in vars(spec) if name.startswith(PREFIXES) and name.isupper()]


def test_the_fingerprint_is_the_one_that_the_shipped_bundle_carries():
    assert fingerprint(SST_DEFAULT) == "886d90da02d8ba39" == load_bundle(SHIPPED).about.spec


@pytest.mark.parametrize("name", [*sorted(set(NUMBERS) - {"SST_DEFAULT"}), "RCG_RATE_HZ"])
def test_every_shared_number_changes_it(name, monkeypatch):
    monkeypatch.setattr(spec, name, 17)
    assert fingerprint(SST_DEFAULT) != "886d90da02d8ba39"


def test_every_field_of_the_transform_changes_it():
    assert fingerprint(SstSpec(frame_rate_hz=30)) != fingerprint(SST_DEFAULT)
    assert {field.name for field in dataclasses.fields(SstSpec)} == {"frame_rate_hz"}
