"""Each payload contains the results and validates against its published schema."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from edge.core.types import Quality, Waveform
from edge.mqtt import payloads as p
from edge.mqtt.device_report import DeviceReport, HistoryReport
from edge.mqtt.topics import LIVE
from tests.helpers.payload_fields import schema
from tests.helpers.publishing import SHA256, STRETCH, T_NS, VITALS, Sent


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
