"""Distributions of all random numbers of the simulation: people, chests, rooms and recordings.

Edit this file to calibrate the simulation.

[A]: engineering assumption. [W]: Weissler et al., Circulation 37 (1968) 149, systolic time intervals. [T]: Task Force,
Circulation 93 (1996) 1043, heart rate variability. [U]: observed in public radar recordings with ECG (spectrum of the
acceleration peaks at 4 to 14 Hz, hardly anything above 25 Hz). [C]: calibrated so that the simulation's statistics
match real recordings. [G]: cycles of 25 people at rest and in effort (GUDB, Howell and Porr, CC BY 3.0). [M]: two
records of the MIT-BIH arrhythmia database. [S]: seismocardiograms of 18 people (CEBS, Garcia-Gonzalez et al.). See
docs/twin-calibration.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from train.data.trial import Rhythm, Status

_MAX_DEVIATIONS = 2.5  # normal draws are clipped to so many standard deviations


class Range(Protocol):
    """Distribution of one number."""

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        ...


@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform distribution."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """See Range."""
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal distribution, clipped."""

    mean: float
    deviation: float

    def draw(self, rng: np.random.Generator) -> float:
        """See Range."""
        return self.mean + self.deviation * _normal(rng)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Log-normal distribution, clipped: median, and the factor of one standard deviation."""

    median: float
    factor: float

    def draw(self, rng: np.random.Generator) -> float:
        """See Range."""
        return self.median * float(self.factor ** _normal(rng))


def _normal(rng: np.random.Generator) -> float:
    return float(np.clip(rng.standard_normal(), -_MAX_DEVIATIONS, _MAX_DEVIATIONS))


@dataclass(frozen=True, slots=True)
class VibrationRange:
    """One vibration of a beat: peak acceleration relative to the opening's, and its parameters (`edge.twin.heart`)."""

    share: Range
    frequency_hz: Range
    width_s: Range
    delay_s: Range
    """After the R peak; with `after_closure`, after the closure of the aortic valve."""
    after_closure: bool = False
    at_base: bool = False
    atrial: bool = False


@dataclass(frozen=True, slots=True)
class StatusRanges:
    """Breathing, heart rate and movements in one of MMECG's states."""

    breaths_bpm: Range
    depth_mm: Range
    irregular: Range  # spread of the breaths' lengths and depths
    pause_share: float  # fraction of breaths followed by a pause
    faster_bpm: Range  # increase over the resting rate at the start
    recovery_s: float  # time in which the increase falls to a third
    mild_per_minute: float
    extensive_per_minute: float


RHYTHMS: dict[Rhythm, float] = {
    "sinus": 0.8,
    "af": 0.1,
    "ectopic": 0.1,
}  # [A]: more frequent than in a population, for training
STATUSES: dict[Status, float] = {"NB": 0.4, "IB": 0.2, "PE": 0.2, "SP": 0.2}  # [A]

STATUS: dict[Status, StatusRanges] = {
    # Rates and depths of quiet breathing, after effort and in sleep: physiology's textbook ranges; the rest [A].
    "NB": StatusRanges(Normal(15, 3), LogNormal(5, 1.5), LogNormal(0.08, 1.5), 0.02, Normal(0, 3), 60, 0.25, 0.08),
    "IB": StatusRanges(Normal(16, 4), LogNormal(6, 1.6), LogNormal(0.30, 1.3), 0.15, Normal(2, 4), 60, 0.4, 0.1),
    "PE": StatusRanges(Normal(24, 4), LogNormal(10, 1.4), LogNormal(0.12, 1.4), 0.01, Uniform(25, 105), 90, 0.5, 0.15),
    "SP": StatusRanges(Normal(13, 2), LogNormal(6, 1.4), LogNormal(0.06, 1.5), 0.03, Normal(-7, 3), 1e9, 0.05, 0.03),
}
PAUSE_S = Uniform(2, 8)
RECOVERY_DEPTH = 0.4  # fraction of the breaths' depth after effort that falls with the rate
IN_SHARE = Normal(0.40, 0.04)  # of a breath; exhalation takes about half of it, the rest is a pause
OUT_SHARE = Uniform(0.42, 0.56)

# Rhythm: depths and spreads are shares of the cycle.
RESTING_BPM = Normal(75, 12)  # [C]
MAX_BPM = 180.0
EFFORT_CALM = 1.5  # depths and spreads fall with this power of the rate after effort [G]
BREATH_DEPTH = LogNormal(0.022, 2.1)  # [G]
MAYER_DEPTH = LogNormal(0.016, 1.6)  # [T, G]
DRIFT = LogNormal(0.032, 1.5)  # of each of the time constants below; together about 1/f [T, G]
DRIFT_MEMORIES = (0.6, 0.95, 0.995)
JITTER = LogNormal(0.006, 1.8)  # [G]
FIBRILLATION_BPM = LogNormal(88, 1.25)
MAX_FIBRILLATION_BPM = 150.0
FIBRILLATION_SPREAD = Uniform(0.12, 0.30)
ECTOPIC_SHARE = LogNormal(0.05, 1.8)
ECTOPIC_COUPLING, ECTOPIC_COUPLING_SPREAD = Uniform(0.50, 0.88), LogNormal(0.03, 1.5)  # [M]
ECTOPIC_EVERY = (0, 0, 2, 3)  # half of the people have phases of bigeminy or trigeminy [M]
ECTOPIC_ATRIAL_SHARE = 0.4  # of the people with premature beats [A]

