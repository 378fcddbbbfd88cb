"""The pipeline on a recording of a real person by a real card, 20 s at 20 frames a second."""

import pytest

from edge.pipeline import Pipeline
from edge.sources.recording import open_recording
from edge.sources.replay import ReplaySource
from tests.conftest import ROOT
from tests.helpers.chain import SECOND_NS


def test_the_most_probable_rate_is_that_of_the_person(real_data):
    cfg = ROOT / "firmware_config" / "iwr6843_recording.cfg"
    recording = open_recording(real_data / "iwr6843_dca1000" / "demo.bin", cfg, "studio")
    pipeline = Pipeline(recording.chirp, lambda: True, recording.calibration)
    for frame in ReplaySource(recording).frames():
        pipeline.push(frame)
        if (frame.seq + 1) % 20 == 0:
            vitals = pipeline.vitals((frame.seq + 1) // 20 * SECOND_NS)
    assert pipeline.evidence.rate.bpm == pytest.approx(69.4, abs=2)
    assert pipeline.evidence.rate.confidence > 0.5
    assert vitals.breathing_rate_bpm == pytest.approx(15.2, abs=1)
