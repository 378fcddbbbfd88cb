"""Two bridges share the work against a server that fails in every way: nothing is lost, nothing is there twice."""

import itertools
import json
import threading

import msgspec
import pytest

from edge.fhir.folder import FolderStore
from edge.fhir.forwarder import MAX_TRIES
from edge.fhir.inbox import BACKFILL
from edge.fhir.server import FhirServer
from edge.mqtt import payloads as p
from tests.helpers.bridges import publish, running_bridge
from tests.helpers.brokers import broker_process, free_port, running_broker
from tests.helpers.fhir import Answer, running_server
from tests.helpers.hub_messages import ECG_TOPIC, INFO, INFO_TOPIC, MOVING, TOPIC, VALID, at, ecg_message, message
from tests.helpers.publishing import wait

BACKFILL_TOPIC = BACKFILL[0].name("radar-0001")


def server_at(url: str) -> FhirServer:
    return FhirServer(url, lambda: None, None)


def numbers(resources) -> list[int]:
    """Return the numbers of the messages of these Observations."""
    return [int(resource["identifier"][0]["value"].split("/")[2]) for resource in resources]


def vitals(*messages: p.VitalsPayload, topic: str = TOPIC) -> list[tuple[str, bytes]]:
    return [(topic, p.encode(vitals)) for vitals in messages]


def rates(server) -> dict[str, float | None]:
    """Return the heart rate of each period on the server."""
    found = {resource["identifier"][0]["value"]: resource for resource in server.stored}
    return {
        name.split("/")[1]: resource.get("valueQuantity", {}).get("value")
        for name, resource in found.items()
        if name.endswith("heart-rate")
    }


def test_two_bridges_share_the_work(mosquitto_port, tmp_path):
    with running_server() as first, running_server() as second:
        with (
            running_bridge(tmp_path / "a", mosquitto_port, server_at(first.url)),
            running_bridge(tmp_path / "b", mosquitto_port, server_at(second.base)),
        ):
            publish(mosquitto_port, *((ECG_TOPIC, ecg_message(seq)) for seq in range(40)))
            wait(lambda: len(first.stored) + len(second.stored) == 40)
        shares = numbers(first.stored), numbers(second.stored)
    assert sorted(itertools.chain(*shares)) == list(range(40))
    assert [len(share) for share in shares] == [20, 20]
    assert [share == sorted(share) for share in shares] == [True, True]  # each keeps the order of the device


def test_without_shared_subscriptions_both_bridges_store_the_same(tmp_path):
    with running_broker("amqtt", tmp_path) as port:
        store = FolderStore(str(tmp_path / "out"))
        with (
            running_bridge(tmp_path / "a", port, store) as first,
            running_bridge(tmp_path / "b", port, store) as second,
        ):
            publish(port, *((TOPIC, message(seq)) for seq in range(5)))
            wait(lambda: len(list(tmp_path.glob("out/*/*/*.json"))) == 10)
            wait(lambda: first.count().messages == second.count().messages == 0)


def test_a_bridge_alone_receives_what_was_sent_after_a_restart_of_the_broker(tmp_path):
    """A stopped mosquitto stores ordinary subscriptions only."""
    port, folder = free_port(), tmp_path / "broker"
    folder.mkdir()
    settings = f"allow_anonymous true\npersistence true\npersistence_location {folder}/\n"
    store = FolderStore(str(tmp_path / "out"))
    with broker_process("mosquitto", folder, port, settings) as broker:
        with running_bridge(tmp_path / "a", port, store, shared=False):
            pass
        broker.terminate()
        broker.wait(60)
    with broker_process("mosquitto", folder, port, settings):
        publish(port, *((TOPIC, message(seq)) for seq in range(5)))
        with running_bridge(tmp_path / "a", port, store, shared=False) as spool:
            wait(lambda: len(list(tmp_path.glob("out/*/*/*.json"))) == 10)
            wait(lambda: spool.count().messages == 0)


