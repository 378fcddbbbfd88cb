"""How people, chests, rooms and recordings differ: every number of the simulation that is drawn, in one place.

To calibrate the simulation is to edit this file. [A]: engineering assumption. [W]: Weissler et al., Circulation 37
(1968) 149, systolic time intervals. [T]: Task Force, Circulation 93 (1996) 1043, heart rate variability. [U]: seen in
public radar recordings with ECG (spectrum of the acceleration peaks at 4 to 14 Hz, hardly anything above 25 Hz).
[C]: set so that the simulation's statistics are those of real recordings (docs/twin-calibration.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from train.data.trial import Rhythm, Status

_TAIL = 2.5  # nobody is farther out, in standard deviations


class Range(Protocol):
    """What one number is drawn from."""

    def draw(self, rng: np.random.Generator) -> float:
        """One draw."""
        ...


@dataclass(frozen=True, slots=True)
class Between:
    """Anything between, alike."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """See Range."""
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True, slots=True)
class Near:
    """Normal: mean and standard deviation."""

    mean: float
    deviation: float

    def draw(self, rng: np.random.Generator) -> float:
        """See Range."""
        return self.mean + self.deviation * _normal(rng)


@dataclass(frozen=True, slots=True)
class Around:
    """Log-normal: median, and the factor that one standard deviation is."""

    median: float
    factor: float

    def draw(self, rng: np.random.Generator) -> float:
        """See Range."""
        return self.median * float(self.factor ** _normal(rng))


def _normal(rng: np.random.Generator) -> float:
    return float(np.clip(rng.standard_normal(), -_TAIL, _TAIL))


@dataclass(frozen=True, slots=True)
class VibrationRange:
    """One vibration of a beat: peak acceleration as a share of the opening's, and its numbers (`edge.twin.heart`)."""

    share: Range
    frequency_hz: Range
    width_s: Range
    delay_s: Range
    """After the R peak; of those that say so, after the closure of the aortic valve."""
    after_closure: bool = False
    at_base: bool = False
    atrial: bool = False


@dataclass(frozen=True, slots=True)
class StatusRanges:
    """What one of MMECG's states does to a person."""

    breaths_bpm: Range
    depth_mm: Range
    irregular: Range  # spread of the breaths' lengths and depths
    pause_share: float  # of the breaths that are followed by a pause
    faster_bpm: Range  # than at rest, at the start
    recovery_s: float  # in which that wears off to a third
    mild_per_minute: float
    extensive_per_minute: float


RHYTHMS: dict[Rhythm, float] = {"sinus": 0.8, "af": 0.1, "ectopic": 0.1}  # [A]: rarer in a crowd, but to be learnt
STATUSES: dict[Status, float] = {"NB": 0.4, "IB": 0.2, "PE": 0.2, "SP": 0.2}  # [A]

STATUS: dict[Status, StatusRanges] = {
    # Rates and depths of quiet breathing, after effort and in sleep: physiology's textbook ranges; the rest [A].
    "NB": StatusRanges(Near(15, 3), Around(5, 1.5), Around(0.08, 1.5), 0.02, Near(0, 3), 60, 0.25, 0.08),
    "IB": StatusRanges(Near(16, 4), Around(6, 1.6), Around(0.30, 1.3), 0.15, Near(2, 4), 60, 0.4, 0.1),
    "PE": StatusRanges(Near(24, 4), Around(10, 1.4), Around(0.12, 1.4), 0.01, Between(15, 55), 90, 0.5, 0.15),
    "SP": StatusRanges(Near(13, 2), Around(6, 1.4), Around(0.06, 1.5), 0.03, Near(-7, 3), 1e9, 0.05, 0.03),
}
PAUSE_S = Between(2, 8)
RECOVERY_DEPTH = 0.4  # share of the breaths' depth after effort that wears off with the rate
IN_SHARE = Near(0.40, 0.04)  # of a breath; out takes about half of it, and the rest is a pause
OUT_SHARE = Between(0.42, 0.56)

# Rhythm: depths and spreads are shares of the cycle.
RESTING_BPM = Near(75, 12)  # [C]
BREATH_DEPTH = Around(0.018, 2.3)  # [C]
MAYER_DEPTH = Around(0.012, 1.6)  # [T]
DRIFT = Around(0.012, 1.5)  # of each of the memories below; together about 1/f [T]
DRIFT_MEMORIES = (0.6, 0.95, 0.995)
JITTER = Around(0.004, 1.8)  # [C]
FIBRILLATION_BPM = Near(86, 16)
FIBRILLATION_SPREAD = Between(0.15, 0.30)
ECTOPIC_SHARE = Around(0.05, 1.8)
ECTOPIC_COUPLING = Between(0.50, 0.75)

