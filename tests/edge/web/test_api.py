"""The API over real HTTP: every answer validates against its OpenAPI document; impossible requests get a reason."""

import csv
import http.client
import io
import json
import math
import sys
from contextlib import contextmanager

import edfio
import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from edge.history.records import Event, Second
from edge.history.store import HistoryStore
from edge.web.messages import Hello
from edge.web.openapi import openapi
from edge.web.page import LivePage
from tests.helpers.history import NOON, fill, vitals

FIRST, SECONDS = NOON - 600, 4200


@contextmanager
def serving(history, token=None):
    page = LivePage("127.0.0.1", 0, token, Hello("radar-0001", "1.2.3", True), history=history)
    try:
        yield page.port
    finally:
        page.close()


def of_second(second: int):
    """A minute of movement in every ten; some seconds have flags."""
    k = second - FIRST
    return vitals(second, None if k % 600 < 60 else 60 + k % 60 / 4, flags=("frame_loss",) if k % 600 >= 570 else ())


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    path = tmp_path_factory.mktemp("history") / "history.sqlite"
    fill(path, FIRST, SECONDS, each=of_second)
    fill(path, NOON, 20, ecg=True)
    store = HistoryStore(path)
    store.write([], [Event(NOON * 1000, "device_started"), Event(NOON * 1000 + 500, "flag_began", "low_snr")], [])
    store.close()
    with serving(path) as port:
        yield port


def get(port: int, path: str, **headers: str):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def answer(port: int, path: str, status: int = 200) -> dict:
    """The JSON of an answer, validated against the document."""
    found, headers, content = get(port, path)
    assert found == status, content
    assert headers["Content-Type"] == "application/json"
    document = openapi()
    schema = document["paths"][path.partition("?")[0]]["get"]["responses"][str(status)]["content"]["application/json"]
    value = json.loads(content)
    jsonschema.Draft202012Validator({**schema["schema"], "components": document["components"]}).validate(value)
    return value


def test_the_document_is_valid_and_served(port):
    status, _, content = get(port, "/api/v1/openapi.json")
    assert status == 200
    assert json.loads(content) == json.loads(json.dumps(openapi()))
    OpenAPIV31SpecValidator(openapi()).validate()


def test_minutes_of_a_range(port):
    found = answer(port, f"/api/v1/vitals?from={NOON - 600}&to={NOON}&resolution=60")
    assert found["t_s"] == list(range(NOON - 600, NOON, 60))
    assert (found["from_s"], found["to_s"], found["resolution_s"]) == (NOON - 600, NOON, 60)
    mean = 60 + sum(k / 4 for k in range(60)) / 60
    assert found["heart_rate_bpm"] == [None] + [pytest.approx(mean, abs=0.005)] * 9  # rounded to a hundredth
    assert found["ci95_low_bpm"][1:] == [pytest.approx(mean - 2, abs=0.005)] * 9
    assert found["valid"] == [0] + [1] * 9
    assert found["moving"] == [1] + [0] * 9
    assert found["present"] == found["recorded"] == [1] * 10
    assert found["irregular"] == [None] + [0] * 9
    assert found["flags"] == [["body_movement"]] + [[]] * 8 + [["frame_loss"]]


def test_seconds_of_a_range_include_its_start_and_not_its_end(port):
    found = answer(port, f"/api/v1/vitals?from={NOON + 100}&to={NOON + 103}")
    assert found["resolution_s"] == 1
    assert found["t_s"] == [NOON + 100, NOON + 101, NOON + 102]
    assert answer(port, f"/api/v1/vitals?from={NOON + 100.5}&to={NOON + 101.5}")["t_s"] == [NOON + 100, NOON + 101]


@pytest.mark.parametrize(("span_s", "resolution_s"), [(2000, 1), (2001, 60), (120_000, 60), (120_001, 3600)])
def test_the_default_resolution_gives_at_most_two_thousand_rows(port, span_s, resolution_s):
    assert answer(port, f"/api/v1/vitals?from={NOON}&to={NOON + span_s}")["resolution_s"] == resolution_s


