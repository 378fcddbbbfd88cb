"""Draws a simulated person: heart, ECG and chest from `ranges`, reproducible for the same seed and number."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edge.twin.ecg import EcgShape, Wave
from edge.twin.heart import Mechanics, Vibration
from edge.twin.spread import Spread
from train.data.trial import Rhythm
from train.simulation import ranges
from train.simulation.ranges import VibrationRange


@dataclass(frozen=True)
class Subject:
    """One person. `seed`: the set's seed and the person's number, from which the trials are drawn."""

    seed: tuple[int, int]
    rhythm: Rhythm
    resting_bpm: float
    breath_depth: float
    mayer_depth: float
    drift: tuple[tuple[float, float], ...]
    jitter: float
    rhythm_spread: float
    """Spread of the cycles in fibrillation."""
    ectopic_share: float
    ectopic_coupling: float
    ectopic_coupling_spread: float
    ectopic_every: int
    ectopic_atrial: bool
    mechanics: Mechanics
    spread: Spread
    ecg: EcgShape
    chest_seed: int

    @property
    def name(self) -> str:
        """Name, unique in the set."""
        return str(self.seed[1])


def draw_subject(seed: int, number: int) -> Subject:
    """Draw person `number` (from 1) of the set with this seed."""
    rng = np.random.default_rng((seed, number, 0))
    rhythm: Rhythm = rng.choice(list(ranges.RHYTHMS), p=list(ranges.RHYTHMS.values())).item()
    drift = ranges.DRIFT.draw(rng)
    resting = ranges.FIBRILLATION_BPM if rhythm == "af" else ranges.RESTING_BPM
    return Subject(
        seed=(seed, number),
        rhythm=rhythm,
        resting_bpm=max(45.0, resting.draw(rng)),
        breath_depth=ranges.BREATH_DEPTH.draw(rng),
        mayer_depth=ranges.MAYER_DEPTH.draw(rng),
        drift=tuple((memory, drift * math.sqrt(1 - memory**2)) for memory in ranges.DRIFT_MEMORIES),
        jitter=ranges.JITTER.draw(rng),
        rhythm_spread=ranges.FIBRILLATION_SPREAD.draw(rng),
        ectopic_share=min(0.4, ranges.ECTOPIC_SHARE.draw(rng)),
        ectopic_coupling=ranges.ECTOPIC_COUPLING.draw(rng),
        ectopic_coupling_spread=ranges.ECTOPIC_COUPLING_SPREAD.draw(rng),
        ectopic_every=int(rng.choice(ranges.ECTOPIC_EVERY)),
        ectopic_atrial=bool(rng.random() < ranges.ECTOPIC_ATRIAL_SHARE),
        mechanics=_mechanics(rng, rhythm),
        spread=_spread(rng),
        ecg=_ecg(rng, rhythm),
        chest_seed=int(rng.integers(2**32)),
    )


def _mechanics(rng: np.random.Generator, rhythm: Rhythm) -> Mechanics:
    opening_mm_s2 = ranges.OPENING_MM_S2.draw(rng)
    closure_s = ranges.CLOSURE_DELAY_S.draw(rng)
    pulse = Vibration(ranges.PULSE_MM.draw(rng), 0.0, ranges.PULSE_WIDTH_S.draw(rng), ranges.PULSE_DELAY_S.draw(rng))
    drawn = [_vibration(rng, one, opening_mm_s2, closure_s) for one in ranges.VIBRATIONS]
    present = [not one.atrial or rhythm != "af" for one in ranges.VIBRATIONS]
    return Mechanics(
        vibrations=(pulse, *(one for one, is_present in zip(drawn, present, strict=True) if is_present)),
        strength_spread=ranges.STRENGTH_SPREAD.draw(rng),
        frequency_spread=ranges.FREQUENCY_SPREAD.draw(rng),
        delay_spread_s=ranges.DELAY_SPREAD_S.draw(rng),
        filling=ranges.FILLING.draw(rng),
        ectopic_strength=ranges.ECTOPIC_STRENGTH.draw(rng),
        breath_strength=ranges.BREATH_STRENGTH.draw(rng),
        breath_delay_s=ranges.BREATH_DELAY_S.draw(rng),
    )


def _vibration(rng: np.random.Generator, one: VibrationRange, opening_mm_s2: float, closure_s: float) -> Vibration:
    frequency_hz = one.frequency_hz.draw(rng)
    return Vibration(
        amplitude_mm=one.share.draw(rng) * opening_mm_s2 / (2 * math.pi * frequency_hz) ** 2,
        frequency_hz=frequency_hz,
        width_s=one.width_s.draw(rng),
        delay_s=one.delay_s.draw(rng) + (closure_s if one.after_closure else 0),
        phase_rad=ranges.PHASE_RAD.draw(rng),
        at_base=one.at_base,
    )


def _spread(rng: np.random.Generator) -> Spread:
    apex_x, apex_z, base_x, base_z = (one.draw(rng) for one in (*ranges.APEX_M, *ranges.BASE_M))
    slope, direction_rad = ranges.SLOPE_PER_M.draw(rng), rng.uniform(0, 2 * math.pi)
    return Spread(
        apex_m=(apex_x, apex_z),
        base_m=(base_x, base_z),
        reach_m=ranges.REACH_M.draw(rng),
        floor=ranges.FLOOR.draw(rng),
        slope_per_m=(slope * math.cos(direction_rad), slope * math.sin(direction_rad)),
        wave_m_s=ranges.WAVE_M_S.draw(rng),
    )


def _ecg(rng: np.random.Generator, rhythm: Rhythm) -> EcgShape:
    along = math.cos(math.radians(ranges.AXIS_DEG.draw(rng) - ranges.LEAD_DEG))
    r_mv = ranges.R_MV.draw(rng) * max(along, 0.35)  # lower limit: an electrode with a smaller signal would be moved
    r_width_s = ranges.R_WIDTH_S.draw(rng)
    s_share = ranges.S_SHARE.draw(rng) * (2 - along)  # S is deeper if the axis is turned away from the lead
    t_mv, t_delay_s, t_width_s = (one.draw(rng) for one in (ranges.T_SHARE, ranges.T_DELAY_S, ranges.T_WIDTH_S))
    p = Wave(ranges.P_MV.draw(rng) * max(along, 0.35), ranges.P_DELAY_S.draw(rng), ranges.P_WIDTH_S.draw(rng), 0.25)
    ectopic_mv, ectopic_s = ranges.ECTOPIC_MV.draw(rng), ranges.ECTOPIC_WIDTH_S.draw(rng)
    f_mv, f_hz = ranges.FIBRILLATION_MV.draw(rng), ranges.FIBRILLATION_HZ.draw(rng)
    return EcgShape(
        atrial=() if rhythm == "af" else (p,),
        ventricular=(
            Wave(-min(ranges.Q_SHARE.draw(rng), 0.4) * r_mv, -2.5 * r_width_s, 0.8 * r_width_s),
            Wave(r_mv, 0.0, r_width_s),
            Wave(-min(s_share, 0.7) * r_mv, 2.7 * r_width_s, 0.9 * r_width_s),
            # The sum of two bell curves gives a T wave that rises more slowly than it falls.
            Wave(0.6 * t_mv * r_mv, t_delay_s - 0.03, 1.2 * t_width_s, 0.5),
            Wave(0.6 * t_mv * r_mv, t_delay_s + 0.02, 0.75 * t_width_s, 0.5),
        ),
        ectopic=(
            Wave(ectopic_mv, 0.0, ectopic_s),
            Wave(-0.25 * ectopic_mv, 3.5 * ectopic_s, 1.1 * ectopic_s),
            Wave(-0.25 * ectopic_mv, 0.34, 0.06, 0.5),
        ),
        fibrillation_mv=f_mv if rhythm == "af" else 0.0,
        fibrillation_hz=f_hz,
    )
