"""`radarecg fhir-bridge`: a hub's subscriber that turns every device's vitals and ECG into FHIR Observations.

A message is spooled as it arrives, and forgotten once its Observation is stored: a FHIR server may be away, the bridge
may be killed. While the bridge itself is away, the broker keeps for it what does not expire: vitals for seconds,
backfill for a day. A message that comes twice makes the same Observation: the same file, or a conditional create that
the server ignores.
"""

from __future__ import annotations

import http.client
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.errors import InputError
from edge.files import write_whole
from edge.mqtt.broker import Broker
from edge.mqtt.fhir import MESSAGE_SYSTEM, Resource, Version, observation
from edge.mqtt.payloads import EcgPayload, VitalsPayload, encode
from edge.mqtt.spool import Spool, Stored
from edge.mqtt.topics import ECG, VITALS, backfill

TOPICS = [topic for live in (VITALS, ECG) for topic in (live, backfill(live.suffix))]
PERIOD_S = 0.5
AT_ONCE = 100
LONGEST_WAIT_S = 30.0
HTTP_TIMEOUT_S = 10.0

Store = Callable[[Resource], None]

log = logging.getLogger(__name__)


class RefusedError(Exception):
    """This message becomes no Observation, or none that the server takes, however often it is tried."""


def store_in(target: str) -> Store:
    """Where to put Observations: a URL to POST them to, or a folder. Raises InputError."""
    if target.startswith(("http://", "https://")):
        return lambda resource: _post(target, resource)
    folder = Path(target)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target}: not a folder that can be written, nor a URL ({error.strerror})") from error
    return lambda resource: _write(folder, resource)


def run_bridge(broker: Broker, spool: Spool, store: Store, version: Version, stopping: threading.Event) -> None:
    """Until stopped. What cannot be stored is tried again; what is refused is logged, and not tried again."""
    client, wait_s = _subscriber(broker, spool), PERIOD_S
    try:
        while not stopping.wait(wait_s):
            spool.sync()
            wait_s = PERIOD_S if _pass_on(spool, store, version) else min(2 * wait_s, LONGEST_WAIT_S)
    finally:
        client.disconnect()
        client.loop_stop()
        spool.close()


def _pass_on(spool: Spool, store: Store, version: Version) -> bool:
    """The next few messages; False when one could not be stored now."""
    for stored in spool.oldest(0, AT_ONCE):
        try:
            store(_observation(stored, version))
        except RefusedError as error:
            log.error("no Observation of a message on %s: %s", stored.suffix, error)
        except OSError as error:
            log.warning("cannot store an Observation (%s); trying again", error)
            return False
        spool.delete([stored.number])
    return True


def _observation(stored: Stored, version: Version) -> Resource:
    """Of a message as it came. Raises RefusedError, whatever is wrong with it: it would be so the next time, too."""
    try:
        payload = msgspec.json.decode(stored.payload, type=VitalsPayload | EcgPayload)
        made = observation(payload, version)
    except (ValueError, ArithmeticError, OSError) as error:  # OSError: a time that no clock can show
        raise RefusedError(str(error)) from error
    # A broker's access list lets a device write below its own name, and so only that name is to be believed.
    if stored.suffix not in {topic.name(payload.device) for topic in TOPICS}:
        raise RefusedError(f"it says it is of {payload.device}")
    return made


def _subscriber(broker: Broker, spool: Spool) -> Client:
    # MQTT 3.1.1, which every broker speaks: nothing of MQTT 5 is needed to listen.
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id="radarecg-fhir-bridge",
        clean_session=False,
        protocol=MQTTProtocolVersion.MQTTv311,
    )
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password)
    if broker.tls is not None:
        client.tls_set_context(broker.tls)

    def on_connect(client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            log.error("the broker at %s refused us: %s", broker.place, reason)
        else:
            client.subscribe([(topic.name("+"), 1) for topic in TOPICS])

    def on_subscribe(client: Client, userdata: Any, number: int, reasons: Any, properties: Any) -> None:
        log.info("connected to the broker at %s", broker.place)

    def on_message(client: Client, userdata: Any, message: MQTTMessage) -> None:
        spool.append(message.topic, bytes(message.payload))  # once this returns, paho confirms it

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_connect_fail = lambda *_: log.warning("cannot reach the broker at %s; trying again", broker.place)
    client.on_message = on_message
    client.reconnect_delay_set(1, round(LONGEST_WAIT_S))
    client.connect_async(broker.host, broker.port)
    client.loop_start()
    return client


def _write(folder: Path, resource: Resource) -> None:
    """One file a message, whole or not at all: DEVICE/BOOT-SEQ.json."""
    device, boot, seq = resource["identifier"][0]["value"].split("/")
    path = folder / device / f"{boot}-{seq}.json"
    path.parent.mkdir(exist_ok=True)
    write_whole(path, encode(resource))


def _post(url: str, resource: Resource) -> None:
    identifier = resource["identifier"][0]["value"]
    headers = {
        "Content-Type": "application/fhir+json",
        "Accept": "application/fhir+json",
        "If-None-Exist": f"identifier={MESSAGE_SYSTEM}|{identifier}",
    }
    request = urllib.request.Request(url, encode(resource), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_S):
            pass
    except urllib.error.HTTPError as error:
        with error:
            if 400 <= error.code < 500 and error.code not in (401, 403, 408, 429):
                raise RefusedError(f"{error.code} {error.reason}") from error
            raise
    except http.client.HTTPException as error:
        raise OSError(f"{url} answers what is no HTTP: {error!r}") from error
