"""Live ECG or waveform of single devices: subscribed only while somebody looks at them."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Iterable
from typing import Protocol

import msgspec

from edge.mqtt.payloads import EcgPayload, VitalsPayload, WaveformPayload
from edge.mqtt.topics import ECG, VITALS, WAVEFORM, Topic
from edge.mqtt.watcher import Received
from edge.web.feed import Feed
from edge.web.messages import Message, Trace, VitalsMessage, event
from edge.web.page import ECG_TIMEOUT_S

TOPICS = (ECG, WAVEFORM)

log = logging.getLogger(__name__)


class Subscriptions(Protocol):
    """Where topics of one device can be subscribed to, as `edge.mqtt.watcher.Watcher`."""

    def watch(self, device: str, topics: Iterable[Topic]) -> None:
        """Subscribe to topics of one device."""

    def unwatch(self, device: str, topics: Iterable[Topic]) -> None:
        """End the subscription."""


class SeenEcg(EcgPayload, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """An ECG block of a device of any version."""


class SeenWaveform(WaveformPayload, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """A waveform block of a device of any version."""


class SeenTraceVitals(VitalsPayload, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Vitals of a device of any version."""


_DECODERS = {
    topic.suffix: msgspec.json.Decoder(payload)
    for topic, payload in ((ECG, SeenEcg), (WAVEFORM, SeenWaveform), (VITALS, SeenTraceVitals))
}


class _Viewers:
    """The pages that look at one device."""

    def __init__(self) -> None:
        self.feed = Feed(asyncio.get_running_loop())
        self.count = 0
        self.ecg_s = -math.inf


class Traces:
    """Passes messages of the devices that somebody looks at on to their pages. Pages come and go in one event loop.

    `subscriptions` is set before the first page comes.
    """

    subscriptions: Subscriptions

    def __init__(self) -> None:
        self._viewers: dict[str, _Viewers] = {}
        self._closed = False

    async def listen(self, device: str) -> AsyncIterator[bytes]:
        """Yield the trace and the vitals of a device as events, until closed."""
        viewers = self._viewers.setdefault(device, _Viewers())
        viewers.count += 1
        if viewers.count == 1:
            self.subscriptions.watch(device, TOPICS)
        try:
            if not self._closed:
                async for each in viewers.feed.listen(b"retry: 1000\n\n"):
                    yield each
        finally:
            viewers.count -= 1
            if viewers.count == 0:
                del self._viewers[device]
                self.subscriptions.unwatch(device, TOPICS)

    def receive(self, message: Received) -> None:
        """Pass a message on if somebody looks at its device; called on any thread."""
        if (viewers := self._viewers.get(message.device)) is None or message.suffix not in _DECODERS:
            return
        try:
            payload = _DECODERS[message.suffix].decode(message.payload)
        except (msgspec.DecodeError, RecursionError):
            return
        if payload.device != message.device:
            return
        if isinstance(payload, EcgPayload):
            if any(sample is not None for sample in payload.samples):
                viewers.ecg_s = time.monotonic()
            elif not _is_recent(viewers.ecg_s):
                return  # blocks before the first known sample
            viewers.feed.send(event(_ecg_trace(payload)))
        elif isinstance(payload, WaveformPayload):
            if not _is_recent(viewers.ecg_s):
                viewers.feed.send(event(_waveform_trace(payload)))
        elif isinstance(payload, VitalsPayload):
            viewers.feed.send(event(_vitals_message(payload)))

    def close(self) -> None:
        """End every current and future `listen`; called on any thread."""
        self._closed = True
        for viewers in list(self._viewers.values()):
            viewers.feed.close()


def _is_recent(ecg_s: float) -> bool:
    return time.monotonic() - ecg_s < ECG_TIMEOUT_S


def _ecg_trace(ecg: EcgPayload) -> Message:
    samples = [None if sample is None else round(sample * ecg.scale) for sample in ecg.samples]
    return Trace(
        "ecg",
        ecg.t0_ns / 1e6,
        ecg.sample0,
        ecg.fs,
        samples,
        ecg.r_peaks,
        ecg.confidence,
        ecg.continues,
        ecg.latency_ms,
    )


def _waveform_trace(wave: WaveformPayload) -> Message:
    t_ms = wave.t_ns / 1e6 - (wave.n - 1) * 1e3 / wave.fs
    samples = [round(sample * wave.scale, 3) for sample in wave.samples]
    return Trace("waveform", t_ms, wave.sample0, wave.fs, samples, [], [], wave.continues, 0)


def _vitals_message(vitals: VitalsPayload) -> Message:
    rhythm = vitals.rhythm
    return VitalsMessage(
        vitals.t_ns / 1e6,
        vitals.hr.value,
        vitals.hr.ci95,
        vitals.hr.n_beats,
        rhythm.irregular if rhythm else None,
        rhythm.rmssd_ms if rhythm else None,
        rhythm.sdnn_ms if rhythm else None,
        vitals.movement,
        vitals.breathing.value,
        vitals.chest_range_m,
        vitals.quality.state,
        vitals.quality.sqi,
        vitals.quality.flags,
        vitals.frames.received,
        vitals.frames.lost,
        vitals.hr.age_ms,
    )
