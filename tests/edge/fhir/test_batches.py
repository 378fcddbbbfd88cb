"""Batches at a server's base URL: requests, and what becomes of each entry; devices; and filled periods."""

import json

import pytest
from fhir.resources import bundle as r5
from fhir.resources.R4B import bundle as r4b

from edge.fhir.failures import RefusedError, UnavailableError
from edge.fhir.server import BATCH_SIZE, FhirServer
from tests.helpers.fhir import FHIR, Answer, running_server
from tests.helpers.hub_messages import ECG, INFO, MOVING, VALID, at, records_of

RECORDS = [*records_of(VALID), *records_of(ECG)]


def server_at(url: str) -> FhirServer:
    return FhirServer(url, lambda: None, None)


def value(resource: dict):
    return resource.get("valueQuantity", {}).get("value")


def test_many_resources_are_one_request():
    with running_server() as server:
        store = server_at(server.base)
        assert (store.batch_size, store.kinds) == (BATCH_SIZE, None)
        assert store.store([*RECORDS, *records_of(INFO)]) == [None] * 7
        (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/fhir")
    for model in (r4b.Bundle, r5.Bundle):
        model.model_validate(
            {**request.resource, "entry": [entry | {"resource": None} for entry in request.resource["entry"]]}
        )
    requests = [entry["request"] for entry in request.resource["entry"]]
    assert requests[0] == {
        "method": "POST",
        "url": "Observation",
        "ifNoneExist": "identifier=urn:radarecg:message|radar-0001/5f0c6a9e/7",
    }
    assert requests[3] == {"method": "PUT", "url": "Device?identifier=urn:radarecg:device%7Cradar-0001"}
    assert len(server.stored) == 3
    assert [kind for kind, _ in server.resources][3:] == ["Device", *["DeviceMetric"] * 3]


def test_one_resource_needs_no_batch():
    with running_server() as server:
        store = server_at(server.base + "/")
        assert store.store(RECORDS[:1]) == [None]
        assert store.store(records_of(INFO)[:1]) == [None]
        create, update = server.requests
    assert (create.method, create.path) == ("POST", "/fhir/Observation")
    assert create.headers["If-None-Exist"] == "identifier=urn:radarecg:message|radar-0001/5f0c6a9e/7"
    assert (update.method, update.path) == ("PUT", "/fhir/Device?identifier=urn:radarecg:device%7Cradar-0001")


def test_the_url_of_observation_takes_observations_one_by_one():
    store = server_at("http://fhir.example/a/Observation")
    assert (store.batch_size, store.kinds) == (1, {"Observation"})


def test_a_refused_entry_does_not_concern_the_others():
    with running_server() as server:
        server.refuse = lambda resource: 422 if "component" in resource else None
        *stored, refused = server_at(server.base).store(RECORDS)
    assert stored == [None, None]
    assert isinstance(refused, RefusedError)
    assert (refused.status, refused.answer) == ("422 Unprocessable Entity", '{"resourceType": "OperationOutcome"}')
    assert len(server.stored) == 2


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_an_entry_that_fails_is_to_be_tried_again(status):
    with running_server() as server:
        server.refuse = lambda resource: status if "component" in resource else None
        *_, failed = server_at(server.base).store(RECORDS)
    assert isinstance(failed, UnavailableError)
    assert failed.code == status


def batch_response(entries) -> Answer:
    return Answer(200, FHIR, json.dumps({"resourceType": "Bundle", "entry": entries}).encode())


@pytest.mark.parametrize("entries", [None, {}, [], [{}] * 2, [{"response": {"status": "201"}}] * 4])
def test_a_batch_without_a_response_for_each_entry_stores_nothing(entries):
    with (
        running_server(batch_response(entries)) as server,
        pytest.raises(UnavailableError, match="with a response for each entry"),
    ):
        server_at(server.base).store(RECORDS)


@pytest.mark.parametrize(
    "entries",
    [
        [{}] * 3,
        [{"response": {"status": "202 Accepted"}}, {"response": {}}, {"response": 7}],
        [{"response": {"status": "abc"}}, 5, {"response": {"status": None}}],
    ],
)
def test_only_an_entry_with_201_or_200_is_stored(entries):
    with running_server(batch_response(entries)) as server:
        outcomes = server_at(server.base).store(RECORDS)
    assert [type(outcome) for outcome in outcomes] == [UnavailableError] * 3


@pytest.mark.parametrize(("status", "kind"), [(400, RefusedError), (503, UnavailableError), (404, UnavailableError)])
def test_a_batch_can_fail_as_a_whole(status, kind):
    with running_server(status) as server, pytest.raises(kind, match=str(status)):
        server_at(server.base).store(RECORDS)


@pytest.mark.parametrize("is_batch", [True, False])
def test_a_value_fills_a_period_without_one_and_replaces_none(is_batch):
    def store_all(*payloads):
        records = [record for payload in payloads for record in records_of(payload, every_s=60)]
        store = server_at(server.base if is_batch else server.url)
        for group in [records] if is_batch else [[record] for record in records]:
            assert store.store(group) == [None] * len(group)
        return [value(resource) for resource in server.stored]

    with running_server() as server:
        assert store_all(at(MOVING, 1)) == [None, None]
        assert store_all(at(VALID, 2, 66.0)) == [66.0, 15.0]
        assert store_all(at(VALID, 3, 77.0)) == [66.0, 15.0]
        assert store_all(at(MOVING, 4)) == [66.0, 15.0]
        assert set(server.writes.values()) == {2}


@pytest.mark.parametrize("status", [403, 405, 501, 412])
def test_a_server_that_does_not_update_refuses(status):
    with running_server() as server:
        store = server_at(server.base)
        store.store(records_of(MOVING, every_s=60))
        server.script([Answer(200, {"Location": "Observation/1"}), status])
        (outcome,) = store.store(records_of(VALID, every_s=60)[:1])
    assert isinstance(outcome, RefusedError)
    assert outcome.status.startswith(str(status))
