"""A resource on its way to the store, with what the store must know about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.fhir.terms import Resource

Handling = Literal["create", "fill", "update"]


@dataclass(frozen=True, slots=True)
class Record:
    """A resource and how to store it; its identifier is unique, so storing it twice has no effect.

    `handling`: `create` stores it unless it exists; `fill` also replaces an existing one that has no value; `update`
    always replaces. `start_ns`, `end_ns`: of the measurement, 0 for a resource that concerns no person. `day` and
    `name`: its place in a folder, beneath the device's; `day` is empty for what belongs to no day.
    """

    resource: Resource
    handling: Handling
    device: str
    start_ns: int
    end_ns: int
    day: str
    name: str

    @property
    def kind(self) -> str:
        """The resource's type."""
        return str(self.resource["resourceType"])

    @property
    def search(self) -> str:
        """The search that finds it on a server (conditional create: http://hl7.org/fhir/R4/http.html#ccreate)."""
        identifier = self.resource["identifier"][0]
        return f"identifier={identifier['system']}|{identifier['value']}"
