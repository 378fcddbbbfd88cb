"""Every reason, what it does to the verdict, and which one is said when several hold."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.frames import Chest, RcgBlock
from edge.vitals.quality import FLAGS, Evidence, StillnessWatch, assess

FINE = Evidence(
    silence_s=0.0,
    problem=None,
    present=True,
    still=True,
    history_s=10.0,
    lost_share=0.0,
    confidence=0.97,
    doubt=None,
    clock_synced=True,
)


@pytest.mark.parametrize(
    ("change", "state", "flags"),
    [
        ({}, "good", ()),
        ({"clock_synced": False}, "good", ("clock_unsynced",)),
        ({"confidence": 0.85}, "degraded", ()),
        ({"lost_share": 0.05}, "degraded", ("frame_loss",)),
        ({"lost_share": 0.2}, "unusable", ("low_snr", "frame_loss")),
        ({"confidence": 0.5}, "unusable", ("low_snr",)),
        ({"confidence": 0.5, "history_s": 7.0}, "unusable", ("warming_up",)),
        ({"confidence": float("nan")}, "unusable", ("low_snr",)),
        ({"doubt": "model_uncertain"}, "unusable", ("model_uncertain",)),
        ({"history_s": 9.0}, "unusable", ("warming_up",)),
        ({"still": False}, "unusable", ("body_movement",)),
        ({"present": False}, "unusable", ("no_subject",)),
        ({"present": False, "still": False, "confidence": 0.1}, "unusable", ("no_subject",)),
        ({"silence_s": 2.0}, "unusable", ("stale",)),
        ({"silence_s": 9.0}, "unusable", ("radar_fault", "stale")),
        ({"problem": "the IQ order looks wrong"}, "unusable", ("radar_fault",)),
        ({"silence_s": 2.0, "still": False, "present": False}, "unusable", ("stale",)),
    ],
)
def test_verdicts(change, state, flags):
    quality = assess(replace(FINE, **change))
    assert (quality.state, quality.flags) == (state, flags)
    assert 0 <= quality.sqi <= 1
    assert quality.sqi < 0.6 or state != "unusable"


def test_flags_are_those_of_the_schema():
    schema = json.loads((Path(__file__).parents[1] / "edge/mqtt/schemas/vitals.schema.json").read_text())
    assert set(schema["$defs"]["QualityReport"]["properties"]["flags"]["items"]["enum"]) == set(FLAGS)


def block(speed_mm_s: float) -> RcgBlock:
    zeros = np.zeros((1, 20))
    return RcgBlock(0, zeros, zeros, np.ones(1), np.ones(20, bool), speed_mm_s, Chest(0.5, 30, True), False)


@pytest.mark.parametrize(("max_speed_mm_s", "still_at", "moved_at"), [(190, 25, 35), (24, 10, 20)])
def test_movement_is_noticed_and_held_for_a_second(max_speed_mm_s, still_at, moved_at):
    watch = StillnessWatch(max_speed_mm_s)
    assert watch.push(block(still_at))
    assert not watch.push(block(moved_at))
    assert [watch.push(block(still_at)) for _ in range(11)].count(False) in (9, 10)
    assert watch.still
