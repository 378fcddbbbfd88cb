"""A folder of resources: its layout, who can read it, and what is replaced."""

import json

import msgspec
import pytest

from edge.core.errors import InputError
from edge.fhir.failures import RefusedError
from edge.fhir.folder import FolderStore
from tests.helpers.hub_messages import ECG, INFO, MOVING, VALID, at, records_of


def files(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json"))


def test_a_device_has_a_folder_with_one_for_each_day(tmp_path):
    store = FolderStore(str(tmp_path / "out"))
    tomorrow = at(VALID, 86_400)
    records = [*records_of(ECG), *records_of(VALID, every_s=60), *records_of(tomorrow), *records_of(INFO)]
    assert store.store(records) == [None] * len(records)
    assert files(tmp_path / "out") == [
        "radar-0001/2026-11-20/174000-60s-breathing-rate.json",
        "radar-0001/2026-11-20/174000-60s-heart-rate.json",
        "radar-0001/2026-11-20/5f0c6a9e-8.json",
        "radar-0001/2026-11-21/5f0c6a9e-87400-breathing-rate.json",
        "radar-0001/2026-11-21/5f0c6a9e-87400.json",
        "radar-0001/device.json",
        "radar-0001/metric-breathing-rate.json",
        "radar-0001/metric-ecg.json",
        "radar-0001/metric-heart-rate.json",
    ]


def test_only_the_owner_reads_a_resource(tmp_path):
    FolderStore(str(tmp_path / "out")).store(records_of(VALID)[:1])
    (path,) = tmp_path.glob("out/*/*/*.json")
    modes = [place.stat().st_mode & 0o777 for place in (path, path.parent, path.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]


def test_a_value_fills_a_period_without_one_and_replaces_none(tmp_path):
    def rate(payload):
        FolderStore(str(tmp_path)).store(records_of(payload, every_s=60)[:1])
        (path,) = tmp_path.glob("*/*/*.json")
        return json.loads(path.read_text()).get("valueQuantity", {}).get("value")

    assert rate(at(MOVING, 1)) is None
    assert rate(at(VALID, 2, 66.0)) == 66.0
    assert rate(at(VALID, 3, 77.0)) == 66.0
    assert rate(at(MOVING, 4)) == 66.0


def test_a_device_is_replaced(tmp_path):
    for version in ("0.9.0", "0.9.1"):
        FolderStore(str(tmp_path)).store(records_of(msgspec.structs.replace(INFO, version=version))[:1])
    content = json.loads((tmp_path / "radar-0001/device.json").read_text())
    assert content["version"][0]["value"] == "0.9.1"


def test_a_file_that_can_never_be_written_is_refused(tmp_path):
    """The folder's path is so long that the file of a device with a long name has no valid path."""
    deep = tmp_path
    while len(bytes(deep)) < 4010:
        deep /= "d" * min(200, 4020 - len(bytes(deep)))
    store = FolderStore(str(deep))
    (outcome,) = store.store(records_of(msgspec.structs.replace(VALID, device="a" * 64))[:1])
    assert isinstance(outcome, RefusedError)
    assert "File name too long" in outcome.answer


def test_an_unusable_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="nor a URL"):
        FolderStore(str(tmp_path / "file"))
