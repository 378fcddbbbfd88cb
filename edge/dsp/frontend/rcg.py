"""Front end: radar frames to RCG, the chest's displacement and its second derivative at 200 Hz on several channels.

If the antenna positions are known (AWR1843BOOST), a channel is one of 50 points of the chest, selected by beamforming.
Otherwise a channel is one antenna pair at one of the three range bins around the chest, so one receiver gives three
channels. The chest's bin is found here, with hysteresis. Incomplete frames are not used; their samples are interpolated
and marked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from edge.core.placement import Placement
from edge.core.spec import BLOCK_S, RCG_RATE_HZ
from edge.core.types import Chest, Complex64, Float64, RadarFrame, RcgBlock
from edge.dsp.frontend.beamforming import Beamformer, can_focus
from edge.dsp.frontend.chest_finder import MIN_COHERENCE, MIN_HISTORY_S, ChestFinder
from edge.dsp.frontend.phase import PhaseTracker, Resampler, SecondDerivative
from edge.dsp.frontend.placement import Aim, BreathingTrace, advise, mean_azimuth_deg
from edge.dsp.frontend.range_profile import range_profile
from edge.radar.calibration import UNCALIBRATED, Calibration
from edge.radar.chirp import ChirpConfig, require_heartbeat

MAX_BRIDGED_GAP_S = 0.2  # over a longer gap the number of phase turns is ambiguous, so phase tracking restarts
MAX_GAP_S = 0.3  # after a gap longer than a heartbeat's upstroke, everything restarts, including the chest search
SEARCH_INTERVAL_S = 1.0
# Random steps have an rms of 0.58 pi. Above this limit the motion is too fast to track.
UNTRACKABLE_STEP_RAD = 0.45 * math.pi
REFOCUS_INTERVAL_S = 5.0
SLIP_HOLD_S = 2.0  # a channel has weight 0 for this long after a slip, which is a step in its displacement
CHECK_S = 5.0  # longer than the 4 s of history before the first search for the chest
RESELECT_MARGIN_DB = 6.0  # another bin needs four times the motion before it is selected


class RcgExtractor:
    """Streaming front end. `problem` describes, in words, why the data cannot show a chest; None if they can.

    Raises InputError if no heartbeat is visible with this chirp configuration.
    """

    def __init__(self, chirp: ChirpConfig, calibration: Calibration = UNCALIBRATED) -> None:
        require_heartbeat(chirp)
        self._chirp, self._calibration = chirp, calibration
        self._frames_per_block = max(1, round(BLOCK_S / chirp.frame_period_s))
        self._half_block = max(1, self._frames_per_block // 2)
        self._blocks_between_searches = round(SEARCH_INTERVAL_S / BLOCK_S)
        self.restarts = -1
        """Number of full restarts, after a long gap or a restart of the card."""
        self.restart()

    def restart(self) -> None:
        """Discard all state and start again with the search for the chest."""
        self.restarts += 1
        self._frames: list[RadarFrame] = []
        self._last_seq: int | None = None
        self._finder = ChestFinder(self._chirp, self._calibration.range_bias_m)
        self._waiting: list[tuple[list[int], Complex64]] = []
        self._blocks_since_search = 0
        self._focus_in_s = 0.0
        self._settled_s = MIN_HISTORY_S  # how long the chest has been in its bin
        zone = self._finder.zone
        self._beamformer = Beamformer(self._chirp, zone, self._calibration) if can_focus(self._chirp) else None
        self._refocusing: Iterator[bool] = iter(())
        self._has_new_points = False
        self._bin: int | None = None
        self._chest: Chest | None = None
        self._breathing = BreathingTrace()
        self._azimuth_deg: float | None = None
        self.problem: str | None = None
        self._restart_tracks()

    def _restart_tracks(self) -> None:
        self._tracker = PhaseTracker(self._chirp.wavelength_m)
        self._resampler = Resampler(self._chirp.frame_rate_hz, RCG_RATE_HZ)
        self._derivative = SecondDerivative(RCG_RATE_HZ)
        self._blocks_since_slip: Float64 = np.zeros(0)
        self._is_restarted = True

    def push(self, frame: RadarFrame) -> RcgBlock | None:
        """Add the next frame (increasing `seq`); return a block when one is complete and the chest was found."""
        if self._last_seq is not None:
            step = frame.seq - self._last_seq
            if step <= 0 or step * self._chirp.frame_period_s > MAX_GAP_S:
                self.restart()
            elif step * self._chirp.frame_period_s > MAX_BRIDGED_GAP_S:
                self._frames, self._waiting = [], []
                self._restart_tracks()
        if frame.complete:
            self._last_seq = frame.seq
            self._frames.append(frame)
            if len(self._frames) == self._half_block:  # between blocks, so that it delays no result
                self._has_new_points |= next(self._refocusing, False)
        if len(self._frames) < self._frames_per_block:
            return None
        frames, self._frames = self._frames, []
        profile = range_profile(np.stack([f.iq for f in frames]))
        self._finder.push(profile[0])
        zone = profile[:, :, self._finder.zone]
        self._waiting.append(([f.seq for f in frames], zone))
        if self._beamformer:
            self._beamformer.push(zone)
        self._search_chest()
        if self._has_new_points:
            self._has_new_points = False
            self._restart_tracks()
        block = self._track(frames[-1].t_ns, self._bin, self._chest) if self._bin and self._chest else None
        if block:
            self._breathing.push(block)
            self._azimuth_deg = mean_azimuth_deg(block.points_m, block.weights)
        return block

    @property
    def frames_wanted(self) -> int:
        """How many more complete frames the next step needs: the step at half a block, or the block."""
        has_half = len(self._frames) >= self._half_block
        return (self._frames_per_block if has_half else self._half_block) - len(self._frames)

    def placement(self, is_silent: bool, is_moving: bool) -> Placement:
        """Describe how the radar is aimed; `is_silent`: no frames arrive, `is_moving`: the person moves."""
        range_m, power_db = self._finder.motion_profile()
        chest = self._chest
        return Placement(
            range_m,
            power_db,
            chest.range_m if chest and chest.present else None,
            chest.contrast_db if chest else None,
            self._breathing.values_mm(),
            advise(Aim(is_silent, self.problem, chest, is_moving, self._azimuth_deg)),
        )

    def _search_chest(self) -> None:
        """Search for the chest when the history is long enough, and again every SEARCH_INTERVAL_S."""
        self._blocks_since_search += 1
        if self._bin and self._blocks_since_search < self._blocks_between_searches:
            return
        self.problem = None
        if (coherence := self._finder.coherence) < MIN_COHERENCE:
            self.problem = f"not radar data of this chirp file: successive frames are unrelated ({coherence:.2f} of 1)"
        if not self._finder.ready:
            return
        self._blocks_since_search = 0
        best, mirrored = self._finder.find()
        if mirrored:
            self.problem = "the IQ order looks wrong: the motion is at negative ranges, as if I and Q were swapped"
        self._settled_s += SEARCH_INTERVAL_S
        self._focus_in_s -= SEARCH_INTERVAL_S
        if self._bin is None:
            self._bin = best
        elif abs(best - self._bin) > 1 and self._finder.moving_db(best, self._bin) > RESELECT_MARGIN_DB:
            self._bin = best
            self._settled_s = 0.0
            self._restart_tracks()
        self._chest = self._finder.chest_at(self._bin)
        if self._beamformer and (self._is_restarted or self._focus_in_s <= 0):
            self._refocusing = self._beamformer.refocus(self._bin, self._chest.range_m, self._settled_s)
            # Points chosen while the chest moved here are replaced soon, because a later change discards more history.
            self._focus_in_s = REFOCUS_INTERVAL_S if self._settled_s else MIN_HISTORY_S
            if self._is_restarted:  # nothing is tracked yet, so the search may block
                any(self._refocusing)

    def _track(self, t_ns: int, index: int, chest: Chest) -> RcgBlock | None:
        seq = [number for numbers, _ in self._waiting for number in numbers]
        zone = np.concatenate([profile for _, profile in self._waiting])
        self._waiting = []
        echo = self._beamformer.echo(zone) if self._beamformer else self._antenna_pairs(zone, index)
        displacement, covered = self._tracker.push(seq, echo)
        displacement, covered = self._resampler.push(displacement, covered)
        if displacement.shape[1] == 0:
            return None
        displacement, rcg, covered = self._derivative.push(displacement, covered)
        weights = self._weights(echo)
        restarted, self._is_restarted = self._is_restarted, False
        return RcgBlock(
            t_ns=t_ns,
            displacement_mm=displacement,
            rcg_mm_s2=rcg,
            weights=weights,
            covered=covered,
            speed_mm_s=(
                self._chirp.max_speed_m_s * 1e3
                if self._tracker.step_rms_rad > UNTRACKABLE_STEP_RAD
                else _top_speed_mm_s(weights @ displacement)
            ),
            chest=chest,
            restarted=restarted,
            points_m=self._beamformer.points_m if self._beamformer else None,
        )

    def _antenna_pairs(self, zone: Complex64, index: int) -> Complex64:
        """Return the three bins around the chest of every antenna pair: [frame, 3 * pairs]."""
        centre = index - self._finder.zone.start
        return zone[:, :, centre - 1 : centre + 2].reshape(len(zone), -1)

    def _weights(self, echo: Complex64) -> Float64:
        """Return each channel's share of the power [P]; 0 after a recent slip, unless all channels slipped."""
        power = np.square(np.abs(echo)).mean(axis=0, dtype=np.float64) + 1e-12
        if len(self._blocks_since_slip) != len(power):
            self._blocks_since_slip = np.full(len(power), np.inf)
        self._blocks_since_slip = np.where(self._tracker.slipped, 0, self._blocks_since_slip + 1)
        steady = self._blocks_since_slip * BLOCK_S > SLIP_HOLD_S
        if steady.any():
            power = power * steady
        return np.asarray(power / power.sum())


