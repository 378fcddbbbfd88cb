"""Every flag: its effect on the quality, and which flag is reported when several apply."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from edge.core.types import BeatRate, QualityFlag, RateEstimate
from edge.vitals.quality import FLAGS, Evidence, assess
from edge.vitals.quality_model import QUALITY_MODEL
from edge.vitals.rate_evidence import RATES_BPM, RateEvidence

NEEDED, GOOD = QUALITY_MODEL.tracker.needed, QUALITY_MODEL.tracker.good
BEATS = BeatRate(70.0, (68.0, 72.0), 11, outlier_fraction=0.0)
FLAT = np.zeros((3, len(RATES_BPM)))
CLEAR = {"envelope": RateEvidence(FLAT, 0.8), "pulse": RateEvidence(FLAT, 0.1)}
WEAK = {"envelope": RateEvidence(FLAT, 0.2), "pulse": RateEvidence(FLAT, 0.2)}
ALONE = Evidence(
    silence_s=0.0,
    problem=None,
    present=True,
    movement="none",
    history_s=10.0,
    lost_fraction=0.0,
    breathing=RateEstimate(),
    sources=CLEAR,
    rate=RateEstimate(70.0, (1 + GOOD) / 2, (68.0, 72.0)),
    network=False,
    outputs_finite=True,
    beats=None,
    clock_synced=True,
)
FINE = replace(ALONE, network=True, beats=BEATS)
UNSURE = RateEstimate(70.0, NEEDED - 0.1, (50.0, 90.0))


@pytest.mark.parametrize("base", [ALONE, FINE], ids=["motion", "network"])
@pytest.mark.parametrize(
    ("change", "state", "flags"),
    [
        ({}, "good", ()),
        ({"clock_synced": False}, "good", ("clock_unsynced",)),
        ({"network_failed": True}, "good", ("network_failed",)),
        ({"lost_fraction": 0.05}, "degraded", ("frame_loss",)),
        ({"lost_fraction": 0.5}, "unusable", ("low_snr", "frame_loss")),
        ({"movement": "mild"}, "unusable", ("body_movement",)),
        ({"movement": "extensive"}, "unusable", ("body_movement",)),
        ({"present": False}, "unusable", ("no_subject",)),
        ({"present": False, "movement": "mild"}, "unusable", ("no_subject",)),
        ({"silence_s": 2.0}, "unusable", ("stale",)),
        ({"silence_s": 9.0}, "unusable", ("radar_fault", "stale")),
        ({"problem": "the IQ order looks wrong"}, "unusable", ("radar_fault",)),
        ({"silence_s": 2.0, "movement": "mild", "present": False}, "unusable", ("stale",)),
    ],
)
def test_quality_with_and_without_a_network(base, change, state, flags):
    check(replace(base, **change), state, flags)


@pytest.mark.parametrize("base", [ALONE, FINE], ids=["motion", "network"])
@pytest.mark.parametrize(
    ("change", "state", "flags"),
    [
        ({"rate": RateEstimate(70.0, (NEEDED + GOOD) / 2)}, "degraded", ()),
        ({"rate": UNSURE}, "unusable", ("model_uncertain",)),
        ({"rate": UNSURE, "sources": WEAK}, "unusable", ("low_snr",)),
        ({"rate": UNSURE, "sources": {}}, "unusable", ("low_snr",)),
        ({"rate": UNSURE, "history_s": 7.0}, "unusable", ("warming_up",)),
        ({"history_s": 7.0}, "good", ()),  # a confident rate needs no more history
        ({"sources": WEAK}, "good", ()),
        ({"rate": RateEstimate()}, "unusable", ("model_uncertain",)),
        ({"rate": RateEstimate(70.0, float("nan"))}, "unusable", ("model_uncertain",)),
    ],
)
def test_a_rate_needs_the_confidence_of_the_tracker(base, change, state, flags):
    check(replace(base, **change), state, flags)


def breathing_at(bpm, envelope) -> dict:
    features = np.full((3, len(RATES_BPM)), envelope)
    return {"breathing": RateEstimate(bpm, 0.9), "sources": CLEAR | {"envelope": RateEvidence(features, 0.8)}}


@pytest.mark.parametrize(
    ("base", "change", "state"),
    [
        (ALONE, breathing_at(70 / 3, 0.1), "unusable"),
        (ALONE, breathing_at(70 / 3, 0.6), "good"),  # the envelope confirms it
        (ALONE, breathing_at(70 / 2, 0.6), "unusable"),  # but not twice the rate of breathing
        (ALONE, breathing_at(70 / 3.5, 0.1), "good"),
        (FINE, breathing_at(70 / 2, 0.1), "good"),  # the beats confirm it
        (replace(FINE, beats=None), breathing_at(70 / 2, 0.1), "unusable"),
    ],
)
def test_a_harmonic_of_breathing_needs_a_confirmation(base, change, state):
    check(replace(base, **change), state, () if state == "good" else ("model_uncertain",))


def test_outputs_that_are_not_finite_are_reported():
    check(replace(FINE, beats=None, outputs_finite=False), "unusable", ("model_uncertain",))


def test_a_network_bears_more_loss_than_the_motion_alone():
    check(replace(ALONE, lost_fraction=0.2), "unusable", ("low_snr", "frame_loss"))
    check(replace(FINE, lost_fraction=0.2), "degraded", ("frame_loss",))


def check(evidence, state, flags):
    quality = assess(evidence)
    assert (quality.state, quality.flags) == (state, flags)
    assert 0 <= quality.sqi <= 1
    assert quality.sqi <= 0.5 or state != "unusable"


def test_flags_are_those_of_the_schema():
    schema = json.loads((Path(__file__).parents[3] / "edge/mqtt/schemas/vitals.schema.json").read_text())
    published = schema["$defs"]["QualityReport"]["properties"]["flags"]["items"]["enum"]
    assert set(published) == set(FLAGS) == set(get_args(QualityFlag))
