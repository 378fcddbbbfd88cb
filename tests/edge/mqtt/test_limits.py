"""The broker's limits are respected, with mosquitto's settings and a scripted broker."""

import json
from dataclasses import replace

import numpy as np
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.core.types import Waveform
from edge.mqtt.limits import MAX_IN_FLIGHT, Limits, parse_limits
from tests.helpers.brokers import Listener, ScriptedBroker, free_port, running_broker
from tests.helpers.publishing import GOOD, connected, start_publisher, wait

OPEN = "allow_anonymous true\n"
LARGE = replace(GOOD, quality=replace(GOOD.quality, flags=("frame_loss",) * 250))
VITALS, BACKFILL = "radarecg/v1/radar-0001/vitals", "radarecg/v1/radar-0001/backfill/vitals"


def publish(publisher, like=GOOD) -> int:
    """Publishes one second's vitals without a quality event; returns its number."""
    publisher._quality = like.quality
    publisher.vitals(like)
    return publisher._seq


def test_a_message_above_the_maximum_packet_size_blocks_no_other_and_is_kept_until_it_fits(tmp_path, mmecg, caplog):
    port = free_port()
    with running_broker("mosquitto", tmp_path, port, OPEN + "max_packet_size 2000"):
        listener = Listener(port)
        publisher = connected(port, tmp_path, mmecg)
        large = publish(publisher, LARGE)
        small = [publish(publisher) for _ in range(3)]
        wait(lambda: publisher.outbox.count().spool.messages == 1)
        assert listener.seqs(VITALS) == small
        assert publisher.client.connections == 1
        lines = [record.message for record in caplog.records if "is not sent" in record.message]
        assert {line.split(" is not sent")[0].split(" of ")[0] for line in lines} == {
            f"a message on {VITALS}",
            f"a message on {BACKFILL}",
        }
        assert len(lines) == 2  # however often it is tried again
        assert all("at most 2000" in line and "max_packet_size" in line for line in lines)
        listener.close()
    with running_broker("mosquitto", tmp_path, port, OPEN):
        listener = Listener(port)
        wait(lambda: listener.seqs(BACKFILL) == [large])
        wait(lambda: publisher.outbox.count().spool.messages == 0)
        publisher.close()
        listener.close()


def test_messages_after_a_too_large_one_are_delivered(tmp_path, mmecg):
    port = free_port()
    settings = OPEN + "max_packet_size 2000"
    publisher = start_publisher(port, tmp_path, mmecg)
    publish(publisher, LARGE)
    waiting = [publish(publisher) for _ in range(3)]
    with running_broker("mosquitto", tmp_path, port, settings):
        listener = Listener(port)
        wait(lambda: listener.seqs(BACKFILL) == waiting)
        publisher.close()
        listener.close()


def test_a_message_that_the_broker_refuses_as_too_large_blocks_no_other(tmp_path, mmecg, caplog):
    with running_broker("mosquitto", tmp_path, settings=OPEN + "message_size_limit 2000") as port:
        listener = Listener(port)
        publisher = connected(port, tmp_path, mmecg)
        publish(publisher, LARGE)
        small = [publish(publisher) for _ in range(3)]
        wait(lambda: publisher.outbox.count().spool.messages == 1)
        assert listener.seqs(VITALS) == small
        assert publisher.client.connections == 1  # paho would end it at a reason that it does not expect
        assert "refuses messages from this device: Packet too large" in caplog.text
        publisher.close()
        listener.close()


