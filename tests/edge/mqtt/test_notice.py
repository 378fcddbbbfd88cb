"""The notice of a hub's ward view validates against its published schema."""

import json

import jsonschema
import msgspec
import pytest

from edge.mqtt.notice import NoticePayload
from edge.mqtt.schemas import FOLDER
from edge.ward.notices import Notice, encode_notice

BEGAN = Notice("1f0c9a54d3b7e802", "radar-0001", "no_rate", "No valid heart rate for 5 min", 1_795_196_400_000)
SCHEMA = jsonschema.Draft202012Validator(json.loads((FOLDER / "notice.schema.json").read_text()))


@pytest.mark.parametrize(("ended_ms", "state", "minute"), [(None, "began", 40), (1_795_196_460_000, "ended", 41)])
def test_a_notice_validates_when_it_begins_and_when_it_ends(ended_ms, state, minute):
    payload = json.loads(encode_notice(msgspec.structs.replace(BEGAN, ended_ms=ended_ms), "ward-3"))
    SCHEMA.validate(payload)
    assert (payload["schema"], payload["state"]) == ("radarecg.notice/1", state)
    assert (payload["t"], payload["began"]) == (f"2026-11-20T17:{minute}:00.000000Z", "2026-11-20T17:40:00.000000Z")


@pytest.mark.parametrize(
    "wrong",
    [{"device": "Mrs Smith"}, {"hub": "Ward 3"}, {"kind": "alarm"}, {"state": "open"}, {"id": "1"}, {"t": "17:40"}],
)
def test_an_invalid_notice_fails_schema_and_struct(wrong):
    payload = json.loads(encode_notice(BEGAN, "ward-3")) | wrong
    assert not SCHEMA.is_valid(payload)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(payload, NoticePayload)
