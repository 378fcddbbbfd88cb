"""What comes over networks to hub and page: MQTT messages, HTTP requests, a FHIR server's answers."""

import json
import re
import socket
import threading
from contextlib import contextmanager

import pytest
from hypothesis import given
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

from edge.fhir.failures import RefusedError, UnavailableError
from edge.fhir.server import BATCH_SIZE, FhirServer
from edge.mqtt import payloads as p
from edge.mqtt.broker import Broker, paho_client
from tests.helpers.bridges import Bench, StandInStore
from tests.helpers.fuzz import budget, damaged
from tests.helpers.hub_messages import ECG, MOVING, TOPIC, VALID, records_of
from tests.helpers.web import get, live_page, vitals

TOKEN = "a-token-nobody-could-guess"


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Bench(tmp_path_factory.mktemp("bridge"), 0, StandInStore(BATCH_SIZE))
    yield bench
    bench.spool.close()


@budget
@given(damaged(*(p.encode(payload) for payload in (VALID, MOVING, ECG))))
def test_a_message_becomes_a_safe_observation_or_a_dead_letter(bench, payload):
    counts = (bench.forwarder.refused, bench.inbox.skipped)
    before = sum(count.total() for count in counts)
    bench.spool.append(TOPIC, payload)
    assert bench.forward() == 0
    assert bench.waiting == 0
    resources = [record.resource for record in bench.store.stored]
    assert len(resources) in (1, 2) or sum(count.total() for count in counts) == before + 1
    for resource in resources:
        device, boot, seq, *_ = resource["identifier"][0]["value"].split("/")
        assert (device, re.fullmatch("[0-9a-f]{8}", boot) is not None, len(seq) <= 16) == ("radar-0001", True, True)
        text = json.dumps(resource)
        assert "<" not in text
        assert "&" not in text
        assert re.match("20[2-9]", resource.get("effectiveDateTime") or resource["effectivePeriod"]["start"])
    bench.store.stored.clear()


@pytest.fixture(scope="module")
def page():
    with live_page(TOKEN) as page:
        page.vitals(vitals())
        yield page


REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /events?token=wrong HTTP/1.1\r\nHost: localhost\r\nCookie: radarecg=0; a=b\r\n\r\n",
    b"POST /healthz HTTP/1.0\r\nContent-Length: 3\r\nAuthorization: Bearer x\r\n\r\nabc",
    b"GET /page.js HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
]


@budget
@given(damaged(*REQUESTS))
def test_a_request_without_the_token_learns_nothing_and_breaks_nothing(page, sent):
    with socket.create_connection(("127.0.0.1", page.port), timeout=60) as client:
        received = b""
        try:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            while part := client.recv(65536):
                received += part
        except ConnectionError:  # the server closed before it had read everything
            pass
    assert received == b"" or received[9:12] in (b"400", b"401", b"404", b"405", b"200", b"503")
    if received[9:12] == b"200":
        assert received.endswith((b"ok\n", b"\r\n\r\n"))  # the health check; HEAD has no content
    assert get(page.port, "/healthz")[0] in (200, 503)


@contextmanager
def answering(answer: bytes):
    """A server that reads one request and sends these bytes; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(1 << 16)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/Observation"
        thread.join()


ANSWERS = [
    b"HTTP/1.1 201 Created\r\nLocation: Observation/1\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 422 Unprocessable\r\nContent-Length: 30\r\n\r\n{'resourceType':'OperationOutcome'}",
    b"HTTP/1.1 429 Too Many\r\nRetry-After: Fri, 27 Nov 2026 17:40:00 GMT\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
]


@budget
@given(damaged(*ANSWERS))
def test_an_answer_confirms_only_what_it_says_and_else_is_a_known_failure(answer):
    with answering(answer) as url:
        (failure,) = FhirServer(url, lambda: None, None).store(records_of(VALID)[:1])
    if isinstance(failure, RefusedError):
        assert failure.status[:3] in ("400", "409", "412", "422")
    elif failure:
        assert failure.retry_after_s >= 0
    else:
        assert re.match(rb"HTTP/\S* +20[01]", answer)


BATCH_ANSWER = json.dumps(
    {
        "resourceType": "Bundle",
        "entry": [
            {"response": {"status": "201 Created", "location": "Observation/1"}, "resource": {"valueQuantity": {}}},
            {"response": {"status": "422", "outcome": {"resourceType": "OperationOutcome"}}},
        ],
    }
).encode()


@budget
@given(damaged(BATCH_ANSWER))
def test_a_batchs_answer_stores_only_what_it_confirms(body):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    with answering(head + body) as url:
        try:
            outcomes = FhirServer(url.removesuffix("/Observation"), lambda: None, None).store(records_of(VALID))
        except UnavailableError:
            return
    assert len(outcomes) == 2
    assert outcomes.count(None) <= body.count(b"201") + body.count(b"200")


PACKETS = [
    b"\x20\x03\x00\x00\x00" + b"\x40\x02\x00\x01" + b"\xd0\x00" + b"\xe0\x00",
    b"\x20\x16\x00\x00\x13\x21\x00\x0a\x27\x00\x01\x00\x00\x22\x00\x0a\x13\x00\x3c\x1f\x00\x01x\x2a\x01",
    b"\x20\x03\x00\x00\x00" + b"\x32\x0b\x00\x04a/bc\x00\x07\x00{}" + b"\x62\x02\x00\x07",
    b"\x20\x03\x00\x00\x00" + b"\x40\x0a\x00\x01\x97\x06\x1f\x00\x03xyz" + b"\x90\x05\x00\x02\x00\x01\x80",
]


@budget
@given(damaged(*PACKETS))
def test_packets_of_a_broker_end_the_connection_and_raise_nothing(sent):
    client = paho_client(Broker(), MQTTProtocolVersion.MQTTv5)
    ends = []
    client.on_disconnect = lambda *_: ends.append(True)
    client._sock, broker = socket.socketpair()
    client._sock.setblocking(False)
    with broker:
        broker.sendall(sent)
        broker.shutdown(socket.SHUT_WR)
        while client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            pass
    assert ends == [True]
