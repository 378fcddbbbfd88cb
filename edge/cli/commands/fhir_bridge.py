"""`radarecg fhir-bridge`: messages to FHIR Observations."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.core.interrupts import on_stop
from edge.fhir.observation import VERSIONS
from edge.runtime.hub_service import serve_hub


def add_options(options: argparse.ArgumentParser) -> None:
    """Where the Observations go, from which broker, in which form."""
    options.add_argument("target", metavar="FOLDER|URL", help="where the Observations go; a server's .../Observation")
    options.add_argument(
        "--config", type=Path, required=True, metavar="TOML", help="[mqtt] and [spool] as for run, [fhir]"
    )
    options.add_argument("--fhir", choices=VERSIONS, default="R4B", help="the version of FHIR")


def run(args: argparse.Namespace) -> int:
    """Translates until stopped."""
    serve_hub(args.config, args.target, args.fhir, on_stop)
    return 0
