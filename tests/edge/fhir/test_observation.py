"""Observations validated by fhir.resources in R4B and R5; their values, identifiers and reasons."""

import json
import re
from typing import get_args

import msgspec
import pytest
from fhir.resources import observation as r5
from fhir.resources.R4B import observation as r4b

from edge.core.types import QualityFlag
from edge.fhir.absence import DISPLAYS, REASONS
from edge.fhir.observation import RATES, rate_of_message
from edge.fhir.terms import VERSIONS
from edge.mqtt import payloads as p
from edge.vitals.quality import FLAGS
from tests.helpers.hub_messages import ECG, MOVING, VALID, records_of

MODELS = {"R4B": r4b.Observation, "R4": r4b.Observation, "R5": r5.Observation}


def resources(payload, version="R4B", every_s=None) -> list[dict]:
    return [record.resource for record in records_of(payload, version, every_s)]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("every_s", [None, 60])
@pytest.mark.parametrize("payload", [VALID, MOVING, ECG])
def test_observations_validate(payload, version, every_s):
    for resource in resources(payload, version, every_s):
        MODELS[version].model_validate(resource)
        assert resource["device"]["identifier"]["value"] == "radar-0001"
        assert "Not a medical device" in resource["note"][0]["text"]
        assert "subject" not in resource
        assert "Patient" not in json.dumps(resource)


def test_identifiers_of_messages_and_periods():
    def identifiers(payload, every_s):
        return [resource["identifier"][0] for resource in resources(payload, every_s=every_s)]

    heart, breathing = identifiers(VALID, None)
    assert heart == {"system": "urn:radarecg:message", "value": "radar-0001/5f0c6a9e/7"}
    assert breathing["value"] == "radar-0001/5f0c6a9e/7/breathing-rate"
    assert identifiers(ECG, None)[0]["value"] == "radar-0001/5f0c6a9e/8"
    heart, breathing = identifiers(VALID, 60)
    assert heart == {"system": "urn:radarecg:period", "value": "radar-0001/2026-11-20T17:40:00Z/60s/heart-rate"}
    assert breathing["value"] == "radar-0001/2026-11-20T17:40:00Z/60s/breathing-rate"


def test_a_rate_has_a_value_or_a_reason_and_never_both():
    heart, breathing = resources(VALID)
    assert heart["valueQuantity"] == {
        "value": 64.2,
        "unit": "beats/minute",
        "system": "http://unitsofmeasure.org",
        "code": "/min",
    }
    assert (breathing["valueQuantity"]["value"], breathing["valueQuantity"]["code"]) == (15.0, "/min")
    assert [resource["code"]["coding"][0]["code"] for resource in (heart, breathing)] == ["8867-4", "9279-1"]
    assert heart["effectiveDateTime"] == "2026-11-20T17:40:00.000Z"
    assert "dataAbsentReason" not in heart
    heart, breathing = resources(MOVING)
    assert heart["dataAbsentReason"]["text"] == "body movement, frame loss"
    assert breathing["dataAbsentReason"]["text"] == "body movement"
    assert "valueQuantity" not in heart
    assert "valueQuantity" not in breathing


def test_the_note_of_a_period_says_what_it_represents():
    (note,) = resources(VALID, every_s=60)[0]["note"]
    assert note["text"].startswith("Represents the 60 s from 2026-11-20T17:40:00Z. Signal quality good, index 0.93.")


def test_every_flag_has_a_reason_with_its_display():
    assert set(REASONS) == set(get_args(QualityFlag)) == set(FLAGS)
    assert set(REASONS.values()) == set(DISPLAYS)


@pytest.mark.parametrize(
    ("flags", "heart", "breathing"),
    [
        (("radar_fault", "stale"), "error", "error"),
        (("stale",), "error", "error"),
        (("no_subject",), "not-performed", "not-performed"),
        (("body_movement",), "temp-unknown", "temp-unknown"),
        (("warming_up", "clock_unsynced"), "temp-unknown", "unknown"),
        (("low_snr", "frame_loss"), "unknown", "unknown"),
        (("model_uncertain",), "unknown", "unknown"),
        (("frame_loss",), "error", "unknown"),
        (("of_another_version",), "unknown", "unknown"),
        ((), "unknown", "unknown"),
    ],
)
def test_the_reason_follows_from_the_flags(flags, heart, breathing):
    absent = msgspec.structs.replace(MOVING, quality=p.QualityReport("unusable", 0.1, flags))
    found = [rate_of_message(metric, absent).resource["dataAbsentReason"] for metric in RATES]
    assert [reason["coding"][0]["code"] for reason in found] == [heart, breathing]
    assert all(reason["coding"][0]["display"] == DISPLAYS[reason["coding"][0]["code"]] for reason in found)
    assert found[0]["text"] == (", ".join(flags).replace("_", " ") or "no reliable estimate")


@pytest.mark.parametrize("t_ns", [0, 10**18, 253_370_764_800_000_000_000, 10**30, -1])
def test_a_time_of_a_clock_that_was_not_set_is_refused(t_ns):
    for payload in (msgspec.structs.replace(VALID, t_ns=t_ns), msgspec.structs.replace(ECG, t0_ns=t_ns)):
        with pytest.raises(ValueError, match="is before 2020 or after 2099: set its clock"):
            records_of(payload)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_ecg_is_sampled_data_with_errors_where_nothing_is_known(version):
    (resource,) = resources(ECG, version)
    sampled = resource["component"][0]["valueSampledData"]
    assert sampled["data"] == "12 -3 990 E E 8"
    assert re.fullmatch(r"(-?\d+|E)( (-?\d+|E))*", sampled["data"])
    assert 990 * sampled["factor"] == pytest.approx(0.99)  # mV
    assert sampled.get("period", sampled.get("interval")) == 5
    assert resource["effectivePeriod"] == {"start": "2026-11-20T17:40:00.000Z", "end": "2026-11-20T17:40:00.030Z"}
    assert "not a measured lead" in resource["code"]["text"]
    other = MODELS["R4B"] if version == "R5" else MODELS["R5"]
    with pytest.raises(ValueError, match=r"interval|period"):
        other.model_validate(resource)


def test_r4_is_a_name_for_the_same_shape():
    for payload in (VALID, MOVING, ECG):
        assert resources(payload, "R4") == resources(payload, "R4B")
