"""Device and DeviceMetric resources, validated by fhir.resources in R4B and R5."""

import msgspec
import pytest
from fhir.resources import device as device_r5
from fhir.resources import devicemetric as metric_r5
from fhir.resources.R4B import device as device_r4b
from fhir.resources.R4B import devicemetric as metric_r4b

from edge.fhir.terms import VERSIONS
from tests.helpers.hub_messages import INFO, VALID, records_of

R4B = {"Device": device_r4b.Device, "DeviceMetric": metric_r4b.DeviceMetric}
R5 = {"Device": device_r5.Device, "DeviceMetric": metric_r5.DeviceMetric}


@pytest.mark.parametrize("version", VERSIONS)
def test_they_validate_in_their_version_only(version):
    own, other = (R5, R4B) if version == "R5" else (R4B, R5)
    for record in records_of(INFO, version):
        own[record.kind].model_validate(record.resource)
        with pytest.raises(ValueError, match=r"extra|Extra|permitted|missing"):
            other[record.kind].model_validate(record.resource)


def test_observations_refer_to_the_device_by_its_identifier():
    device, *metrics = (record.resource for record in records_of(INFO))
    (heart_rate, _) = (record.resource for record in records_of(VALID))
    assert heart_rate["device"]["identifier"] == device["identifier"][0]
    assert [metric["source"] for metric in metrics] == [heart_rate["device"]] * 3
    assert metrics[0]["type"] == heart_rate["code"]
    assert [metric["identifier"][0]["value"] for metric in metrics] == [
        "radar-0001/heart-rate",
        "radar-0001/breathing-rate",
        "radar-0001/ecg",
    ]
    assert [metric["unit"]["coding"][0]["code"] for metric in metrics] == ["264864", "264928", "266418"]


def test_versions_are_of_program_network_and_chirp_file():
    (device, *_) = records_of(INFO)
    versions = {version["type"]["text"]: version["value"] for version in device.resource["version"]}
    assert versions["radarecg"] == "0.9.0"
    assert versions["network"] == "compact"
    assert versions["network (SHA-256)"] == "ab" * 32
    assert versions["chirp file (SHA-256)"] == "cd" * 32


def test_a_device_without_a_network_has_no_ecg():
    info = msgspec.structs.replace(INFO, network=None, schemas=("radarecg.vitals/1",))
    assert [record.name for record in records_of(info)] == ["device", "metric-heart-rate", "metric-breathing-rate"]
