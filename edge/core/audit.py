"""Audit trail: who changed or took what, as log records of this module's logger; nothing about a person's body.

A record has an action and its details. JSON logs have them as the object `audit`, text logs as `ACTION KEY="VALUE"`.
"""

from __future__ import annotations

import json
import logging
from typing import Literal

Action = Literal[
    "service started", "model switched", "model rejected", "access denied", "personal delay stored",
    "personal delay deleted", "diagnostics exported", "history exported", "recording started",
    "notice acknowledged", "tile renamed", "tile hidden", "tile shown",
]  # fmt: skip

_log = logging.getLogger(__name__)


def audit(action: Action, **details: str | int | None) -> None:
    """Record an action; `details` name files, digests, addresses and models."""
    text = " ".join(f"{key}={json.dumps(value)}" for key, value in details.items())
    _log.info("%s", f"{action} {text}".rstrip(), extra={"audit": {"action": action, **details}})
