"""The service `radarecg fhir-bridge`: connects broker, spool and FHIR server according to the settings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from edge.fhir.bridge import run_bridge
from edge.fhir.dead_letters import DeadLetters
from edge.fhir.forwarder import Forwarder
from edge.fhir.inbox import open_inbox
from edge.fhir.settings import open_store, open_subjects
from edge.fhir.terms import Version
from edge.mqtt.settings import load_broker, open_spool
from edge.runtime.hub_config import load_hub_config


def serve_hub(path: Path, target: str, version: Version, on_stop: Callable[[Callable[[], object]], None]) -> None:
    """Run the bridge with the settings at `path` until the callback passed to `on_stop` is called.

    Raises InputError, OSError.
    """
    config, stopping = load_hub_config(path), threading.Event()
    store, broker = open_store(target, config.fhir, path), load_broker(config.mqtt, path)
    subjects = open_subjects(config.fhir, path)
    letters = DeadLetters(path.parent / config.fhir.dead_letters)
    on_stop(stopping.set)
    spool = open_spool(config.spool, path)
    forwarder = Forwarder(open_inbox(spool, version, config.fhir.every_s, store.kinds), store, letters, subjects)
    run_bridge(broker, spool, forwarder, config.fhir.shared, stopping)
