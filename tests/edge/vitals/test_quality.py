"""Every flag: its effect on the quality, and which flag is reported when several apply."""

import json
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from edge.core.types import BeatRate, QualityFlag, RateEstimate
from edge.vitals.quality import FLAGS, Evidence, assess

BEATS = BeatRate(70.0, (68.0, 72.0), 11, outlier_fraction=0.0, entropy=0.35)
CLASSICAL = RateEstimate(71.0, 0.97)
ALONE = Evidence(
    silence_s=0.0,
    problem=None,
    present=True,
    movement="none",
    history_s=10.0,
    lost_fraction=0.0,
    breathing=RateEstimate(),
    classical=CLASSICAL,
    network=False,
    outputs_finite=True,
    beats=None,
    clock_synced=True,
)
FINE = replace(ALONE, network=True, beats=BEATS)
OCTAVE = RateEstimate(35.0, 0.95)
UNCERTAIN = replace(BEATS, outlier_fraction=0.3, entropy=0.7)


@pytest.mark.parametrize("base", [ALONE, FINE], ids=["classical", "network"])
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


@pytest.mark.parametrize(
    ("confidence", "reason", "history_s", "state", "flags"),
    [
        (0.85, None, 10.0, "degraded", ()),
        (0.5, None, 10.0, "unusable", ("low_snr",)),
        (0.5, None, 7.0, "unusable", ("warming_up",)),
        (0.97, None, 9.0, "unusable", ("warming_up",)),
        (float("nan"), None, 10.0, "unusable", ("low_snr",)),
        (0.97, "model_uncertain", 10.0, "unusable", ("model_uncertain",)),
    ],
)
def test_without_a_network_the_classical_rate_needs_high_confidence(confidence, reason, history_s, state, flags):
    check(replace(ALONE, classical=RateEstimate(70.0, confidence, reason), history_s=history_s), state, flags)


@pytest.mark.parametrize(
    ("change", "state", "flags"),
    [
        ({"history_s": 3.0}, "good", ()),  # beats from before a movement count
        ({"history_s": 3.0, "beats": None}, "unusable", ("warming_up",)),
        ({"beats": None}, "unusable", ("low_snr",)),
        ({"beats": None, "outputs_finite": False}, "unusable", ("model_uncertain",)),
        ({"beats": None, "outputs_finite": False, "history_s": 3.0}, "unusable", ("model_uncertain",)),
        ({"beats": UNCERTAIN}, "unusable", ("model_uncertain",)),
        ({"beats": replace(BEATS, entropy=float("nan"))}, "unusable", ("model_uncertain",)),
        ({"classical": OCTAVE}, "unusable", ("model_uncertain",)),
        ({"classical": replace(OCTAVE, confidence=0.5)}, "degraded", ()),
        ({"classical": replace(OCTAVE, uncertainty_reason="model_uncertain")}, "degraded", ()),
        ({"classical": RateEstimate()}, "degraded", ()),
        ({"classical": replace(CLASSICAL, bpm=76.9)}, "good", ()),
    ],
)
def test_the_network_must_agree_with_itself_and_with_a_confident_classical_rate(change, state, flags):
    check(replace(FINE, **change), state, flags)


def check(evidence, state, flags):
    quality = assess(evidence)
    assert (quality.state, quality.flags) == (state, flags)
    assert 0 <= quality.sqi <= 1
    assert quality.sqi < 0.6 or state != "unusable"


def test_flags_are_those_of_the_schema():
    schema = json.loads((Path(__file__).parents[3] / "edge/mqtt/schemas/vitals.schema.json").read_text())
    published = schema["$defs"]["QualityReport"]["properties"]["flags"]["items"]["enum"]
    assert set(published) == set(FLAGS) == set(get_args(QualityFlag))
