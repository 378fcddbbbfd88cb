"""Each payload validates against its published schema, and invalid payloads are rejected."""

import json
from dataclasses import replace
from types import SimpleNamespace

import jsonschema
import msgspec
import numpy as np
import pytest

from edge.core.types import EcgBlock, EcgEstimate, FrameCount, Quality, Rhythm, TaskOutputs, Vitals, Waveform
from edge.mqtt import payloads as p
from edge.mqtt.broker import Broker
from edge.mqtt.device_report import DeviceReport, HistoryReport
from edge.mqtt.fields import CHEST_LOST_FLAGS, UNUSABLE_FLAGS
from edge.mqtt.info import NetworkState
from edge.mqtt.outbox import OutboxCount
from edge.mqtt.publisher import Publisher
from edge.mqtt.schemas import FOLDER, documents
from edge.mqtt.spool import SpoolCount
from edge.mqtt.topics import LIVE, NOTICE, TOPICS
from edge.vitals.quality import CHEST_LOST, FLAGS

T_NS = 1_795_196_400_123_456_789
SHA256 = "9b1f0c3a" * 8


def schema(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((FOLDER / f"{name}.schema.json").read_text()))


class Sent(Publisher):
    """A publisher whose client records messages instead of sending them."""

    def __init__(self, chirp, monkeypatch, **options) -> None:
        self.out: list[tuple[str, dict]] = []

        out = self.out

        class Client:
            def __init__(self, broker, device, will, birth) -> None:
                out.extend((topic.suffix, json.loads(payload)) for topic, payload in [will, *birth])

            connections = 1

        class Outbox:
            def __init__(self, client, spool, backfill_per_s) -> None:
                pass

            def publish(self, topic, payload) -> None:
                out.append((topic.suffix, json.loads(payload)))

            def count(self) -> OutboxCount:
                return OutboxCount(2, SpoolCount(3, 4096, 0, 1))

        monkeypatch.setattr("edge.mqtt.publisher.MqttClient", Client)
        monkeypatch.setattr("edge.mqtt.publisher.Outbox", Outbox)
        state = NetworkState(p.Model("compact", SHA256), True, "onnxruntime")
        super().__init__(Broker(), "radar-0001", chirp, SimpleNamespace(is_persistent=True), state, **options)

    def last(self, suffix: str) -> dict:
        return next(payload for topic, payload in reversed(self.out) if topic == suffix)


VITALS = {
    "good": Vitals(T_NS, 64.23, 14.9, 0.463, Quality("good", 0.93), FrameCount(2000, 0)),
    "beats": Vitals(
        T_NS,
        64.23,
        14.9,
        0.463,
        Quality("good", 0.93),
        ci95_bpm=(62.04, 66.57),
        n_beats=11,
        rhythm=Rhythm(31.4, 42.8, irregular=False),
    ),
    "unusable": Vitals(
        T_NS, None, None, None, Quality("unusable", 0.11, ("body_movement", "frame_loss")), movement="mild"
    ),
}


OUTPUTS = TaskOutputs(np.zeros(200, np.float32), np.full(800, 1 / 800, np.float32), np.full(260, 1 / 260, np.float32))
STRETCH = EcgBlock(
    T_NS,
    1200,
    EcgEstimate(200, np.array([0.0, 1.0, -0.25]), np.array([False, True, True]), np.array([201.25]), np.array([0.9])),
    continues=True,
    outputs=OUTPUTS,
)


@pytest.fixture
def sent(mmecg, monkeypatch):
    return Sent(mmecg, monkeypatch)


def test_every_payload_validates_against_its_schema(sent):
    for vitals in VITALS.values():
        sent.vitals(vitals)
    sent.waveform(Waveform(T_NS, 40, 50, np.array([0.1, -0.2, 0.3, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 12.0])))
    sent.ecg(STRETCH, Quality("good", 0.9))
    assert {suffix for suffix, _ in sent.out} == {topic.suffix for topic in LIVE}
    for suffix, payload in sent.out:
        schema(suffix).validate(payload)
        assert payload["intended_use"] == "research"
    seqs = [payload["seq"] for _, payload in sent.out if "seq" in payload]
    assert seqs == sorted(set(seqs))


@pytest.mark.parametrize("report", [None, DeviceReport(temperature_c=47.5, throttled=False, overcurrent_events=11)])
def test_health_contains_the_computers_state(mmecg, monkeypatch, report):
    sent = Sent(mmecg, monkeypatch, computer=lambda: report)
    sent.vitals(VITALS["good"])
    health = sent.last("health")
    schema("health").validate(health)
    assert health["computer"] == (report and msgspec.to_builtins(report))
    assert msgspec.convert(health, p.HealthPayload).computer == report
    del health["computer"]  # of an earlier version
    assert msgspec.convert(health, p.HealthPayload).computer is None


