"""`radarecg fhir-bridge`: messages to FHIR Observations."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from edge.config import broker_of, load_hub_config, spool_of
from edge.interrupts import on_stop
from edge.mqtt.bridge import run_bridge, store_in
from edge.mqtt.fhir import VERSIONS


def add_options(options: argparse.ArgumentParser) -> None:
    """Where the Observations go, from which broker, in which form."""
    options.add_argument("target", metavar="FOLDER|URL", help="where the Observations go; a server's .../Observation")
    options.add_argument("--config", type=Path, required=True, metavar="TOML", help="[mqtt] and [spool] as for run")
    options.add_argument("--fhir", choices=VERSIONS, default="R4B", help="the version of FHIR")


def run(args: argparse.Namespace) -> int:
    """Translates until stopped."""
    config, store, stopping = load_hub_config(args.config), store_in(args.target), threading.Event()
    on_stop(stopping.set)
    run_bridge(broker_of(config, args.config), spool_of(config, args.config), store, args.fhir, stopping)
    return 0