@pytest.mark.parametrize("in_flight", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_no_more_messages_are_unconfirmed_than_the_broker_allows(tmp_path, mmecg, in_flight):
    receive_maximum = b"\x21" + in_flight.to_bytes(2, "big")
    with ScriptedBroker((0, receive_maximum), is_silent=True) as broker:
        publisher = connected(broker.port, tmp_path, mmecg)
        for _ in range(6):
            publish(publisher)
        publisher.waveform(Waveform(GOOD.t_ns, 0, 50, np.ones(10)))  # QoS 0: not counted, and sent behind the others
        wait(lambda: any(topic.endswith("/waveform") for topic, *_ in broker.published))
        assert sum(qos for _, qos, *_ in broker.published) == in_flight
        publisher.close()


def test_a_broker_with_one_message_in_flight_receives_all(tmp_path, mmecg):
    with running_broker("mosquitto", tmp_path, settings=OPEN + "max_inflight_messages 1") as port:
        listener = Listener(port)
        publisher = connected(port, tmp_path, mmecg)
        assert publisher.client._link.limits.in_flight == 1
        sent = [publish(publisher) for _ in range(10)]
        wait(lambda: publisher.outbox.count().spool.messages == 0)
        assert sorted(listener.seqs(VITALS) + listener.seqs(BACKFILL)) == sent
        publisher.close()
        listener.close()


def test_a_broker_without_retained_messages_receives_everything_else(tmp_path, mmecg, caplog):
    with running_broker("mosquitto", tmp_path, settings=OPEN + "retain_available false") as port:
        listener = Listener(port)
        publisher = connected(port, tmp_path, mmecg)
        assert json.loads(listener.wait_for("/status").payload)["state"] == "online"
        publish(publisher)
        listener.wait_for("/vitals")
        assert "does not support retained messages" in caplog.text
        publisher.close()
        listener.close()


def test_a_broker_with_qos_0_only_receives_vitals(tmp_path, mmecg, caplog):
    port = free_port()
    with running_broker("mosquitto", tmp_path, port, OPEN + "max_qos 0"):
        publisher = connected(port, tmp_path, mmecg)
        publish(publisher)
        wait(lambda: publisher.outbox.count().spool.messages == 0)
        assert publisher.client.connections == 1
        assert "supports only QoS 0" in caplog.text
        publisher.close()


def test_the_server_keep_alive_is_used(tmp_path, mmecg):
    with running_broker("mosquitto", tmp_path, settings=OPEN + "max_keepalive 10") as port:
        publisher = connected(port, tmp_path, mmecg)
        assert publisher.client._link.client.keepalive == 10
        publisher.close()


@pytest.mark.parametrize("aliases", [b"", b"\x22\x00\x0a"])
def test_topic_aliases_are_not_used(tmp_path, mmecg, aliases):
    with ScriptedBroker((0, aliases)) as broker:
        publisher = connected(broker.port, tmp_path, mmecg)
        sent = {publish(publisher) for _ in range(5)}
        wait(lambda: [topic for topic, *_ in broker.published].count(VITALS) == len(sent))
        assert all(topic.startswith("radarecg/v1/radar-0001/") for topic, *_ in broker.published)
        publisher.close()


def test_the_packet_size_is_exact(tmp_path, mmecg):
    """The largest packet of a run is sent if the limit is its size, and not if it is one byte less."""
    with ScriptedBroker() as broker:
        publisher = connected(broker.port, tmp_path, mmecg)
        wait(lambda: len(broker.published) == 2)
        size = max(size for *_, size in broker.published)
        publisher.close()
    for limit, count in ((size, 2), (size - 1, 1)):
        with ScriptedBroker((0, b"\x27" + limit.to_bytes(4, "big"))) as broker:
            publisher = connected(broker.port, tmp_path, mmecg)
            publish(publisher)
            wait(lambda broker=broker: any(topic.endswith("/health") for topic, *_ in broker.published))
            births = [topic for topic, *_ in broker.published if topic.rsplit("/")[-1] in ("status", "info")]
            assert len(births) == count
            publisher.close()


def test_missing_limits_have_defaults():
    assert parse_limits(None) == parse_limits(Properties(PacketTypes.CONNACK)) == Limits()
    assert (Limits().packet_bytes, Limits().in_flight) == (None, MAX_IN_FLIGHT)
