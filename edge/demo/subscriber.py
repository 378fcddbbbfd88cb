"""MQTT subscriber of the demo that compares the published results with the twin's ground truth."""

from __future__ import annotations

import json
import math
import queue
import socket
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge.mqtt.payloads import EcgPayload, VitalsPayload, WaveformPayload
from edge.mqtt.topics import ECG, ROOT, VITALS, WAVEFORM

TRACE_S = 8.0
MAX_ECG_AGE_S = 15.0
"""Length of ground truth requested for an ECG block; an older block is not compared."""
BEAT_TOLERANCE_S = 0.15
MAX_ERROR_BPM, MAX_ERROR_FRACTION = 5.0, 0.10
"""A rate is wrong if its error exceeds the larger of the two."""


@dataclass
class LiveState:
    """Results and statistics for the view and the summary."""

    messages: int = 0
    vitals: VitalsPayload | None = None
    true_bpm: float | None = None
    activity: str = ""
    """What the person does now; empty if unknown."""
    seconds: Counter[str] = field(default_factory=Counter)
    """Number of vitals during each activity."""
    published: Counter[str] = field(default_factory=Counter)
    """Those with a heart rate."""
    vitals_count: int = 0
    errors_bpm: list[float] = field(default_factory=list)
    """Errors of all valid heart rates, one per second."""
    wrong: int = 0
    """Number of wrong ones among them."""
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=5000))
    trace: deque[float] = field(default_factory=lambda: deque(maxlen=round(TRACE_S * 50)))
    ecg: list[tuple[float, float]] = field(default_factory=list)
    """Every ECG sample and its ground truth, in mV; NaN for an unknown sample."""
    r_errors_ms: list[float] = field(default_factory=list)
    """Errors of detected R peaks within BEAT_TOLERANCE_S of a true one."""
    true_beats: int = 0
    """Number of true R peaks in the time covered by the ECG."""

    def latency_ms(self, percentile: float) -> float | None:
        """A percentile of the time from a frame's last packet to the arrival of its result here."""
        return round(float(np.percentile(self.latencies_ms, percentile)), 1) if self.latencies_ms else None

    @property
    def ecg_pcc(self) -> float | None:
        """Correlation of the known ECG samples with the true ECG; None without any."""
        known = np.array([pair for pair in self.ecg if not math.isnan(pair[0])])
        return round(float(np.corrcoef(known.T)[0, 1]), 4) if len(known) > 1 else None


class Subscriber:
    """Subscribes to one device and requests the twin's ground truth for all vitals and ECG blocks."""

    def __init__(self, device: str, mqtt_port: int, truth_port: int) -> None:
        self.watch = LiveState()
        self._truth_address = ("127.0.0.1", truth_port)
        self._truth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._truth.settimeout(0.5)
        self._arrived: queue.SimpleQueue[tuple[int, MQTTMessage]] = queue.SimpleQueue()
        self._device = device
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{ROOT}/{device}/#", qos=1)
        self._client.on_message = lambda client, userdata, message: self._arrived.put((time.time_ns(), message))
        self._client.connect("127.0.0.1", mqtt_port)
        self._client.loop_start()

    def update(self, timeout_s: float) -> VitalsPayload | None:
        """Process messages until vitals arrive, and return them; None after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            try:
                at_ns, message = self._arrived.get(timeout=left_s)
            except queue.Empty:
                break
            if (vitals := self._process(at_ns, message)) is not None:
                return vitals
        return None

    def close(self) -> None:
        """Disconnects from the broker."""
        self._client.disconnect()
        self._client.loop_stop()
        self._truth.close()

    def _process(self, at_ns: int, message: MQTTMessage) -> VitalsPayload | None:
        watch = self.watch
        watch.messages += 1
        if message.topic == WAVEFORM.name(self._device):
            wave = msgspec.json.decode(message.payload, type=WaveformPayload)
            watch.trace.extend(wave.scale * sample for sample in wave.samples)
            watch.latencies_ms.append((at_ns - wave.t_ns) / 1e6)
        elif message.topic == VITALS.name(self._device):
            vitals = msgspec.json.decode(message.payload, type=VitalsPayload)
            watch.vitals = vitals
            watch.vitals_count += 1
            truth = self._request_truth(vitals.window_s)
            watch.true_bpm, watch.activity = truth.get("heart_rate_bpm"), truth.get("activity", "")
            watch.seconds[watch.activity] += 1
            watch.published[watch.activity] += vitals.hr.valid
            if vitals.hr.value is not None and watch.true_bpm is not None:
                error_bpm = abs(vitals.hr.value - watch.true_bpm)
                watch.errors_bpm.append(error_bpm)
                watch.wrong += error_bpm > max(MAX_ERROR_BPM, MAX_ERROR_FRACTION * watch.true_bpm)
            if "stale" not in vitals.quality.flags:
                watch.latencies_ms.append((at_ns - vitals.t_ns) / 1e6)
            return vitals
        elif message.topic == ECG.name(self._device):
            self._compare_ecg(msgspec.json.decode(message.payload, type=EcgPayload))
        return None

    def _compare_ecg(self, ecg: EcgPayload) -> None:
        """Compare an ECG block with the twin's ground truth of the same time."""
        truth = self._request_truth(MAX_ECG_AGE_S)
        if not truth:
            return
        start_s = (ecg.t0_ns - truth["t_ns"]) / 1e9  # relative to the twin's last frame: negative before it
        samples = [math.nan if sample is None else ecg.scale * sample / 1000 for sample in ecg.samples]
        true_mv = np.array(truth["ecg_mv"])
        true_s = np.arange(1 - len(true_mv), 1) / ecg.fs
        at_s = start_s + np.arange(ecg.n) / ecg.fs
        self.watch.ecg += zip(samples, np.interp(at_s, true_s, true_mv).tolist(), strict=True)
        found_s = start_s + (np.array(ecg.r_peaks) - ecg.sample0) / ecg.fs
        for beat_s in -np.array(truth["r_peaks_ago_s"]):
            if start_s <= beat_s < start_s + ecg.n / ecg.fs:
                self.watch.true_beats += 1
                errors_s = np.abs(found_s - beat_s)
                if errors_s.size and errors_s.min() <= BEAT_TOLERANCE_S:
                    self.watch.r_errors_ms.append(float(errors_s.min()) * 1e3)

    def _request_truth(self, window_s: float) -> dict[str, Any]:
        try:
            self._truth.sendto(json.dumps({"window_s": window_s}).encode(), self._truth_address)
            return dict(json.loads(self._truth.recv(65536)))
        except (TimeoutError, ConnectionRefusedError):
            return {}