@pytest.mark.parametrize("report", [None, HistoryReport(failing=True, bytes=40960, unstored=17)])
def test_health_contains_the_state_of_the_history(mmecg, monkeypatch, report):
    sent = Sent(mmecg, monkeypatch, history=lambda: report)
    sent.vitals(VITALS["good"])
    health = sent.last("health")
    schema("health").validate(health)
    assert health["history"] == (report and msgspec.to_builtins(report))
    del health["history"]  # of an earlier version
    assert msgspec.convert(health, p.HealthPayload).history is None


def test_vitals_contain_the_results(sent):
    sent.vitals(VITALS["good"])
    payload = sent.last("vitals")
    assert payload["hr"]["value"] == 64.2
    assert payload["hr"]["valid"] is True
    assert payload["t"] == "2026-11-20T17:40:00.123456Z"
    assert payload["t_ns"] == T_NS
    assert payload["rhythm"] is None
    sent.vitals(VITALS["beats"])
    payload = sent.last("vitals")
    assert payload["hr"]["ci95"] == [62.0, 66.6]
    assert payload["hr"]["n_beats"] == 11
    assert payload["rhythm"] == {"rmssd_ms": 31, "sdnn_ms": 43, "irregular": False}
    assert payload["model"]["id"] == "compact"
    sent.vitals(VITALS["unusable"])
    payload = sent.last("vitals")
    assert payload["movement"] == "mild"
    assert payload["rhythm"] is None
    assert payload["model"]["id"] == "classical-1"
    assert payload["hr"] | {"age_ms": 0} == {
        "valid": False,
        "value": None,
        "unit": "/min",
        "ci95": None,
        "n_beats": None,
        "age_ms": 0,
    }
    assert payload["quality"]["flags"] == ["body_movement", "frame_loss"]


def test_the_waveform_can_be_reconstructed_from_blocks(sent):
    truth = np.random.default_rng(0).normal(size=60)
    for k in range(0, 60, 6):
        sent.waveform(Waveform(T_NS, k, 50, truth[k : k + 6]))
    blocks = [payload for suffix, payload in sent.out if suffix == "waveform"]
    assert [b["sample0"] for b in blocks] == [0, 12, 24, 36, 48]
    rebuilt = np.concatenate([np.array(b["samples"]) * b["scale"] for b in blocks])
    np.testing.assert_allclose(rebuilt, truth, atol=0.002 * np.abs(truth).max())


def test_a_break_in_the_waveform_is_marked(sent):
    sent.waveform(Waveform(T_NS, 0, 50, np.ones(6)))
    sent.waveform(Waveform(T_NS, 6, 50, np.ones(10), coverage=0.9, continues=False))
    sent.waveform(Waveform(T_NS, 16, 50, np.ones(10)))
    blocks = [payload for suffix, payload in sent.out if suffix == "waveform"]
    assert [(b["sample0"], b["continues"], b["coverage"]) for b in blocks] == [(6, False, 0.9), (16, True, 1.0)]


def test_the_ecg_contains_known_samples_times_and_model(sent):
    sent.ecg(STRETCH, Quality("unusable", 0.2, ("body_movement",)))
    payload = sent.out[-1][1]
    assert payload["samples"] == [None, 1000, -250]
    assert (payload["sample0"], payload["r_peaks"], payload["confidence"]) == (1200, [1201.25], [0.9])
    assert (payload["t0"], payload["t0_ns"]) == ("2026-11-20T17:40:00.123456Z", T_NS)
    assert payload["amplitude_calibrated"] is False
    assert payload["quality"] == {"state": "unusable", "sqi": 0.2, "flags": ["body_movement"]}
    assert payload["model"] == {"id": "compact", "sha256": SHA256}


def test_a_flat_waveform_is_sent_as_zeros(sent):
    sent.waveform(Waveform(T_NS, 0, 50, np.zeros(10)))
    assert sent.out[-1][1]["samples"] == [0] * 10


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


def test_a_change_of_quality_is_an_event_with_what_began_and_ended(sent):
    moving = replace(VITALS["unusable"], quality=Quality("unusable", 0.1, ("body_movement",)))
    for vitals in (VITALS["good"], VITALS["good"], VITALS["unusable"], moving, VITALS["good"]):
        sent.vitals(vitals)
    events = [payload for suffix, payload in sent.out if suffix == "event"]
    changes = [(e["began"], e["ended"], e["previous"], e["quality"]["state"]) for e in events]
    assert changes == [
        ([], ["warming_up"], "unusable", "good"),
        (["body_movement", "frame_loss"], [], "good", "unusable"),
        ([], ["frame_loss"], "unusable", "unusable"),
        ([], ["body_movement"], "unusable", "good"),
    ]
    assert events[0]["t_ns"] == T_NS


def test_health_reports_every_kind_of_loss(sent):
    sent.vitals(VITALS["good"])
    health = sent.last("health")
    assert health["dropped"] == 2
    assert health["spool"] == {"messages": 3, "bytes": 4096, "evicted": 0, "unstored": 1, "persistent": True}
    assert health["frames"] == {"received": 2000, "lost": 0}


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