LOST = Answer(0, is_processed=True)  # the resource is stored, but the answer is lost
PORTAL = Answer(302, {"Location": "http://127.0.0.1:1/login"})
FAULTS = {
    "redirects": [PORTAL] * 3,
    "404 for a while": [404] * 4 * MAX_TRIES,  # each bridge tries more often than for a fault of one resource
    "429 with Retry-After": [Answer(429, {"Retry-After": "0"})] * 3,
    "503 for a while": [503] * 4 * MAX_TRIES,
    "413": [413] * 3,
    "500": [500] * 3,
    "no answer, but stored": [LOST] * 3,
    "no answer": [Answer(0)] * 3,
    "a page instead of FHIR": [Answer(200, {"Content-Type": "text/html"}, b"<p>Welcome</p>")] * 3,
    "one after the other": [PORTAL, 404, Answer(429, {"Retry-After": "0"}), 503, LOST, 500, 413, Answer(0), LOST],
}


@pytest.mark.parametrize(
    ("fault", "is_batch", "is_shared"),
    [
        *((fault, True, True) for fault in FAULTS),
        ("one after the other", False, True),
        ("one after the other", True, False),  # each bridge sends everything
    ],
)
def test_faults_lose_and_double_nothing(mosquitto_port, tmp_path, fault, is_batch, is_shared):
    with running_server(*FAULTS[fault]) as server:
        stores = [server_at(server.base if is_batch else server.url) for _ in range(2)]
        with (
            running_bridge(tmp_path / "a", mosquitto_port, stores[0], shared=is_shared) as first,
            running_bridge(tmp_path / "b", mosquitto_port, stores[1], shared=is_shared) as second,
        ):
            publish(mosquitto_port, *((ECG_TOPIC, ecg_message(seq)) for seq in range(20)))
            wait(lambda: len(server.stored) == 20)
            wait(lambda: first.count().messages == second.count().messages == 0)
        assert next(server.answers, None) is None  # every fault happened
        assert sorted(numbers(server.stored)) == list(range(20))
        assert set(server.writes.values()) == {1}
        assert {request.method for request in server.requests} == {"POST"}
    assert not list(tmp_path.glob("*/dead/*"))


def test_a_server_that_times_out_and_restarts(mosquitto_port, tmp_path, monkeypatch):
    monkeypatch.setattr("edge.core.http_client.REQUEST_TIMEOUT_S", 0.2)
    hanging, ended = threading.Event(), threading.Event()

    def hang(resource) -> None:
        hanging.set()
        ended.wait(60)

    with running_server() as server:
        server.refuse = hang
        stores, port = [server_at(server.base) for _ in range(2)], server.server_port
        with (
            running_bridge(tmp_path / "a", mosquitto_port, stores[0]) as first,
            running_bridge(tmp_path / "b", mosquitto_port, stores[1]) as second,
        ):
            publish(mosquitto_port, *((ECG_TOPIC, ecg_message(seq)) for seq in range(20)))
            assert hanging.wait(60)
            wait(lambda: len(server.requests) > 2)  # a request timed out, and was sent again
            server.shutdown()
            server.server_close()
            ended.set()
            monkeypatch.setattr("edge.core.http_client.REQUEST_TIMEOUT_S", 60.0)
            with running_server(port=port, resources=server.resources) as restarted:
                wait(lambda: first.count().messages == second.count().messages == 0)
                assert sorted(numbers(restarted.stored)) == list(range(20))
                assert set((server.writes + restarted.writes).values()) == {1}


def test_a_period_shared_by_two_bridges_is_stored_once_and_has_a_value(mosquitto_port, tmp_path):
    """One bridge receives the valid messages, the other the invalid ones."""
    with running_server() as server:
        with (
            running_bridge(tmp_path / "a", mosquitto_port, server_at(server.base), 60) as first,
            running_bridge(tmp_path / "b", mosquitto_port, server_at(server.base), 60) as second,
        ):
            alternating = [at(VALID if k % 2 else MOVING, k, 60.0 + k % 10 if k % 2 else None) for k in range(124)]
            publish(mosquitto_port, *vitals(*alternating))
            wait(lambda: len(rates(server)) >= 2 and None not in list(rates(server).values())[:2])
            wait(lambda: first.count().messages + second.count().messages <= 4)  # those of the period that is open
        assert set(rates(server)) >= {"2026-11-20T17:40:00Z", "2026-11-20T17:41:00Z"}
        assert len(server.stored) == len({json.dumps(resource["identifier"]) for resource in server.stored})


