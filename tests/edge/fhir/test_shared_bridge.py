"""Retries, refusals and log messages of the bridge; two bridges that share the work."""

import json
import threading
from contextlib import contextmanager

import msgspec
import paho.mqtt.client as paho
import pytest

from edge.fhir.bridge import BACKFILL, BATCH_SIZE, LIVE, MAX_TRIES, Forwarder, folder_store, run_bridge
from edge.fhir.dead_letters import DeadLetters
from edge.fhir.observation import observation
from edge.fhir.server import FhirServer, RefusedError, UnavailableError
from edge.mqtt import payloads as p
from edge.mqtt.broker import Broker
from edge.mqtt.fields import MAX_PAYLOAD_BYTES
from edge.mqtt.settings import SpoolConfig, open_spool
from edge.mqtt.spool import Spool, SpoolError
from edge.mqtt.subscriber import MAX_HEADER_BYTES, Subscriber
from edge.runtime.hub_config import load_hub_config
from tests.edge.fhir.test_bridge import VALID
from tests.helpers.brokers import ScriptedBroker, running_broker
from tests.helpers.fhir import Answer, running_server
from tests.helpers.publishing import wait

NEVER = threading.Event()
TOPIC = "radarecg/v1/radar-0001/vitals"


def message(seq: int) -> bytes:
    return p.encode(msgspec.structs.replace(VALID, seq=seq))


class Bench:
    """A forwarder with messages 1..count in its spool, and a store that fails for the messages in `failing`."""

    def __init__(self, folder, count: int = 3) -> None:
        self.spool = Spool(folder / "spool.db", 1 << 24)
        for seq in range(1, count + 1):
            self.spool.append(TOPIC, message(seq))
        self.letters = DeadLetters(folder / "dead")
        self.forwarder = Forwarder(self.spool, self.store, self.letters, "R4B")
        self.failing: dict[int, Exception] = {}
        self.tried: list[int] = []

    def store(self, resource) -> None:
        seq = int(resource["identifier"][0]["value"].split("/")[-1])
        self.tried.append(seq)
        if seq in self.failing:
            raise self.failing[seq]

    def forward(self) -> float:
        return self.forwarder.forward(NEVER)

    @property
    def waiting(self) -> int:
        return self.spool.count().messages


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.spool.close()


def test_failed_observations_are_kept_in_order_and_reported_once(bench, caplog):
    bench.failing[1] = UnavailableError("answers 401: give a token that is valid", 401)
    waits = [bench.forward() for _ in range(9)]
    assert bench.tried == [1] * 9
    assert bench.waiting == 3
    assert caplog.text.count("401") == 1
    assert waits == sorted(waits)
    assert waits[-1] == 30  # and no longer
    bench.failing.clear()
    assert bench.forward() == 0
    assert bench.tried[9:] == [1, 2, 3]
    assert bench.waiting == 0


def test_after_a_minute_without_a_fault_it_is_reported_again(bench, caplog, monkeypatch):
    bench.failing[2] = UnavailableError("answers 503", 503)
    bench.forward()
    bench.failing.clear()
    monkeypatch.setattr("edge.fhir.bridge.HEALTHY_S", -1.0)
    caplog.set_level("INFO")
    bench.forward()
    assert "stored again" in caplog.text
    bench.spool.append(TOPIC, message(4))
    bench.failing[4] = UnavailableError("answers 503", 503)
    bench.forward()
    assert caplog.text.count("answers 503") == 2


def test_retry_after_is_respected(bench):
    bench.failing[1] = UnavailableError("answers 429", 429, retry_after_s=120)
    assert bench.forward() == 120


def test_refused_observations_are_saved_counted_and_logged_once_per_status(bench, caplog):
    for seq, status in enumerate(("422 Unprocessable Entity", "422 Unprocessable Entity", "400 Bad Request"), 1):
        bench.failing[seq] = RefusedError(status, '{"resourceType": "OperationOutcome"}')
    assert bench.forward() == 0
    assert bench.waiting == 0
    assert bench.forwarder.refused == {"422 Unprocessable Entity": 2, "400 Bad Request": 1}
    assert (caplog.text.count("422"), caplog.text.count("400")) == (1, 1)
    letters = [json.loads(path.read_text()) for path in sorted(bench.letters.folder.iterdir())]
    assert [letter["resource"]["identifier"][0]["value"].split("/")[-1] for letter in letters] == ["1", "2", "3"]
    assert letters[0]["status"] == "422 Unprocessable Entity"
    assert "OperationOutcome" in letters[0]["answer"]
    assert bench.letters.folder.stat().st_mode & 0o077 == 0


def test_the_number_of_dead_letters_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.fhir.dead_letters.MAX_FILES", 3)
    for _ in range(2):  # a restart between them
        letters = DeadLetters(tmp_path / "dead")
        for number in range(3):
            letters.keep(number, {"n": number})
    assert len(list(letters.folder.iterdir())) == 3
    monkeypatch.setattr("edge.fhir.dead_letters.MAX_BYTES", 2 * len(b'{"n":1}'))
    letters.keep(3, {"n": 3})
    assert [json.loads(path.read_text()) for path in sorted(letters.folder.iterdir())] == [{"n": 2}, {"n": 3}]