# The heart's vibrations. Pre-ejection about 0.08 to 0.1 s and ejection 0.3 s in a cycle of one second [W].
OPENING_MM_S2 = Around(130, 1.9)  # [C]
CLOSURE_DELAY_S = Near(0.385, 0.028)
PULSE_MM = Around(0.20, 1.6)
PULSE_WIDTH_S = Between(0.09, 0.15)
PULSE_DELAY_S = Near(0.22, 0.03)
_SAME = Between(1, 1)
VIBRATIONS = (
    VibrationRange(_SAME, Around(8.0, 1.3), Around(0.055, 1.3), Near(0.085, 0.018)),  # opening [C]
    VibrationRange(Around(0.9, 1.7), Around(8.5, 1.35), Around(0.050, 1.3), Near(0, 0.008), True, at_base=True),
    VibrationRange(Around(0.4, 1.9), Around(12.0, 1.3), Around(0.030, 1.3), Near(0.035, 0.012)),  # mitral closure [A]
    VibrationRange(Around(0.4, 1.8), Around(6.0, 1.3), Around(0.070, 1.3), Near(0.19, 0.03)),  # ejection's ringing
    VibrationRange(Around(0.4, 1.9), Around(5.5, 1.3), Around(0.060, 1.3), Near(0.14, 0.02), True),  # filling, third
    VibrationRange(Around(0.2, 2.0), Around(7.0, 1.3), Around(0.045, 1.3), Near(-0.09, 0.02), atrial=True),
)
PHASE_RAD = Between(-math.pi, math.pi)
# From beat to beat [C].
STRENGTH_SPREAD = Around(0.09, 1.6)
FREQUENCY_SPREAD = Around(0.02, 1.6)
DELAY_SPREAD_S = Around(0.002, 1.6)
FILLING = Between(0.2, 1.0)
ECTOPIC_STRENGTH = Between(0.35, 0.8)
BREATH_STRENGTH = Between(-0.2, 0.2)
BREATH_DELAY_S = Between(-0.003, 0.003)

# The chest and the place in front of the radar [A].
APEX_M = (Near(0.05, 0.015), Near(-0.04, 0.02))
BASE_M = (Near(0.00, 0.015), Near(0.06, 0.02))
REACH_M = Between(0.05, 0.12)
FLOOR = Between(0.08, 0.35)
SLOPE_PER_M = Between(0, 18)
WAVE_M_S = Between(4, 15)
RANGE_M = Between(0.38, 0.60)
AZIMUTH_DEG = Near(0, 6)

# Noise. Unrest is the sitting body's own acceleration, in the heart's band, over the heart's own.
UNREST_TO_HEART = Around(0.18, 2.5)  # [C]: most people sit quietly, some bury their heartbeat
UNREST_HZ = Around(5.5, 1.4)  # [C]
UNREST_OCTAVES = 1.4  # width of its band [C]
SWAY_MM = Around(0.3, 1.8)  # slower than SWAY_HZ
SWAY_HZ = 0.5
NOISE_COUNTS = Around(3, 2.2)  # [C]
PHASE_NOISE_RAD = Around(1e-3, 1.7)
SLIPS_PER_TRIAL = Around(0.5, 2)  # of one point's phase, by a turn

# Movements.
MILD_MM, MILD_S = Between(2, 10), Between(0.6, 2.5)
EXTENSIVE_MM, EXTENSIVE_S = Between(25, 80), Between(1.0, 3.5)
MOVEMENT_PARTS = Between(1, 6)  # shorter ones within, one after another and at once
PART_SHARE = Between(0.4, 1.0)  # of the whole movement's length

# The ECG, of a lead at LEAD_DEG [A]; times of a cycle of one second.
AXIS_DEG = Near(50, 28)
LEAD_DEG = 60.0
R_MV = Around(1.2, 1.35)
R_WIDTH_S = Around(0.011, 1.15)
Q_SHARE, S_SHARE = Around(0.09, 1.8), Around(0.2, 1.8)
P_MV, P_DELAY_S, P_WIDTH_S = Around(0.11, 1.4), Near(-0.155, 0.018), Around(0.022, 1.15)
T_SHARE, T_DELAY_S, T_WIDTH_S = Near(0.27, 0.11), Near(0.285, 0.022), Around(0.042, 1.15)  # of R; some are inverted
FIBRILLATION_MV, FIBRILLATION_HZ = Around(0.035, 1.5), Between(4.5, 8)
ECTOPIC_MV, ECTOPIC_WIDTH_S = Around(1.4, 1.3), Between(0.028, 0.042)
ECG_NOISE_MV = Around(0.008, 1.6)
WANDER_MV = Around(0.06, 1.7)