def test_hours_count_what_was_not_recorded(port):
    found = answer(port, f"/api/v1/vitals?from={NOON - 3600}&to={NOON + 7200}&resolution=3600")
    assert found["t_s"] == [NOON - 3600, NOON]
    assert found["recorded"] == [pytest.approx(600 / 3600, abs=0.0005), 1]


def test_minutes_replace_seconds_that_have_expired(tmp_path):
    path = tmp_path / "history.sqlite"
    fill(path, NOON, 120)
    store = HistoryStore(path)
    with store.transaction() as db:
        db.execute("DELETE FROM seconds")
    store.close()
    with serving(path) as port:
        assert answer(port, f"/api/v1/vitals?from={NOON}&to={NOON + 120}")["resolution_s"] == 60
        assert answer(port, f"/api/v1/vitals?from={NOON}&to={NOON + 120}&resolution=1")["t_s"] == []


def test_times_may_be_rfc_3339(port):
    query = "from=2026-11-28T12:00:00Z&to=2026-11-28T13:00:02%2B01:00"
    assert answer(port, f"/api/v1/vitals?{query}")["t_s"] == [NOON, NOON + 1]
    assert answer(port, f"/api/v1/vitals?{query.replace('%2B', '+')}")["t_s"] == [NOON, NOON + 1]


def test_events_of_a_range(port):
    assert answer(port, f"/api/v1/events?from={NOON}&to={NOON + 1}") == {
        "events": [
            {"t_s": NOON, "kind": "device_started", "flag": None},
            {"t_s": NOON + 0.5, "kind": "flag_began", "flag": "low_snr"},
        ]
    }
    assert answer(port, f"/api/v1/events?from={NOON + 1}&to={NOON + 2}") == {"events": []}


def test_too_many_events_are_refused(port, monkeypatch):
    monkeypatch.setattr("edge.web.api.MAX_EVENTS", 1)
    assert "shorter range" in answer(port, f"/api/v1/events?from={NOON}&to={NOON + 1}", 400)["error"]


def test_the_ecg_of_a_range(port):
    found = answer(port, f"/api/v1/ecg?from={NOON + 1}&to={NOON + 2}")
    assert found["rate_hz"] == 200
    (block,) = found["blocks"]
    assert block["t_s"] == NOON + 1
    assert block["samples"] == [None] * 5 + list(range(5, 200))
    assert block["r_peaks_s"] == [pytest.approx(NOON + 1 + 50.25 / 200, abs=1e-4)]
    assert (block["continues"], block["personalised"]) == (True, False)


def test_ecg_that_is_not_stored_has_a_reason(port):
    assert "no ECG is stored for this time" in answer(port, f"/api/v1/ecg?from={NOON - 60}&to={NOON}", 404)["error"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/api/v1/vitals?from=200&to=100", "from must be before to"),
        ("/api/v1/vitals?from=100&to=100", "from must be before to"),
        ("/api/v1/vitals?from=x", "from: must be Unix seconds, or RFC 3339"),
        ("/api/v1/vitals?to=2026-11-28T12:00:00", "has no time zone"),
        ("/api/v1/vitals?from=nan", "from: nan must be from 0"),
        ("/api/v1/vitals?to=inf", "to: inf must be from 0"),
        ("/api/v1/vitals?from=-1", "from: -1 must be from 0"),
        ("/api/v1/vitals?to=1e300", "must be from 0"),
        ("/api/v1/vitals?resolution=2", "must be 1, 60 or 3600"),
        ("/api/v1/vitals?resolution=", "must be 1, 60 or 3600"),
        ("/api/v1/vitals?from=0&to=20000&resolution=1", "more than 10000 rows"),
        ("/api/v1/vitals?from=0&to=4000000000", "more than 10000 rows"),
        ("/api/v1/vitals?start=5", "unknown parameter 'start'"),
        ("/api/v1/events?resolution=60", "unknown parameter 'resolution'"),
        ("/api/v1/ecg?from=0&to=601", "at most 600 s"),
        ("/api/v1/export.edf?from=0&to=30000", "at most 21600 s"),
        ("/api/v1/export.csv?from=5&to=4", "from must be before to"),
    ],
)
def test_an_impossible_request_gets_a_reason(port, path, reason):
    assert reason in answer(port, path, 400)["error"]


