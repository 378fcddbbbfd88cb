"""The processing chain from radar frames to results. Start reading here.

    Source -> RadarFrame -> RcgExtractor -> RcgBlock (0.1 s of chest motion), which goes to
        MovementDetector     movement of the body: none, mild or extensive
        BreathingEstimator   breathing rate
        HeartMotion          heart waveform, and how periodic the motion is
        EcgReconstructor     SST, network, stitching -> EcgBlock -> NetworkHistory: anchors, cycles, beats
    RateTracker              adds the evidence of the motion and of the network -> heart rate and its confidence
    assess                   Evidence from all of these -> Quality: good, degraded or unusable
    Sink                     receives Waveform, EcgBlock and, once a second, Vitals

RCG (radar cardiogram) is the acceleration of the chest. The record types are in `edge.core.types`.
"""

from __future__ import annotations

import cmath
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edge.core.placement import Placement
from edge.core.sinks import Sink
from edge.core.spec import RCG_RATE_HZ, VITALS_PERIOD_S, WINDOW_S
from edge.core.types import EcgBlock, FrameCount, Quality, RadarFrame, RcgBlock, Vitals, Waveform
from edge.dsp.frontend.rcg import MAX_GAP_S, RcgExtractor
from edge.ecg.reconstructor import EcgReconstructor, InferenceFactory
from edge.ecg.stitcher import DELAY_S
from edge.radar.calibration import UNCALIBRATED, Calibration
from edge.radar.chirp import ChirpConfig
from edge.sources import FrontEnd, Source
from edge.vitals.breathing_rate import BreathingEstimator
from edge.vitals.heart_motion import HeartMotion
from edge.vitals.movement import MovementDetector
from edge.vitals.network_history import NetworkHistory
from edge.vitals.quality import CHEST_LOST, MIN_BREATHING_CONFIDENCE, Evidence, assess
from edge.vitals.rate_tracker import RateTracker, refine

OnWaveform = Callable[[Waveform], object]
"""Receives a piece of the waveform before the network runs, which takes most of the time."""


