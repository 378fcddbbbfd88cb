"""What a limit of the radar is, and the error that names those that are broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.radar.chirp import ChirpConfig, ChirpConfigError


@dataclass(frozen=True)
class Limit:
    """`check` says whether a chirp respects the limit; `explain` what was found and what to change.

    A recording is held only to limits `for_replay`, those that decoding needs: its signal has been made.
    """

    name: str
    source: str
    check: Callable[[ChirpConfig], bool]
    explain: Callable[[ChirpConfig], str]
    for_replay: bool = False


class LimitError(ChirpConfigError):
    """At least one limit is broken; `limits` holds them."""

    def __init__(self, chirp: ChirpConfig, limits: list[Limit]) -> None:
        self.limits = limits
        reasons = "; ".join(f"{limit.name}: {limit.explain(chirp)} ({limit.source})" for limit in limits)
        super().__init__(f"{chirp.source}: {reasons}")