def delay_s(frame_rate_hz: float) -> float:
    """Return how much older the last sample of a block is than its last frame; the mean, if resampled."""
    derivative_s = SecondDerivative.DELAY / RCG_RATE_HZ
    if math.isclose(frame_rate_hz, RCG_RATE_HZ):
        return derivative_s
    waiting = math.ceil(Resampler.HALF_WIDTH * max(1.0, frame_rate_hz / RCG_RATE_HZ)) - 1
    return derivative_s + waiting / frame_rate_hz + 0.5 / RCG_RATE_HZ


def _top_speed_mm_s(chest_mm: Float64) -> float:
    """Return the highest mean speed over BLOCK_S, or over the input if shorter. The mean suppresses heartbeats."""
    step = min(round(BLOCK_S * RCG_RATE_HZ), len(chest_mm)) - 1
    if step < 1:
        return 0.0
    return float(np.abs(chest_mm[step:] - chest_mm[:-step]).max()) * RCG_RATE_HZ / step


def find_problem(chirp: ChirpConfig, frames: Iterable[RadarFrame | None]) -> str | None:
    """Check the first CHECK_S of the frames; return why they cannot be radar data of a chest, None if they can."""
    extractor = RcgExtractor(chirp)
    for frame in islice(frames, round(CHECK_S / chirp.frame_period_s)):
        if frame:
            extractor.push(frame)
    return extractor.problem