def test_a_failing_message_does_not_block_the_others_for_ever(bench):
    bench.failing[1] = UnavailableError("answers 500", 500)
    for _ in range(MAX_TRIES):
        bench.forward()
    assert bench.tried == [1] * MAX_TRIES
    bench.forward()
    assert bench.tried[MAX_TRIES:] == [2, 3]
    bench.forward()
    assert bench.tried[-1] == 1  # retried once, without delaying the others
    bench.spool.append(TOPIC, message(4))
    bench.forward()
    assert bench.tried[-1] == 4
    bench.failing.clear()
    bench.forward()
    assert bench.waiting == 0


def test_a_file_that_can_never_be_written_does_not_block_the_others(tmp_path, caplog):
    """The folder's path is so long that the file of a device with a long name has no valid path."""
    deep = tmp_path
    while len(bytes(deep)) < 4010:
        deep /= "d" * min(200, 4020 - len(bytes(deep)))
    bench = Bench(tmp_path, 0)
    bench.forwarder = Forwarder(bench.spool, folder_store(str(deep)), bench.letters, "R4B")
    for device in ("a" * 64, "b"):
        named = p.encode(msgspec.structs.replace(VALID, device=device))
        bench.spool.append(f"radarecg/v1/{device}/vitals", named)
    assert bench.forward() == 0
    assert bench.waiting == 0
    assert bench.forwarder.refused == {"file cannot exist": 1}
    assert [path.name for path in deep.glob("*/*.json")] == ["5f0c6a9e-7.json"]
    assert "File name too long" in caplog.text
    bench.spool.close()


def test_a_message_that_cannot_even_be_set_aside_does_not_block_the_others(bench, monkeypatch):
    def keep(number, letter) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(bench.letters, "keep", keep)
    bench.failing[1] = RefusedError("422", "")
    for _ in range(MAX_TRIES + 1):
        bench.forward()
    assert bench.tried[-2:] == [2, 3]
    assert bench.waiting == 1


def test_what_is_replayed_is_not_stored_as_a_measurement(bench):
    bench.spool.append(TOPIC, p.encode(msgspec.structs.replace(VALID, seq=4, replayed=True)))
    assert bench.forward() == 0
    assert (bench.tried, bench.waiting) == ([1, 2, 3], 0)
    assert bench.forwarder.refused == {"of a replayed recording": 1}
    assert not bench.letters.folder.exists()


def test_only_the_owner_reads_an_observation(tmp_path):
    folder_store(str(tmp_path / "out"))(observation(VALID, "R4B"))
    (path,) = tmp_path.glob("out/*/*.json")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_stop_is_not_delayed_by_waiting_messages(tmp_path):
    bench, stopping = Bench(tmp_path, BATCH_SIZE), threading.Event()
    bench.forwarder = Forwarder(bench.spool, lambda resource: stopping.set(), bench.letters, "R4B")
    bench.forwarder.forward(stopping)
    assert bench.waiting == BATCH_SIZE - 1
    bench.spool.close()


def test_a_full_disk_is_retried(bench, caplog):
    bench.failing[1] = OSError("No space left on device")
    bench.forward()
    bench.forward()
    assert bench.waiting == 3
    assert caplog.text.count("No space left") == 1