class Pipeline:
    """All stages between a source and a sink, with their state.

    Call `push` with every frame, and `vitals` once a second even if no frame arrived. `clock_synced`: whether the times
    of frames are reliable. `network` reconstructs the ECG; a beat in it is final after `decide_after_s`. `front_end`
    computes RCG in place of the usual one. `source_fault`: why the frames may not be the radar's, or None.
    """

    def __init__(
        self,
        chirp: ChirpConfig,
        clock_synced: Callable[[], bool],
        calibration: Calibration = UNCALIBRATED,
        network: InferenceFactory | None = None,
        decide_after_s: float = DELAY_S,
        front_end: FrontEnd | None = None,
        source_fault: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._clock_synced, self._source_fault = clock_synced, source_fault
        self._rcg: FrontEnd = front_end or RcgExtractor(chirp, calibration)
        self._heart, self._breathing = HeartMotion(), BreathingEstimator()
        self._outputs, self._tracker = NetworkHistory(), RateTracker()
        self.movement = MovementDetector(chirp.max_speed_m_s * 1e3)
        self._block: RcgBlock | None = None
        self._complete_history: deque[bool] = deque(maxlen=round(WINDOW_S / chirp.frame_period_s))
        self._last_frame: RadarFrame | None = None
        self._last_frame_ns: int | None = None
        self._silences, self._frame_period_ns = 0, chirp.frame_period_s * 1e9
        self.vitals_due_ns: int | None = None
        """When the next vitals are due, in the time of the frames; None before the first frame."""
        self._reconstructor = EcgReconstructor(network, chirp.frame_rate_hz, decide_after_s) if network else None
        self._received = self._lost = 0
        self.quality = Quality("unusable", 0.0, ("warming_up",))
        """The latest result of `assess`."""
        self.evidence: Evidence | None = None
        """The evidence that `quality` was computed from."""

    def push(self, frame: RadarFrame, on_waveform: OnWaveform = lambda _: None) -> list[EcgBlock]:
        """Process a frame; if it completes a block, pass on its waveform first; return the ECG that is now final."""
        # One sample that is not finite would stay in the state of every later filter. The power is the cheapest test.
        if not cmath.isfinite(np.vdot(frame.iq, frame.iq)):
            frame = replace(frame, complete=False)
        restarts = self._rcg.restarts
        if self._is_after_pause(frame):
            self._rcg.restart()
        self._count(frame)
        block = self._rcg.push(frame)
        if self._rcg.restarts != restarts:
            self._block = None
            self._reset_rates()
            self._outputs.reset()
        return self.push_rcg(block, on_waveform) if block else []

    def push_rcg(self, block: RcgBlock, on_waveform: OnWaveform = lambda _: None) -> list[EcgBlock]:
        """Process one block of RCG and return the same as `push`; for recordings that contain no radar frames."""
        self._last_frame_ns = block.t_ns
        # After a mild movement the chest is still at the same place, so the history before it stays valid.
        if self.movement.push(block) == "extensive" or not block.chest.present:
            self._reset_rates()
        if not block.chest.present:
            self._outputs.reset()
        self._breathing.push(block)
        self._block = block
        on_waveform(self._heart.push(block))
        self._outputs.advance(len(block.covered) / RCG_RATE_HZ)
        ecg_blocks = self._reconstructor.push(block) if self._reconstructor and block.chest.present else []
        for ecg in ecg_blocks:
            self._outputs.push(ecg)
        return ecg_blocks

    @property
    def frames(self) -> FrameCount:
        """Frames received and lost until now."""
        return FrameCount(self._received, self._lost)

    def frames_wanted(self) -> int:
        """Return how many frames the next step needs at least: those of the front end, or of the vitals."""
        if not isinstance(self._rcg, RcgExtractor) or self.vitals_due_ns is None or self._last_frame is None:
            return 1
        frames_to_vitals = round((self.vitals_due_ns - self._last_frame.t_ns) / self._frame_period_ns)
        return max(1, min(self._rcg.frames_wanted, frames_to_vitals))

    def count_silence(self) -> None:
        """Record that the source timed out while waiting for a frame."""
        self._silences += 1

    def collect_evidence(self, now_ns: int) -> Evidence:
        """Collect the input of `assess` at `now_ns` (Unix). Call it once every VITALS_PERIOD_S: it steps a tracker."""
        if self._last_frame_ns is None:
            self._last_frame_ns = now_ns  # before the first frame, silence is measured from the first call
        ecg = self._reconstructor
        outputs_finite, network = not ecg or ecg.outputs_finite, bool(ecg and ecg.has_network)
        sources = self._heart.evidence() | (self._outputs.evidence() if outputs_finite and network else {})
        return Evidence(
            silence_s=abs(now_ns - self._last_frame_ns) / 1e9,  # abs: a clock set back must not hide a silent radar
            problem=self._source_fault() or self._rcg.problem,
            present=self._block is None or self._block.chest.present,
            movement=self.movement.level,
            history_s=self._heart.window_s(),
            lost_fraction=self._complete_history.count(False) / max(1, len(self._complete_history)),
            breathing=self._breathing.estimate(),
            sources=sources,
            rate=self._tracker.update(sources),
            network=network,
            outputs_finite=outputs_finite,
            beats=self._outputs.beats.rate() if outputs_finite and network else None,
            clock_synced=self._clock_synced(),
            network_failed=ecg is not None and not network,
        )

    def vitals(self, now_ns: int) -> Vitals:
        """Return the vitals at `now_ns` (Unix time); rates that are not valid are None. Call it once a second."""
        evidence = self.evidence = self.collect_evidence(now_ns)
        assert self._last_frame_ns is not None  # set by collect_evidence
        quality = self.quality = assess(evidence)
        chest_seen = CHEST_LOST.isdisjoint(quality.flags)
        has_breathing = chest_seen and evidence.breathing.confidence >= MIN_BREATHING_CONFIDENCE
        heart, beats = (None, None) if quality.state == "unusable" else refine(evidence.rate, evidence.beats)
        return Vitals(
            t_ns=self._last_frame_ns,
            heart_rate_bpm=heart.bpm if heart else None,
            breathing_rate_bpm=evidence.breathing.bpm if has_breathing else None,
            chest_range_m=self._block.chest.range_m if chest_seen and self._block else None,
            quality=quality,
            frames=self.frames,
            ci95_bpm=heart.ci95_bpm if heart else None,
            n_beats=beats.n_beats if beats else None,
            rhythm=self._outputs.beats.rhythm() if beats else None,
            movement=self.movement.level if self._block and self._block.chest.present else "none",
            steady_ns=self._last_frame.steady_ns if self._last_frame else None,
        )

    def placement(self) -> Placement | None:
        """Describe how the radar is aimed, as of the latest vitals; None if the front end has no radar frames."""
        rcg, is_silent = self._rcg, "stale" in self.quality.flags
        return rcg.placement(is_silent, self.movement.level != "none") if isinstance(rcg, RcgExtractor) else None

    def _is_after_pause(self, frame: RadarFrame) -> bool:
        """Return whether the radar paused before this frame although its frame numbers continue.

        Without monotonic times, both are needed: a set clock gives a step in time, a delayed receiver gives time-outs.
        """
        last, silences, self._silences = self._last_frame, self._silences, 0
        if last and frame.steady_ns is not None and last.steady_ns is not None:
            return frame.steady_ns - last.steady_ns > MAX_GAP_S * 1e9
        return last is not None and silences > 1 and abs(frame.t_ns - last.t_ns) > MAX_GAP_S * 1e9

    def _reset_rates(self) -> None:
        """Discard what is known of both rates, after an extensive movement or a break in the stream."""
        self._heart.reset()
        self._tracker.reset()
        self._breathing.reset()

    def _count(self, frame: RadarFrame) -> None:
        """Count complete frames, incomplete frames, and frames missing between two values of `seq`."""
        skipped = max(0, frame.seq - self._last_frame.seq - 1) if self._last_frame else 0
        self._last_frame = frame
        if frame.complete:
            self._last_frame_ns = frame.t_ns
        self._complete_history.extend([False] * min(skipped, self._complete_history.maxlen or 0))
        self._complete_history.append(frame.complete)
        self._received += frame.complete
        self._lost += skipped + (not frame.complete)


def run(source: Source, pipeline: Pipeline, sink: Sink) -> None:
    """Run the pipeline until the source ends. Time comes from the frames; while none arrive, it advances steadily."""
    period_ns = round(VITALS_PERIOD_S * 1e9)
    last_ns, arrival_ns = time.time_ns(), time.monotonic_ns()
    for frame in source.frames():
        if frame is None:  # the source timed out; a host clock that is set now must not hide the silence
            now_ns = last_ns + time.monotonic_ns() - arrival_ns
            pipeline.count_silence()
        else:
            now_ns = last_ns = frame.t_ns
            arrival_ns = time.monotonic_ns() if frame.steady_ns is None else frame.steady_ns
            for ecg in pipeline.push(frame, sink.waveform):
                sink.ecg(ecg, pipeline.quality)
        due_ns = pipeline.vitals_due_ns
        if due_ns is None:
            pipeline.vitals_due_ns = now_ns + period_ns
        elif not 0 < due_ns - now_ns <= period_ns:  # the vitals are due, or the clock was set back
            sink.vitals(pipeline.vitals(now_ns))
            pipeline.vitals_due_ns = due_ns + period_ns if 0 <= now_ns - due_ns < period_ns else now_ns + period_ns
