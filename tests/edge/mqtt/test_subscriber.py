"""Subscriptions of a hub: shared or not, sessions, limits; with real brokers and a scripted one."""

import paho.mqtt.client as paho
import pytest

from edge.fhir.inbox import BACKFILL, LIVE
from edge.mqtt.broker import Broker
from edge.mqtt.fields import MAX_PAYLOAD_BYTES
from edge.mqtt.subscriber import MAX_HEADER_BYTES, Subscriber
from edge.mqtt.topics import INFO
from tests.helpers.bridges import publish
from tests.helpers.brokers import ScriptedBroker, running_broker
from tests.helpers.hub_messages import INFO_TOPIC, TOPIC
from tests.helpers.publishing import wait


def subscriber(port: int, on_message=lambda *_: None, group: str | None = "g", topics=LIVE, name="x") -> Subscriber:
    return Subscriber(Broker(port=port), name, group, topics, "", on_message)


def test_a_session_expires_with_its_messages():
    with ScriptedBroker() as broker:
        waiting = subscriber(broker.port)
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
        waiting = subscriber(port, lambda *message: received.append(message))
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
        alone = subscriber(broker.port)
        wait(lambda: alone.is_subscribed)
        assert broker.subscribed[-1] == ["radarecg/v1/+/vitals", "radarecg/v1/+/ecg"]
        assert not alone.is_shared
        alone.close()


def test_a_subscription_that_is_refused_is_reported(caplog):
    with ScriptedBroker(subacks=(0x87,)) as broker:
        refused = subscriber(broker.port)
        wait(lambda: "refuses the subscription: Not authorized" in caplog.text)
        assert "give this user the right" in refused.fault
        assert broker.subscribed == [["$share/g/radarecg/v1/+/vitals", "$share/g/radarecg/v1/+/ecg"]]
        assert not refused.is_subscribed
        refused.close()


def test_without_a_group_retained_messages_come_too(mosquitto_port):
    received = []
    publish(mosquitto_port, (INFO_TOPIC, b"retained"), retain=True)
    alone = subscriber(mosquitto_port, lambda *message: received.append(message), None, (INFO,))
    wait(lambda: received == [(INFO_TOPIC, b"retained")])
    assert not alone.is_shared
    alone.close()
