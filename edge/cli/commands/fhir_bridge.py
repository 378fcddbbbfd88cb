"""`radarecg fhir-bridge`: converts MQTT messages to FHIR resources."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.core.interrupts import on_stop
from edge.fhir.terms import VERSIONS
from edge.runtime.hub_service import serve_hub


def add_options(options: argparse.ArgumentParser) -> None:
    """Add the target, the settings file and the FHIR version."""
    options.add_argument(
        "target",
        metavar="FOLDER|URL",
        help="folder to write resources to, or a FHIR server: its base URL (batches of Observations, and the devices), "
        "or that followed by /Observation (a request for each Observation)",
    )
    options.add_argument(
        "--config",
        type=Path,
        required=True,
        metavar="TOML",
        help="settings file with [mqtt] and [spool] as for radarecg run, and [fhir]",
    )
    options.add_argument(
        "--fhir", choices=VERSIONS, default="R4B", help="FHIR version (default: %(default)s; R4 is the same)"
    )


def run(args: argparse.Namespace) -> int:
    """Convert messages until stopped."""
    serve_hub(args.config, args.target, args.fhir, on_stop)
    return 0
