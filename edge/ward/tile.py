"""State of one device as its hub sees it. Only the hub's monotonic clock decides whether something is present."""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

import msgspec

from edge.core.types import MovementLevel, QualityState
from edge.mqtt.notice import NoticeKind
from edge.mqtt.payloads import Status, VitalsPayload
from edge.ward.notices import KINDS, Limits
from edge.ward.sparkline import SPAN_S, Sparkline

CURRENT_S = 5.0
"""Vitals, which are sent every second, count as present for this time."""

Link = Literal["waiting", "live", "replay", "unreadable", "silent", "offline"]
Condition = Literal["offline", "absent", "no_rate", "none"]

_UNKNOWN_PRESENCE = {"stale", "radar_fault"}


class SeenStatus(Status, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """A status of a device of any version: fields that this one does not know are ignored."""


class SeenVitals(VitalsPayload, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Vitals of a device of any version: fields that this one does not know are ignored."""


class Shown(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the page shows of a device. Rates are null unless present and valid.

    `since_ms`: when its last vitals were measured, by the hub's clock; only without present vitals, and null if none
    came since the hub's start. `stopped`: the device was stopped, rather than lost.
    """

    device: str
    link: Link
    heart_rate_bpm: int | None = None
    breathing_rate_bpm: int | None = None
    state: QualityState = "unusable"
    flags: tuple[str, ...] = ()
    movement: MovementLevel = "none"
    irregular: bool = False
    since_ms: int | None = None
    stopped: bool = False
    label: str = ""
    hidden: bool = False
    notice: str | None = None


class Tile:
    """The newest vitals, the ten minutes before, and how long a condition has lasted. Not thread-safe."""

    def __init__(
        self, device: str, now_s: float, open_kind: NoticeKind | None = None, limits: Limits | None = None
    ) -> None:
        self.device, self.sparkline = device, Sparkline()
        self._created_s = now_s
        self._vitals: SeenVitals | None = None
        self._measured_s = self._unreadable_s = self._offline_s = -math.inf
        self._measured_ms: int | None = None
        self._offset_s: float | None = None  # from the device's clock to the monotonic one
        self._early: deque[SeenVitals] = deque(maxlen=SPAN_S)  # of the past, before the offset is known
        self._is_stopped = False
        self._lasted_s: dict[NoticeKind, float] = dict.fromkeys(KINDS, 0.0)
        if open_kind and limits:  # a notice of before the hub's restart stays open until the device proves otherwise
            self._lasted_s[open_kind] = limits.seconds(open_kind)

    def status(self, status: SeenStatus, now_s: float) -> None:
        """Record that the device is online or offline."""
        self._offline_s = now_s if status.state == "offline" else -math.inf
        self._is_stopped = status.reason == "stopped"

    def vitals(self, vitals: SeenVitals, age_s: float, now_s: float, now_ms: int) -> None:
        """Record live vitals that the broker had for `age_s`; those before the newest only fill the sparkline."""
        newest, measured_s = self._vitals, now_s - age_s
        if newest and newest.boot == vitals.boot and newest.seq > vitals.seq:
            self.late_vitals(vitals, now_s)
            return
        self._offset_s = measured_s - vitals.t_ns / 1e9
        self._vitals, self._measured_s, self._measured_ms = vitals, measured_s, now_ms - round(1000 * age_s)
        self._draw(vitals, now_s)
        while self._early:
            self._draw(self._early.popleft(), now_s)

    def late_vitals(self, vitals: SeenVitals, now_s: float) -> None:
        """Put vitals of the past, which never count as present, into the sparkline.

        Their time is that of the device's clock, which the newest live vitals relate to the hub's.
        """
        if self._offset_s is None:
            self._early.append(vitals)
        else:
            self._draw(vitals, now_s)

    def unreadable(self, now_s: float) -> None:
        """Record a message that cannot be decoded."""
        self._unreadable_s = now_s

    def link(self, now_s: float) -> Link:
        """Return how the device is connected to this hub."""
        if self._offline_s > self._measured_s:
            return "offline"
        if now_s - self._measured_s <= CURRENT_S and self._vitals:
            return "replay" if self._vitals.replayed else "live"
        if now_s - self._unreadable_s <= CURRENT_S:
            return "unreadable"
        return "waiting" if self._vitals is None and now_s - self._created_s <= CURRENT_S else "silent"

    def show(self, now_s: float, label: str = "", hidden: bool = False, notice: str | None = None) -> Shown:
        """Return what the page shows now."""
        link, vitals = self.link(now_s), self._vitals
        if link != "live" or vitals is None:
            since_ms = self._measured_ms if link in ("offline", "silent", "unreadable") else None
            stopped = link == "offline" and self._is_stopped
            return Shown(
                self.device, link, since_ms=since_ms, stopped=stopped, label=label, hidden=hidden, notice=notice
            )
        return Shown(
            self.device,
            link,
            _rounded(vitals.hr.value),
            _rounded(vitals.breathing.value),
            vitals.quality.state,
            vitals.quality.flags,
            vitals.movement,
            bool(vitals.rhythm and vitals.rhythm.irregular),
            label=label,
            hidden=hidden,
            notice=notice,
        )

    def due_notice(self, now_s: float, elapsed_s: float, limits: Limits) -> NoticeKind | None:
        """Add the time since the last call to the present condition; return the notice that applies now.

        The time without a valid rate is counted only while the device is online and somebody may be present, and ends
        with a valid rate. A stronger notice ends the count of the weaker ones.
        """
        condition = self._condition(now_s)
        if condition == "none":
            self._lasted_s = dict.fromkeys(KINDS, 0.0)
            return None
        self._lasted_s[condition] += elapsed_s
        if condition != "offline":
            self._lasted_s["offline"] = 0.0
        if condition == "no_rate" and self._is_presence_known(now_s):
            self._lasted_s["absent"] = 0.0
        for position, kind in enumerate(KINDS):
            if self._lasted_s[kind] >= limits.seconds(kind):
                self._lasted_s |= dict.fromkeys(KINDS[position + 1 :], 0.0)
                return kind
        return None

    def _condition(self, now_s: float) -> Condition:
        link = self.link(now_s)
        if link != "live" or self._vitals is None:
            return "none" if link == "replay" else "no_rate" if link == "unreadable" else "offline"
        if "no_subject" in self._vitals.quality.flags:
            return "absent"
        return "none" if self._vitals.hr.valid else "no_rate"

    def _is_presence_known(self, now_s: float) -> bool:
        vitals = self._vitals
        return vitals is not None and self.link(now_s) == "live" and not _UNKNOWN_PRESENCE & set(vitals.quality.flags)

    def _draw(self, vitals: SeenVitals, now_s: float) -> None:
        if self._offset_s is not None and not vitals.replayed:
            second = math.floor(vitals.t_ns / 1e9 + self._offset_s)
            self.sparkline.put(second, vitals.hr.value, math.floor(now_s))


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
