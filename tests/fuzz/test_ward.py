"""Messages that reach the ward: shown or refused, never an error, and no rate that is not valid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.mqtt import payloads as p
from edge.mqtt.topics import STATUS, VITALS, WAVEFORM
from edge.mqtt.watcher import Received
from edge.ward.traces import Traces
from edge.ward.ward import LATE_VITALS
from tests.helpers.fuzz import budget, damaged
from tests.helpers.ward import Hub, encode_vitals

BED = "radar-0001"
SAMPLES = {
    VITALS.suffix: encode_vitals(BED, 1, 1_795_196_400.0, 68.0, ["clock_unsynced"]),
    LATE_VITALS.suffix: encode_vitals(BED, 1, 1_795_196_400.0, None, ["body_movement"], movement="mild"),
    STATUS.suffix: p.encode(p.Status(device=BED, boot="5f0c6a9e", state="online", reason="started")),
    WAVEFORM.suffix: b"{}",
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return Hub(tmp_path_factory.mktemp("ward"))


@budget
@given(suffix=st.sampled_from(sorted(SAMPLES)), data=st.data(), age_s=st.floats(0, 100))
def test_messages_are_shown_or_refused(hub, suffix, data, age_s):
    content = data.draw(damaged(SAMPLES[suffix]))
    message = Received(BED, suffix, content, age_s)
    hub.ward.receive(message)
    Traces().receive(message)
    hub.clock.now_s += 1
    hub.ward.tick(True)
    for tile in hub.ward.snapshot("desk", False).tiles:
        assert tile.device == BED
        assert tile.heart_rate_bpm is None or (tile.state != "unusable" and 20 <= tile.heart_rate_bpm <= 300)
    for value in hub.bins(BED):
        assert value is None or value == 0 or 20 <= value <= 300
