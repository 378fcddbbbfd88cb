"""The whole chain, in order: the only place that knows it.

source -> RadarFrame -> RcgExtractor -> RcgBlock -> HeartRateEstimator  -> assess -> Vitals -> sink
                                                |-> BreathingEstimator /
                                                 \\-> EcgReconstructor -> EcgBlock -> sink
"""

from __future__ import annotations

import cmath
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Protocol

import numpy as np

from edge.core.spec import RCG_RATE_HZ, VITALS_PERIOD_S, WINDOW_S
from edge.core.types import EcgBlock, FrameCount, Quality, RadarFrame, RcgBlock, Vitals, Waveform
from edge.dsp.frontend.rcg import MAX_GAP_S, RcgExtractor
from edge.ecg.reconstructor import EcgReconstructor, InferenceFactory
from edge.ecg.stitcher import DELAY_S
from edge.radar.calibration import UNCALIBRATED, Calibration
from edge.radar.chirp import ChirpConfig
from edge.sources import Source
from edge.vitals.beat_heart_rate import BeatHistory
from edge.vitals.breathing_rate import BreathingEstimator
from edge.vitals.classical_heart_rate import HeartRateEstimator
from edge.vitals.movement import MovementDetector
from edge.vitals.quality import BREATHING_CONFIDENCE_NEEDED, CHEST_LOST, Evidence, assess

FIRST_SECONDS_S = 5.0  # the chest is first looked for after four


class Sink(Protocol):
    """Where results go: the broker, a terminal, a test."""

    def waveform(self, wave: Waveform) -> None:
        """About ten times a second while a chest is in view."""

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        """About once a second while a chest is in view, where there is a network; with the latest verdict."""

    def vitals(self, vitals: Vitals) -> None:
        """Once a second, valid or not."""