@pytest.mark.parametrize("name", ["vitals", "events", "ecg", "export.csv", "export.edf"])
def test_without_a_history_the_reason_is_given(tmp_path, name):
    with serving(None) as port:
        assert "no table [history]" in answer(port, f"/api/v1/{name}", 404)["error"]
    with serving(tmp_path / "none.sqlite") as port:
        assert "there is no history yet" in answer(port, f"/api/v1/{name}", 503)["error"]
    (tmp_path / "damaged.sqlite").write_bytes(b"x" * 10_000)
    with serving(tmp_path / "damaged.sqlite") as port:
        assert "cannot be read" in answer(port, f"/api/v1/{name}", 503)["error"]


def test_the_token_of_the_page_protects_the_history(tmp_path):
    fill(tmp_path / "history.sqlite", NOON, 2)
    token = "a-token-nobody-could-guess"
    with serving(tmp_path / "history.sqlite", token) as port:
        for name in ("vitals", "events", "ecg", "export.csv", "export.edf", "openapi.json"):
            assert get(port, f"/api/v1/{name}")[0] == 401
        path = f"/api/v1/vitals?from={NOON}&to={NOON + 2}"
        assert get(port, path, Authorization=f"Bearer {token}")[0] == 200
        assert get(port, path, Authorization="Bearer wrong")[0] == 401


def test_the_table_has_units_and_its_purpose(port):
    status, headers, content = get(port, f"/api/v1/export.csv?from={FIRST}&to={FIRST + SECONDS}&resolution=1")
    assert status == 200
    assert headers["Content-Type"].startswith("text/csv")
    assert headers["Content-Disposition"] == f'attachment; filename="radarecg-{FIRST}-{FIRST + SECONDS}.csv"'
    lines = content.decode().splitlines()
    assert "Research use only" in lines[0]
    rows = list(csv.DictReader(lines[1:]))
    assert [int(row["unix_s"]) for row in rows] == list(range(FIRST, FIRST + SECONDS))
    assert rows[0]["heart_rate_per_min"] == ""
    assert rows[0]["flags"] == "body_movement"
    assert [float(row["heart_rate_per_min"]) for row in rows[60:120]] == [60 + k / 4 for k in range(60)]
    assert rows[600]["time_utc"] == "2026-11-28T12:00:00Z"
    assert not any(math.isnan(float(row["recorded_fraction"])) for row in rows)


def test_the_ecg_as_edf_has_samples_peaks_and_gaps(port):
    status, headers, content = get(port, f"/api/v1/export.edf?from={NOON}&to={NOON + 20}")
    assert (status, headers["Content-Type"]) == (200, "application/edf")
    edf = edfio.read_edf(io.BytesIO(content))
    (signal,) = edf.signals
    assert signal.sampling_frequency == 200
    assert signal.data[:200].tolist() == [0.0] * 5 + list(range(5, 200))
    assert "shape only" in signal.transducer_type
    assert "research" in " ".join(edf.recording.additional)
    assert (str(edf.startdate), str(edf.starttime)) == ("2026-11-28", "12:00:00")
    peaks = [note.onset for note in edf.annotations if note.text == "R peak"]
    assert peaks == pytest.approx([k + 50.25 / 200 for k in range(20)], abs=1e-3)
    gaps = [(note.onset, note.duration) for note in edf.annotations if note.text == "unknown"]
    assert gaps == [(k, pytest.approx(5 / 200, abs=1e-9)) for k in range(20)]


def test_edf_without_its_library_or_without_ecg_has_a_reason(port, monkeypatch):
    assert "no ECG" in answer(port, f"/api/v1/export.edf?from={NOON - 60}&to={NOON}", 404)["error"]
    monkeypatch.setitem(sys.modules, "edfio", None)
    assert "edfio" in answer(port, f"/api/v1/export.edf?from={NOON}&to={NOON + 20}", 404)["error"]


def test_a_history_is_read_while_it_is_written(tmp_path):
    path = tmp_path / "history.sqlite"
    store = HistoryStore(path)
    with serving(path) as port:
        for k in range(5):
            store.write([Second(NOON + k, vitals(NOON + k))], [], [])
            assert answer(port, f"/api/v1/vitals?from={NOON}&to={NOON + 10}")["t_s"] == [NOON + j for j in range(k + 1)]
    store.close()
