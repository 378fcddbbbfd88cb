"""A `Sink` of the pipeline that encodes results as payloads and publishes them over MQTT."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import numpy as np

from edge.core.clock import age_ns
from edge.core.spec import RCG_RATE_HZ, WINDOW_S
from edge.core.types import EcgBlock, FrameCount, Quality, Rhythm, Vitals, Waveform
from edge.mqtt import payloads as p
from edge.mqtt.broker import Broker
from edge.mqtt.client import MqttClient
from edge.mqtt.device_report import DeviceReport, HistoryReport, SpoolReport
from edge.mqtt.fields import iso_utc
from edge.mqtt.homeassistant import DISCOVERY_PREFIX, discovery, discovery_topic
from edge.mqtt.info import CLASSICAL, NO_NETWORK, NetworkState, describe_device, report_clock
from edge.mqtt.outbox import BACKFILL_PER_S, Outbox
from edge.mqtt.spool import Spool
from edge.mqtt.topics import ECG, EVENT, HEALTH, INFO, STATUS, VITALS, WAVEFORM
from edge.radar.chirp import ChirpConfig

_WAVEFORM_STEPS = 1000  # integer value of a block's largest sample: invisible rounding, short JSON
_WAVEFORM_BLOCK_S = 0.2
HEALTH_PERIOD_S = 30.0


class Publisher:
    """Publishes the results of one device during one run (`boot`); `seq` is unique within a run.

    `computer` and `history` return the state of the device's computer and of its history, if known, `foreign_packets`
    how many packets of other senders arrived at the data port. In a replay, `replay_clock_ns` returns the time of the
    recording, from which ages are measured. Closing the publisher closes the spool.
    """

    def __init__(
        self,
        broker: Broker,
        device: str,
        chirp: ChirpConfig,
        spool: Spool,
        network: NetworkState = NO_NETWORK,
        backfill_per_s: float = BACKFILL_PER_S,
        home_assistant: bool = False,
        discovery_prefix: str = DISCOVERY_PREFIX,
        page_url: str | None = None,
        computer: Callable[[], DeviceReport | None] = lambda: None,
        history: Callable[[], HistoryReport | None] = lambda: None,
        foreign_packets: Callable[[], int] = lambda: 0,
        replay_clock_ns: Callable[[], int] | None = None,
    ) -> None:
        self._device, self._boot, self._chirp = device, secrets.token_hex(4), chirp
        self._network, self._computer, self._history = network.network, computer, history
        self._replay_clock_ns, self._is_replay = replay_clock_ns, replay_clock_ns is not None
        self._spool, self._seq, self._foreign_packets = spool, 0, foreign_packets
        self._waves: list[Waveform] = []
        self._quality = Quality("unusable", 0.0, ("warming_up",))
        announcement = (discovery_topic(discovery_prefix), discovery(device, f"{chirp.band} radar", page_url))
        self._start_s = self._health_due_s = time.monotonic()
        self.client = MqttClient(
            broker,
            device,
            will=(STATUS, self._status("offline", "connection_lost")),
            birth=[
                (STATUS, self._status("online", "started")),
                (INFO, self._info(network)),
                *([announcement] if home_assistant else []),
            ],
        )
        self.outbox = Outbox(self.client, spool, backfill_per_s)

    def publish_network(self, state: NetworkState) -> None:
        """Publish which network reconstructs the ECG from now on, and where it runs."""
        self._network = state.network or self._network  # blocks that it has already reconstructed are still published
        self.client.update_birth_message(INFO, self._info(state))

    def waveform(self, wave: Waveform) -> None:
        """Publish the heart waveform in blocks of about 0.2 s."""
        if not wave.continues:
            self._waves = []
        self._waves.append(wave)
        samples = np.concatenate([piece.samples for piece in self._waves])
        if len(samples) < _WAVEFORM_BLOCK_S * wave.rate_hz:
            return
        scale = float(np.abs(samples).max()) / _WAVEFORM_STEPS or 1.0
        payload = p.WaveformPayload(
            device=self._device,
            boot=self._boot,
            seq=self._next_seq(),
            t=iso_utc(wave.t_ns),
            t_ns=wave.t_ns,
            sample0=self._waves[0].sample0,
            fs=wave.rate_hz,
            n=len(samples),
            scale=scale,
            samples=np.rint(samples / scale).astype(int).tolist(),
            coverage=round(min(piece.coverage for piece in self._waves), 3),
            continues=self._waves[0].continues,
        )
        self._waves = []
        self.outbox.publish(WAVEFORM, p.encode(payload))

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        """Publish a block of the ECG."""
        assert self._network  # only a network produces an ECG
        e = ecg.estimate
        offset = ecg.sample0 - e.sample0  # from the estimate's sample numbers to those since the boot
        end_ns = ecg.t_ns + len(e.ecg) * 1_000_000_000 // RCG_RATE_HZ
        payload = p.EcgPayload(
            device=self._device,
            boot=self._boot,
            seq=self._next_seq(),
            sample0=ecg.sample0,
            t0=iso_utc(ecg.t_ns),
            t0_ns=ecg.t_ns,
            replayed=self._is_replay,
            clock=report_clock(),
            fs=RCG_RATE_HZ,
            n=len(e.ecg),
            latency_ms=self._age_ms(end_ns, None),
            samples=e.samples_uv,
            r_peaks=np.round(e.r_peaks + offset, 2).tolist(),
            confidence=np.round(e.confidence, 3).tolist(),
            continues=ecg.continues,
            quality=p.QualityReport(quality.state, quality.sqi, quality.flags),
            model=self._network,
        )
        self.outbox.publish(ECG, p.encode(payload))

    def vitals(self, vitals: Vitals) -> None:
        """Publish the vitals of one second, an event if the quality changed, and health every HEALTH_PERIOD_S."""
        q = vitals.quality
        payload = p.VitalsPayload(
            device=self._device,
            boot=self._boot,
            seq=self._next_seq(),
            t=iso_utc(vitals.t_ns),
            t_ns=vitals.t_ns,
            replayed=self._is_replay,
            clock=report_clock(),
            window_s=WINDOW_S,
            hr=p.HeartRate(
                valid=vitals.heart_rate_bpm is not None,
                value=_rounded(vitals.heart_rate_bpm, 1),
                ci95=_interval(vitals.ci95_bpm),
                n_beats=vitals.n_beats,
                age_ms=self._age_ms(vitals.t_ns, vitals.steady_ns),
            ),
            rhythm=_rhythm(vitals.rhythm),
            breathing=p.BreathingRate(
                valid=vitals.breathing_rate_bpm is not None, value=_rounded(vitals.breathing_rate_bpm, 1)
            ),
            chest_range_m=_rounded(vitals.chest_range_m, 3),
            movement=vitals.movement,
            quality=p.QualityReport(q.state, q.sqi, q.flags),
            frames=p.Frames(vitals.frames.received, vitals.frames.lost),
            model=self._network if vitals.n_beats and self._network else CLASSICAL,
        )
        self.outbox.publish(VITALS, p.encode(payload))
        self._publish_quality_event(vitals)
        if time.monotonic() >= self._health_due_s:
            self._health_due_s = time.monotonic() + HEALTH_PERIOD_S
            self.outbox.publish(HEALTH, p.encode(self.health(vitals.frames)))

    def health(self, frames: FrameCount) -> p.HealthPayload:
        """Return the current counters."""
        now_ns, count = time.time_ns(), self.outbox.count()
        return p.HealthPayload(
            device=self._device,
            boot=self._boot,
            t=iso_utc(now_ns),
            t_ns=now_ns,
            uptime_s=int(time.monotonic() - self._start_s),
            frames=p.Frames(frames.received, frames.lost),
            connections=self.client.connections,
            dropped=count.dropped,
            spool=SpoolReport(*count.spool, persistent=self._spool.is_persistent),
            computer=self._computer(),
            history=self._history(),
            foreign_packets=self._foreign_packets(),
        )

    def gauges(self) -> dict[str, float]:
        """Return the MQTT metrics by name."""
        dropped, spool = self.outbox.count()
        return {
            "mqtt_connected": int(self.client.connected.is_set()),
            "mqtt_session_takeovers_total": self.client.takeovers,
            "mqtt_messages_dropped_total": dropped,
            "mqtt_messages_spooled": spool.messages,
            "mqtt_messages_evicted_total": spool.evicted,
        }

    def close(self) -> None:
        """Publish the status "offline" and disconnects; undelivered messages stay in the spool."""
        self.outbox.close((STATUS, self._status("offline", "stopped")))

    def report_hang(self) -> None:
        """Publish the status "offline" at once: a process that is started again soon cancels the MQTT will."""
        self.client.send(STATUS, self._status("offline", "connection_lost"))

    def _publish_quality_event(self, vitals: Vitals) -> None:
        before, now = self._quality, vitals.quality
        self._quality = now
        if (before.state, set(before.flags)) == (now.state, set(now.flags)):
            return
        payload = p.EventPayload(
            device=self._device,
            boot=self._boot,
            seq=self._next_seq(),
            t=iso_utc(vitals.t_ns),
            t_ns=vitals.t_ns,
            clock=report_clock(),
            began=tuple(flag for flag in now.flags if flag not in before.flags),
            ended=tuple(flag for flag in before.flags if flag not in now.flags),
            previous=before.state,
            movement=vitals.movement,
            quality=p.QualityReport(now.state, now.sqi, now.flags),
        )
        self.outbox.publish(EVENT, p.encode(payload))

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def _status(self, state: p.State, reason: p.Reason) -> bytes:
        return p.encode(p.Status(device=self._device, boot=self._boot, state=state, reason=reason))

    def _info(self, network: NetworkState) -> bytes:
        return p.encode(describe_device(self._device, self._boot, self._chirp, network, self._is_replay))

    def _age_ms(self, t_ns: int, steady_ns: int | None) -> int:
        replay_ns = self._replay_clock_ns
        return (max(0, replay_ns() - t_ns) if replay_ns else age_ns(t_ns, steady_ns)) // 1_000_000


def _interval(ci95_bpm: tuple[float, float] | None) -> tuple[float, float] | None:
    return ci95_bpm and (round(ci95_bpm[0], 1), round(ci95_bpm[1], 1))


def _rhythm(rhythm: Rhythm | None) -> p.RhythmReport | None:
    return p.RhythmReport(round(rhythm.rmssd_ms), round(rhythm.sdnn_ms), rhythm.irregular) if rhythm else None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
