"""Messages of the ward's page: server-sent events, and the snapshot that a page loads first."""

from __future__ import annotations

import msgspec

from edge.ward.notices import Limits, Notice
from edge.ward.sparkline import BIN_S, BINS, Bin
from edge.ward.tile import Shown


class Hello(msgspec.Struct, frozen=True, tag_field="event", tag="hello"):
    """The first message of every connection: the page then loads the snapshot.

    `device` is the hub's name. `started_ms`: since when this hub has watched (Unix, ms).
    """

    device: str
    version: str
    started_ms: int
    limits: Limits
    bin_s: int = BIN_S
    bins: int = BINS


class Update(msgspec.Struct, frozen=True, tag_field="event", tag="update"):
    """What has changed, once a second, and also if nothing has: a page without updates is not live.

    `number` counts the updates. `bins`: changed bins of each device's sparkline; `bin`: the first that is not complete.
    `notices`: null if they have not changed. `broker_lost_ms`: since when the broker is not connected, or null.
    """

    number: int
    t_ms: int
    bin: int
    broker_lost_ms: int | None
    tiles: list[Shown]
    bins: dict[str, list[Bin]]
    notices: list[Notice] | None


class Snapshot(msgspec.Struct, frozen=True):
    """Everything that the page shows, as of update `number`. `sparklines`: the complete bins before `bin`, by device.

    `user` and `is_admin` are those of the request.
    """

    number: int
    t_ms: int
    bin: int
    broker_lost_ms: int | None
    tiles: list[Shown]
    sparklines: dict[str, list[int | None]]
    notices: list[Notice]
    user: str
    is_admin: bool