class FanOut:
    """Several sinks as one, told in order."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def waveform(self, wave: Waveform) -> None:
        """To every sink."""
        for sink in self._sinks:
            sink.waveform(wave)

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        """To every sink."""
        for sink in self._sinks:
            sink.ecg(ecg, quality)

    def vitals(self, vitals: Vitals) -> None:
        """To every sink."""
        for sink in self._sinks:
            sink.vitals(vitals)


class Pipeline:
    """Frames in with `push`; once a second `vitals`, whatever came in.

    `clock_synced` says whether the frames' times can be trusted: the host's clock, or the recording's. `network` makes
    the ECG, whose beats are decided after `decide_after_s`; without one there is none.
    """

    def __init__(
        self,
        chirp: ChirpConfig,
        clock_synced: Callable[[], bool],
        calibration: Calibration = UNCALIBRATED,
        network: InferenceFactory | None = None,
        decide_after_s: float = DELAY_S,
    ) -> None:
        self._clock_synced = clock_synced
        self._rcg = RcgExtractor(chirp, calibration)
        self._heart = HeartRateEstimator()
        self._breathing = BreathingEstimator()
        self._beats = BeatHistory()
        self.movement = MovementDetector(chirp.max_speed_m_s * 1e3)
        self._block: RcgBlock | None = None
        self._complete_history: deque[bool] = deque(maxlen=round(WINDOW_S / chirp.frame_period_s))
        self._last: RadarFrame | None = None
        self._last_frame_ns: int | None = None
        self._silences = 0
        self._reconstructor = EcgReconstructor(network, chirp.frame_rate_hz, decide_after_s) if network else None
        self.frames = FrameCount()
        self.quality = Quality("unusable", 0.0, ("warming_up",))
        """The latest verdict."""
        self.evidence: Evidence | None = None
        """What it rests on."""

    def push(self, frame: RadarFrame) -> tuple[Waveform | None, list[EcgBlock]]:
        """One frame; when it completes a block: the next piece of the heart waveform, and the ECG that is ripe."""
        # One sample that is no number, and no filter behind would ever recover; the power shows it at least cost.
        if not cmath.isfinite(np.vdot(frame.iq, frame.iq)):
            frame = replace(frame, complete=False)
        restarts = self._rcg.restarts
        if self._was_silent(frame):
            self._rcg.restart()
        self._count(frame)
        block = self._rcg.push(frame)
        if self._rcg.restarts != restarts:
            self._block = None
            self._forget()
            self._beats.forget()
        return self.take(block) if block else (None, [])

    def take(self, block: RcgBlock) -> tuple[Waveform | None, list[EcgBlock]]:
        """As `push`, from a block of RCG on: for a recording that is no more than that."""
        self._last_frame_ns = block.t_ns
        # After a mild movement the chest is where it was: what was heard before still counts.
        if self.movement.push(block) == "extensive" or not block.chest.present:
            self._forget()
        if not block.chest.present:
            self._beats.forget()
        self._breathing.push(block)
        self._block = block
        self._beats.advance(len(block.covered) / RCG_RATE_HZ)
        ecg = self._reconstructor.push(block) if self._reconstructor and block.chest.present else []
        for stretch in ecg:
            self._beats.push(stretch)
        return self._heart.push(block), ecg

    def silence(self) -> None:
        """No frame came for a moment."""
        self._silences += 1

    def look(self, now_ns: int) -> Evidence:
        """What the verdict at `now_ns` (Unix) rests on. Call once every VITALS_PERIOD_S: the tracker advances."""
        if self._last_frame_ns is None:
            self._last_frame_ns = now_ns  # silence counts from when somebody began to listen
        breathing = self._breathing.estimate()
        sound = not self._reconstructor or self._reconstructor.sound
        return Evidence(
            silence_s=abs(now_ns - self._last_frame_ns) / 1e9,  # a clock set back is no proof of life
            problem=self._rcg.problem,
            present=self._block is None or self._block.chest.present,
            movement=self.movement.level,
            history_s=self._heart.window_s(),
            lost_share=self._complete_history.count(False) / max(1, len(self._complete_history)),
            breathing=breathing,
            classical=self._heart.update(breathing.bpm),
            network=self._reconstructor is not None,
            sound=sound,
            beats=self._beats.rate() if sound else None,
            clock_synced=self._clock_synced(),
        )

    def vitals(self, now_ns: int) -> Vitals:
        """What may be said at `now_ns` (Unix), from one `look`."""
        evidence = self.evidence = self.look(now_ns)
        assert self._last_frame_ns is not None  # `look` has begun to listen
        quality = self.quality = assess(evidence)
        chest_seen = CHEST_LOST.isdisjoint(quality.flags)
        breathes = chest_seen and evidence.breathing.confidence >= BREATHING_CONFIDENCE_NEEDED
        beats = evidence.beats
        heart = None if quality.state == "unusable" else beats or evidence.classical
        return Vitals(
            t_ns=self._last_frame_ns,
            heart_rate_bpm=heart.bpm if heart else None,
            breathing_rate_bpm=evidence.breathing.bpm if breathes else None,
            chest_range_m=self._block.chest.range_m if chest_seen and self._block else None,
            quality=quality,
            frames=self.frames,
            ci95_bpm=heart.ci95_bpm if heart else None,
            n_beats=beats.n_beats if heart and beats else None,
            rhythm=self._beats.rhythm() if heart and beats else None,
            movement=self.movement.level if self._block and self._block.chest.present else "none",
        )

    def _was_silent(self, frame: RadarFrame) -> bool:
        """Whether the radar paused before this frame, though its numbers go on: told from a clock that was set by the
        silence, and from a receiver that was held up by the time.
        """
        silences, self._silences = self._silences, 0
        return silences > 1 and self._last is not None and abs(frame.t_ns - self._last.t_ns) > MAX_GAP_S * 1e9

    def _forget(self) -> None:
        """The chest moved, or what follows is not of the same stretch of time."""
        self._heart.forget()
        self._breathing.forget()

    def _count(self, frame: RadarFrame) -> None:
        """Counts what came whole and, from the steps of `seq`, what did not."""
        skipped = max(0, frame.seq - self._last.seq - 1) if self._last else 0
        self._last = frame
        if frame.complete:
            self._last_frame_ns = frame.t_ns
        self._complete_history.extend([False] * min(skipped, self._complete_history.maxlen or 0))
        self._complete_history.append(frame.complete)
        lost = skipped + (not frame.complete)
        self.frames = FrameCount(self.frames.received + frame.complete, self.frames.lost + lost)


def first_problem(source: Source) -> str | None:
    """Why a source cannot be a radar's view of a chest, in words, from its first FIRST_SECONDS_S; None when it can."""
    rcg = RcgExtractor(source.chirp)
    for frame in islice(source.frames(), round(FIRST_SECONDS_S / source.chirp.frame_period_s)):
        if frame:
            rcg.push(frame)
    return rcg.problem


def run(source: Source, pipeline: Pipeline, sink: Sink) -> None:
    """Runs until the source ends. Time is the frames' own, or the host's while there are none."""
    period_ns = round(VITALS_PERIOD_S * 1e9)
    due_ns: int | None = None
    for frame in source.frames():
        if frame is None:
            now_ns = time.time_ns()
            pipeline.silence()
        else:
            now_ns = frame.t_ns
            wave, ecg = pipeline.push(frame)
            if wave:
                sink.waveform(wave)
            for stretch in ecg:
                sink.ecg(stretch, pipeline.quality)
        if due_ns is None:
            due_ns = now_ns + period_ns
        elif not 0 < due_ns - now_ns <= period_ns:  # due, or the clock was set back
            sink.vitals(pipeline.vitals(now_ns))
            due_ns = due_ns + period_ns if 0 <= now_ns - due_ns < period_ns else now_ns + period_ns
