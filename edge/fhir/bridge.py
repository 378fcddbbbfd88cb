"""`radarecg fhir-bridge`: subscribes to the messages of all devices and stores them as FHIR resources.

A message is spooled on arrival and deleted once its resources are stored, so that neither an unavailable FHIR server
nor a killed bridge loses any. A message that can never be stored is set aside as a dead letter, and one that fails
again and again is passed over for a while: neither blocks the others. While the bridge is not connected, the broker
keeps its messages until they expire: live messages for seconds, backfill for a day. Several bridges share the work on
request, by shared subscriptions (MQTT 5). These are not
the default, because mosquitto does not store them when it stops: what devices send after its restart is lost until a
bridge has subscribed again. A message that is delivered twice gives the same resource: the same file, or a conditional
create that the server ignores.
"""

from __future__ import annotations

import logging
import threading
import time

from edge.fhir.forwarder import PERIOD_S, Forwarder
from edge.fhir.inbox import BACKFILL, LIVE
from edge.mqtt.broker import Broker
from edge.mqtt.spool import Spool
from edge.mqtt.subscriber import Subscriber
from edge.mqtt.topics import INFO

GROUP = "radarecg-fhir"

log = logging.getLogger(__name__)


def run_bridge(broker: Broker, spool: Spool, forwarder: Forwarder, shared: bool, stopping: threading.Event) -> None:
    """Run until stopped; retry failed resources, save refused ones as dead letters.

    `shared`: each message reaches only one of the bridges that share.
    """
    is_connected, due_s = False, 0.0
    subscribers = _subscribe(broker, spool, GROUP if shared else None)
    try:
        while not stopping.wait(PERIOD_S):
            spool.sync()
            if is_connected != all(subscriber.is_subscribed for subscriber in subscribers):
                is_connected = not is_connected
                if is_connected:
                    _report_connected(broker, subscribers)
            if time.monotonic() >= due_s:
                wait_s = forwarder.forward(stopping)
                due_s = time.monotonic() + wait_s
    finally:
        for subscriber in subscribers:
            subscriber.close()
        waiting = spool.count().messages
        log.info("stopped: %s, %d messages wait", forwarder.summary(), waiting)
        spool.close()


def _subscribe(broker: Broker, spool: Spool, group: str | None) -> list[Subscriber]:
    """Connect three sessions, each with the expiry of its messages.

    So a long absence ends the session of live messages. `info` is not shared: a broker sends a retained message only to
    a subscription that is not (MQTT 5, section 4.8.2), and each bridge needs it.
    """
    return [
        Subscriber(
            broker,
            f"{GROUP}-{spool.identity}-{name}",
            of,
            topics,
            "if the spool is a copy of another bridge's, delete it and restart",
            spool.append,
        )
        for name, of, topics in (("live", group, LIVE), ("backfill", group, BACKFILL), ("info", None, (INFO,)))
    ]


def _report_connected(broker: Broker, subscribers: list[Subscriber]) -> None:
    log.info("connected to the broker at %s", broker.address)
    if any(subscriber.group and not subscriber.is_shared for subscriber in subscribers):
        log.warning("this broker does not support shared subscriptions: with two bridges, each receives every message")