@contextmanager
def bridge(folder, port: int, store):
    """Runs a bridge in a thread; yields its spool once it is connected."""
    folder.mkdir(exist_ok=True)
    stopping, connected = threading.Event(), threading.Event()
    spool, letters = Spool(folder / "spool.db", 1 << 24), DeadLetters(folder / "dead")
    arguments = (Broker(port=port), spool, store, letters, "R4B", stopping)
    thread = threading.Thread(target=run_bridge, args=arguments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge.fhir.bridge.PERIOD_S", 0.02)
        patch.setattr("edge.fhir.bridge._report_connected", lambda *_: connected.set())
        thread.start()
        assert connected.wait(60)
        yield spool
        stopping.set()
        thread.join(60)
    assert not thread.is_alive()


def publish(port: int, seqs: range) -> None:
    device = paho.Client(paho.CallbackAPIVersion.VERSION2)
    device.connect("127.0.0.1", port)
    device.loop_start()
    for info in [device.publish(TOPIC, message(seq), qos=1) for seq in seqs]:
        info.wait_for_publish(60)
    device.disconnect()
    device.loop_stop()


def test_two_bridges_share_the_work(mosquitto_port, tmp_path):
    with running_server() as server:
        stores = [FhirServer(server.url, lambda: None, None).create for _ in range(2)]
        counts = [0, 0]

        def counting(k: int):
            def store(resource) -> None:
                stores[k](resource)
                counts[k] += 1

            return store

        with bridge(tmp_path / "a", mosquitto_port, counting(0)), bridge(tmp_path / "b", mosquitto_port, counting(1)):
            publish(mosquitto_port, range(40))
            wait(lambda: sum(counts) == 40)
        values = [resource["identifier"][0]["value"] for resource in server.stored]
    assert len(set(values)) == len(values) == 40
    assert counts == [20, 20]


def test_without_shared_subscriptions_both_bridges_store_the_same(tmp_path):
    with running_broker("amqtt", tmp_path) as port:
        store = folder_store(str(tmp_path / "out"))
        with bridge(tmp_path / "a", port, store) as first, bridge(tmp_path / "b", port, store) as second:
            publish(port, range(5))
            wait(lambda: len(list(tmp_path.glob("out/*/*.json"))) == 5)
            wait(lambda: first.count().messages == second.count().messages == 0)


def test_a_redirect_loses_nothing(mosquitto_port, tmp_path, caplog):
    with running_server() as server:
        server.answers = [Answer(302, {"Location": server.url}), 503]
        store = FhirServer(server.url, lambda: None, None).create
        with bridge(tmp_path / "a", mosquitto_port, store) as spool:
            publish(mosquitto_port, range(2))
            wait(lambda: len(server.stored) == 4)
            wait(lambda: spool.count().messages == 0)
        assert [request.method for request in server.requests] == ["POST"] * 4
    assert caplog.text.count("redirects are not followed") == 1


def subscriber(broker: ScriptedBroker, name: str = "x") -> Subscriber:
    return Subscriber(Broker(port=broker.port), name, "g", LIVE, "", lambda *_: None)


def test_a_session_expires_with_its_messages(tmp_path):
    with ScriptedBroker() as broker:
        waiting = subscriber(broker)
        wait(lambda: waiting.is_subscribed)
        waiting.close()
        assert broker.connects[0][7] == 0  # no clean start, no will
        assert b"\x11" + (30).to_bytes(4, "big") in broker.connects[0][10:21]
        assert b"\x27" + (MAX_PAYLOAD_BYTES + MAX_HEADER_BYTES).to_bytes(4, "big") in broker.connects[0][10:21]
    assert max(topic.expiry_s for topic in LIVE) == 30
    assert {topic.expiry_s for topic in BACKFILL} == {86_400}


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
def test_a_message_above_the_limit_is_not_passed_on(tmp_path, kind):
    """mosquitto does not send it, amqtt (MQTT 3.1.1) does."""
    received = []
    with running_broker(kind, tmp_path) as port:
        waiting = Subscriber(Broker(port=port), "x", "g", LIVE, "", lambda *message: received.append(message))
        wait(lambda: waiting.is_subscribed)
        device = paho.Client(paho.CallbackAPIVersion.VERSION2)
        device.connect("127.0.0.1", port)
        device.loop_start()
        largest = b"x" * MAX_PAYLOAD_BYTES
        for payload in (largest + 512 * b"x" * 1024, largest, b"last"):
            device.publish(TOPIC, payload, qos=1).wait_for_publish(60)
        wait(lambda: received and received[-1] == (TOPIC, b"last"))
        device.disconnect()
        device.loop_stop()
        waiting.close()
    assert [message for _, message in received] == [largest, b"last"]
    assert waiting.too_large == (kind == "amqtt")


@pytest.mark.parametrize(("connack", "subacks"), [((0, b"\x2a\x00"), (1,)), ((0, b""), (0x9E, 1))])
def test_without_shared_subscriptions_plain_ones_are_used(connack, subacks):
    with ScriptedBroker(connack, subacks=subacks) as broker:
        alone = subscriber(broker)
        wait(lambda: alone.is_subscribed)
        assert broker.subscribed[-1] == ["radarecg/v1/+/vitals", "radarecg/v1/+/ecg"]
        assert not alone.is_shared
        alone.close()


def test_a_subscription_that_is_refused_is_reported(caplog):
    with ScriptedBroker(subacks=(0x87,)) as broker:
        refused = subscriber(broker)
        wait(lambda: "refuses the subscription: Not authorized" in caplog.text)
        assert "give this user the right" in refused.fault
        assert broker.subscribed == [["$share/g/radarecg/v1/+/vitals", "$share/g/radarecg/v1/+/ecg"]]
        assert not refused.is_subscribed
        refused.close()


def test_client_ids_are_stable_and_unique(tmp_path):
    identities = []
    for name in ("a", "b", "a"):
        spool = Spool(tmp_path / name, 1 << 20)
        identities.append(spool.identity)
        spool.close()
    assert identities[0] == identities[2] != identities[1]


def test_run_and_bridge_use_separate_spools(tmp_path):
    (tmp_path / "hub.toml").write_text("[mqtt]\n[spool]\nmax_mb = 5\n")
    hub = load_hub_config(tmp_path / "hub.toml", {})
    assert hub.spool.file != SpoolConfig().file
    assert hub.spool.max_mb == 5
    spool = Spool(tmp_path / hub.spool.file, 1 << 20)
    with pytest.raises(SpoolError, match=r"fhir-spool.db: another process \(run or fhir-bridge\).*set another file"):
        open_spool(hub.spool, tmp_path / "hub.toml")
    spool.close()
