"""`Limit`, a documented limit of the radar, and the error for violated limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.radar.chirp import ChirpConfig, ChirpConfigError


@dataclass(frozen=True)
class Limit:
    """A documented limit: `check` returns whether a chirp meets it, `explain` the violation and the remedy.

    Recordings are checked only against limits with `for_replay`, which decoding needs.
    """

    name: str
    source: str
    check: Callable[[ChirpConfig], bool]
    explain: Callable[[ChirpConfig], str]
    for_replay: bool = False


class LimitError(ChirpConfigError):
    """At least one limit is violated; `limits` holds the violated limits."""

    def __init__(self, chirp: ChirpConfig, limits: list[Limit]) -> None:
        self.limits = limits
        reasons = "; ".join(f"{limit.name}: {limit.explain(chirp)} ({limit.source})" for limit in limits)
        super().__init__(f"{chirp.source}: {reasons}")