@pytest.mark.parametrize("is_shared", [True, False])
def test_faults_while_a_period_gets_its_value(mosquitto_port, tmp_path, is_shared):
    """Its value comes later, as an update: it is there in the end, whichever request failed or was sent twice."""
    with running_server() as server:
        stores = [server_at(server.base) for _ in range(2)]
        with (
            running_bridge(tmp_path / "a", mosquitto_port, stores[0], 60, shared=is_shared) as first,
            running_bridge(tmp_path / "b", mosquitto_port, stores[1], 60, shared=is_shared) as second,
        ):
            publish(mosquitto_port, *vitals(*(at(MOVING, second) for second in (50, 51, 110, 111, 170, 171))))
            wait(lambda: list(rates(server).values()) == [None, None])
            wait(lambda: first.count().messages == second.count().messages == 1)  # of the third period, which is open
            server.script(FAULTS["one after the other"] * 2)
            publish(mosquitto_port, *vitals(at(VALID, 20, 66.0), at(VALID, 80, 67.0), topic=BACKFILL_TOPIC))
            wait(lambda: list(rates(server).values()) == [66.0, 67.0])
            wait(lambda: first.count().messages == second.count().messages == 1)
        assert next(server.answers, None) is None
        assert len(server.stored) == len({json.dumps(resource["identifier"]) for resource in server.stored})
    assert not list(tmp_path.glob("*/dead/*"))


def test_late_backfill_joins_its_period(mosquitto_port, tmp_path):
    with running_server() as server:
        with running_bridge(tmp_path / "a", mosquitto_port, server_at(server.base), 60) as spool:
            publish(mosquitto_port, *vitals(at(MOVING, 50), at(VALID, 61, 70.0)))
            wait(lambda: rates(server) == {"2026-11-20T17:40:00Z": None})
            late = [at(VALID, 20, 66.0), at(VALID, 21, 67.0), at(VALID, -1, 59.0)]
            publish(mosquitto_port, *vitals(*late, topic=BACKFILL_TOPIC))
            wait(lambda: len(rates(server)) == 2 and None not in rates(server).values())
            wait(lambda: spool.count().messages == 1)
        assert rates(server) == {"2026-11-20T17:40:00Z": 67.0, "2026-11-20T17:39:00Z": 59.0}


def test_a_killed_bridge_continues_its_period(mosquitto_port, tmp_path):
    """Its messages are in the spool: the second bridge with it has what the first received."""
    with running_server() as server:
        with running_bridge(tmp_path / "a", mosquitto_port, server_at(server.base), 60, quiet_s=3600.0) as spool:
            publish(mosquitto_port, *vitals(at(VALID, 10, 66.0), at(MOVING, 11)))
            wait(lambda: spool.count().messages == 1)
        assert server.stored == []
        with running_bridge(tmp_path / "a", mosquitto_port, server_at(server.base), 60):
            publish(mosquitto_port, *vitals(at(MOVING, 59), at(MOVING, 60)))
            wait(lambda: rates(server) == {"2026-11-20T17:40:00Z": 66.0})


def test_a_device_is_on_the_server_once_for_both_bridges(mosquitto_port, tmp_path):
    with running_server() as server:
        publish(mosquitto_port, (INFO_TOPIC, p.encode(INFO)), retain=True)
        stores = [server_at(server.base) for _ in range(2)]
        with (
            running_bridge(tmp_path / "a", mosquitto_port, stores[0]),
            running_bridge(tmp_path / "b", mosquitto_port, stores[1]),
        ):
            wait(lambda: sum(server.writes.values()) == 8)  # each of the four by each bridge
            changed = msgspec.structs.replace(INFO, version="0.9.1")
            publish(mosquitto_port, (INFO_TOPIC, p.encode(changed)), retain=True)
            wait(lambda: sum(server.writes.values()) == 16)
        kinds = [kind for kind, _ in server.resources]
        assert kinds == ["Device", *["DeviceMetric"] * 3]
        device = next(iter(server.resources.values()))
        assert device["version"][0]["value"] == "0.9.1"