# The heart's vibrations. Pre-ejection about 0.08 to 0.1 s and ejection 0.3 s in a cycle of one second [W].
OPENING_MM_S2 = LogNormal(130, 1.9)  # [C]
CLOSURE_DELAY_S = Normal(0.385, 0.028)
PULSE_MM = LogNormal(0.20, 1.6)
PULSE_WIDTH_S = Uniform(0.09, 0.15)
PULSE_DELAY_S = Normal(0.22, 0.03)
_SAME = Uniform(1, 1)
VIBRATIONS = (
    VibrationRange(_SAME, LogNormal(8.0, 1.4), LogNormal(0.055, 1.3), Normal(0.085, 0.020)),  # opening [C, S]
    VibrationRange(
        LogNormal(0.9, 1.7), LogNormal(8.5, 1.4), LogNormal(0.050, 1.3), Normal(0, 0.008), True, at_base=True
    ),
    VibrationRange(
        LogNormal(0.4, 2.6), LogNormal(13.0, 1.4), LogNormal(0.030, 1.3), Normal(0.035, 0.012)
    ),  # mitral closure, the strongest in some people [S]
    VibrationRange(
        LogNormal(0.4, 1.8), LogNormal(6.0, 1.3), LogNormal(0.070, 1.3), Normal(0.19, 0.03)
    ),  # vibration during ejection
    VibrationRange(
        LogNormal(0.4, 1.9), LogNormal(5.5, 1.3), LogNormal(0.060, 1.3), Normal(0.14, 0.02), True
    ),  # filling, third
    VibrationRange(LogNormal(0.2, 2.0), LogNormal(7.0, 1.3), LogNormal(0.045, 1.3), Normal(-0.09, 0.02), atrial=True),
)
PHASE_RAD = Uniform(-math.pi, math.pi)
# From beat to beat [C].
STRENGTH_SPREAD = LogNormal(0.09, 1.6)
FREQUENCY_SPREAD = LogNormal(0.02, 1.6)
DELAY_SPREAD_S = LogNormal(0.0015, 1.6)
FILLING = Uniform(0.2, 1.0)
ECTOPIC_STRENGTH = Uniform(0.35, 0.8)
BREATH_STRENGTH = Uniform(-0.2, 0.2)
BREATH_DELAY_S = Uniform(-0.003, 0.003)

# The chest and its position in front of the radar [A].
APEX_M = (Normal(0.05, 0.015), Normal(-0.04, 0.02))
BASE_M = (Normal(0.00, 0.015), Normal(0.06, 0.02))
REACH_M = Uniform(0.05, 0.12)
FLOOR = Uniform(0.08, 0.35)
SLOPE_PER_M = Uniform(0, 18)
WAVE_M_S = Uniform(4, 15)
RANGE_M = Uniform(0.38, 0.60)
AZIMUTH_DEG = Normal(0, 6)

# Noise. Unrest: acceleration of a sitting body in the heart's band, relative to that of the heart.
UNREST_TO_HEART = LogNormal(0.15, 2.5)  # [C]: low for most people, but can mask the heartbeat
UNREST_HZ = LogNormal(5.5, 1.4)  # [C]
UNREST_OCTAVES = 1.4  # width of its band [C]
SWAY_MM = LogNormal(0.3, 1.8)  # slower than SWAY_HZ
SWAY_HZ = 0.5
NOISE_COUNTS = LogNormal(3, 2.2)  # [C]
PHASE_NOISE_RAD = LogNormal(1e-3, 1.7)
SLIPS_PER_TRIAL = LogNormal(0.5, 2)  # phase slips of one point by one turn

# Movements.
MILD_MM, MILD_S = Uniform(2, 10), Uniform(0.6, 2.5)
EXTENSIVE_MM, EXTENSIVE_S = Uniform(25, 80), Uniform(1.0, 3.5)
MOVEMENT_PARTS = Uniform(1, 6)  # shorter movements within one, sequential and simultaneous
PART_SHARE = Uniform(0.4, 1.0)  # of the whole movement's length

# The ECG of a lead at LEAD_DEG [A]; times are for a cycle of one second.
AXIS_DEG = Normal(50, 28)
LEAD_DEG = 60.0
R_MV = LogNormal(1.2, 1.35)
R_WIDTH_S = LogNormal(0.011, 1.15)
Q_SHARE, S_SHARE = LogNormal(0.09, 1.8), LogNormal(0.2, 1.8)
P_MV, P_DELAY_S, P_WIDTH_S = LogNormal(0.11, 1.4), Normal(-0.155, 0.018), LogNormal(0.022, 1.15)
T_SHARE, T_DELAY_S, T_WIDTH_S = (
    Normal(0.27, 0.11),
    Normal(0.285, 0.022),
    LogNormal(0.042, 1.15),
)  # of R; some are inverted
FIBRILLATION_MV, FIBRILLATION_HZ = LogNormal(0.035, 1.5), Uniform(4.5, 8)
ECTOPIC_MV, ECTOPIC_WIDTH_S = LogNormal(1.4, 1.3), Uniform(0.028, 0.042)
ECG_NOISE_MV = LogNormal(0.008, 1.6)
WANDER_MV = LogNormal(0.06, 1.7)
