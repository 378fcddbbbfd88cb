"""The published schemas are those of the structs; invalid and contradictory payloads are refused."""

import json

import jsonschema
import msgspec
import numpy as np
import pytest

from edge.core.types import Quality, Waveform
from edge.mqtt import payloads as p
from edge.mqtt.fields import CHEST_LOST_FLAGS, UNUSABLE_FLAGS
from edge.mqtt.schemas import FOLDER, documents
from edge.mqtt.topics import LIVE, NOTICE, TOPICS
from edge.vitals.quality import CHEST_LOST, FLAGS
from tests.helpers.payload_fields import schema
from tests.helpers.publishing import STRETCH, T_NS, VITALS


@pytest.mark.parametrize(
    "wrong",
    [
        lambda v: v | {"hr": v["hr"] | {"valid": False}},
        lambda v: v | {"hr": v["hr"] | {"value": None}},
        lambda v: v | {"quality": {"state": "unusable", "sqi": 0.1, "flags": []}},
        lambda v: v | {"hr": v["hr"] | {"unit": "Hz"}},
        lambda v: v | {"quality": {"state": "splendid", "sqi": 0.1, "flags": []}},
        lambda v: v | {"surprise": 1},
        lambda v: v | {"quality": {"state": "good", "sqi": 0.9, "flags": ["radar_fault"]}},
        lambda v: v | {"quality": {"state": "good", "sqi": 0.9, "flags": ["stale", "frame_loss"]}},
        lambda v: v | {"quality": {"state": "good", "sqi": 0.9, "flags": ["<img src=x onerror=alert(1)>"]}},
        lambda v: v | {"quality": {"state": "good", "sqi": 0.9, "flags": [f"flag_{k}" for k in range(33)]}},
        lambda v: v | {"model": {"id": "<img src=x onerror=alert(1)>", "sha256": None}},
        lambda v: v | {"model": {"id": "x" * 65, "sha256": None}},
        lambda v: v | {"model": {"id": "x", "sha256": "../etc/passwd"}},
        lambda v: v | {"clock": v["clock"] | {"source": "<b>"}},
        lambda v: v | {"seq": 2**53 + 1},
        lambda v: v | {"seq": 10**300},
    ],
)
def test_an_invalid_payload_fails_schema_and_struct(sent, wrong):
    sent.vitals(VITALS["good"])
    right = sent.last("vitals")
    msgspec.convert(right, p.VitalsPayload)
    payload = wrong(right)
    assert not schema("vitals").is_valid(payload)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(payload, p.VitalsPayload)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fs": -1},
        {"fs": 0},
        {"fs": 201},
        {"n": 4},
        {"r_peaks": []},
        {"samples": [None, 10**300, 1]},
        {"sample0": 2**60},
    ],
)
def test_a_contradictory_ecg_is_refused(sent, wrong):
    sent.ecg(STRETCH, Quality("good", 0.9))
    right = sent.last("ecg")
    msgspec.convert(right, p.EcgPayload)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(json.dumps(right | wrong), type=p.EcgPayload)


@pytest.mark.parametrize("wrong", [{"fs": 0}, {"n": 4}])
def test_a_contradictory_waveform_is_refused(sent, wrong):
    sent.waveform(Waveform(T_NS, 40, 50, np.arange(10.0)))
    right = sent.last("waveform")
    msgspec.convert(right, p.WaveformPayload)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(right | wrong, p.WaveformPayload)


def test_the_payloads_and_the_verdict_agree_on_the_flags():
    assert {flag for flag, severity in FLAGS.items() if severity == "unusable"} == UNUSABLE_FLAGS
    assert CHEST_LOST_FLAGS == CHEST_LOST


def test_a_valid_rate_in_unusable_quality_cannot_be_built():
    with pytest.raises(ValueError, match="must be null"):
        p.Rate(valid=False, value=70.0)
    with pytest.raises(ValueError, match="must have a value"):
        p.Rate(valid=True, value=None)


@pytest.mark.parametrize("name", [*(topic.suffix for topic in LIVE), NOTICE.suffix])
def test_schemas_are_schemas(name):
    jsonschema.Draft202012Validator.check_schema(json.loads((FOLDER / f"{name}.schema.json").read_text()))


def test_the_published_documents_are_those_of_the_structs():
    """If this fails: python -m edge.mqtt.schemas"""
    assert {path.name: json.loads(path.read_text()) for path in FOLDER.iterdir()} == documents()


def test_asyncapi_names_every_topic_as_it_is_published():
    """The document was validated once with @asyncapi/parser 3.6; this test preserves its result."""
    document = json.loads((FOLDER / "asyncapi.json").read_text())
    found = {}
    for operation in document["operations"].values():
        channel = document["channels"][operation["channel"]["$ref"].removeprefix("#/channels/")]
        binding = operation["bindings"]["mqtt"]
        found[channel["address"]] = (binding["qos"], binding["retain"], binding.get("messageExpiryInterval"))
        for message in channel["messages"].values():
            name = message["$ref"].removeprefix("#/components/messages/")
            file = document["components"]["messages"][name]["payload"]["schema"]["$ref"]
            assert (FOLDER / file).is_file()
    assert found == {topic.name("{device}"): (topic.qos, topic.retain, topic.expiry_s) for topic in TOPICS}
