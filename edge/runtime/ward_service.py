"""The service `radarecg ward`: connects broker, page and receivers of notices according to the settings."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from edge import __version__
from edge.core.audit import audit
from edge.mqtt.settings import load_broker
from edge.mqtt.topics import NOTICE
from edge.mqtt.watcher import Received, Watcher
from edge.runtime.hub_config import load_hub_config
from edge.runtime.settings_file import settings_digest
from edge.ward import traces, ward
from edge.ward.app import ward_app
from edge.ward.delivery import Delivery
from edge.ward.messages import Hello
from edge.ward.notices import Notice, encode_notice
from edge.ward.records import RecordsFile
from edge.ward.settings import load_users, load_webhook
from edge.web.address import page_url
from edge.web.messages import event
from edge.web.server import WebServer

PERIOD_S = 1.0
STALLED_S = 10.0
"""The hub is unhealthy if its page has not been updated for this time."""
CONFIRM_TIMEOUT_S = 5.0

log = logging.getLogger(__name__)


def serve_ward(path: Path, on_stop: Callable[[Callable[[], object]], None]) -> None:
    """Serve the page with the settings at `path` until the callback passed to `on_stop` is called.

    Raises InputError, OSError.
    """
    hub, stopping = load_hub_config(path), threading.Event()
    config, broker = hub.ward, load_broker(hub.mqtt, path)
    users, webhook = load_users(config, path), config.webhook and load_webhook(config.webhook, path)
    records = RecordsFile(path.parent / config.records)
    deliveries: list[Delivery] = []

    def deliver(notice: Notice) -> None:
        for delivery in deliveries:
            delivery.put(encode_notice(notice, config.name))

    view, live = ward.Ward(config.notices, records, deliver), traces.Traces()
    health = _Health()

    def receive(message: Received) -> None:
        view.receive(message)
        live.receive(message)

    on_stop(stopping.set)
    with ExitStack() as stack:
        hello = Hello(config.name, __version__, int(1000 * time.time()), config.notices)
        server = WebServer(
            config.host, config.port, lambda feed: ward_app(users, view, live, feed, event(hello), health.fault)
        )
        stack.callback(server.close)
        stack.callback(live.close)  # first, since the server waits for the streams
        watcher = Watcher(broker, f"radarecg-ward-{secrets.token_hex(4)}", ward.TOPICS, receive)
        stack.callback(watcher.close)
        live.subscriptions = watcher
        if webhook:
            deliveries.append(Delivery("the webhook", webhook.post))
        if config.mqtt_notices:
            deliveries.append(
                Delivery("MQTT", lambda content: watcher.publish(NOTICE, config.name, content, CONFIRM_TIMEOUT_S))
            )
        for delivery in deliveries:
            stack.callback(delivery.close)
        audit("service started", version=__version__, settings=str(path), sha256=settings_digest(hub))
        log.info("ward view at %s", page_url(config.host, server.port))
        _update_pages(view, watcher, server, health, stopping)


class _Health:
    """Whether the pages are updated and the broker is connected; written by one thread, read by others."""

    def __init__(self) -> None:
        self.is_connected, self.updated_s = False, time.monotonic()

    def fault(self) -> str | None:
        """Return why the hub does not work, or None."""
        if time.monotonic() - self.updated_s > STALLED_S:
            return "the page is not updated"
        return None if self.is_connected else "not connected to the broker"


def _update_pages(
    view: ward.Ward, watcher: Watcher, server: WebServer, health: _Health, stopping: threading.Event
) -> None:
    due_s = time.monotonic()
    while not stopping.wait(max(0.0, due_s - time.monotonic())):
        due_s = max(due_s + PERIOD_S, time.monotonic())
        if watcher.is_subscribed != health.is_connected:
            health.is_connected = not health.is_connected
            log.info("%s the broker", "connected to" if health.is_connected else "not connected to")
        server.feed.send(event(view.tick(health.is_connected)))
        health.updated_s = time.monotonic()
