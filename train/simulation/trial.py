"""Fast simulation of a trial: the displacement of 50 chest points without radar frames.

The displacement measured at a point is a mean over the scatterers in its beam, weighted by their contribution to the
echo: strength, beam, and a random phase. Some weights are negative, so that some points measure the heart's motion
inverted, and some hardly at all. The RCG is its second derivative, computed as on the device, with radar noise.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import fft, special

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Float32, Float64
from edge.dsp.frontend.phase import SecondDerivative
from edge.dsp.frontend.point_selection import POINTS, POWER_GATE_DB
from edge.twin.ecg import ecg_mv
from edge.twin.rhythm import Beat
from edge.twin.scene import CHEST_HALF_M, Scene, breath_share
from train.data.trial import Trial
from train.simulation.session import Session

SAMPLES = 35_505
"""Length of a trial of MMECG: 177.5 s."""
WAVELENGTH_MM = 3.85  # of MMECG's chirp, at the middle of its samples
CANDIDATES = 300
BEAM_M = (0.05, 0.13)  # size of a point's beam on the chest, sideways and upwards (standard deviations)
# Measured with the frame simulation (`bench/simulation.py`): displacement noise common to all points, per rad of the
# chirps' phase noise, and of each point, per count of thermal noise relative to its echo.
COMMON_MM_PER_RAD = 0.27
OWN_MM = 0.008
BIN_MM = 45.0  # a chest that has moved this far is outside its range bin: the echo is LEFT_DB weaker
LEFT_DB = 30.0
SLIP_S = 0.02
_EDGE = 3  # samples needed by the derivative on both sides
_PAD_S = 1.0  # padding, because the Fourier transform is circular


def simulate(session: Session, samples: int = SAMPLES) -> Trial:
    """Simulate a trial of the session with so many samples; reproducible."""
    subject, scene = session.subject, session.scene
    rng = np.random.default_rng((*session.seed, 1))
    t_s = (np.arange(samples + 2 * _EDGE) - _EDGE) / RCG_RATE_HZ
    weights, places, echo_counts = _points(rng, scene)
    moved = _cardiac(scene, weights, t_s) + _trunk(scene, weights, t_s)
    moved += _noise(rng, scene, echo_counts, t_s)
    for at_s, point in session.slips:
        sign = 1 if point * POINTS % 1 < 0.5 else -1
        moved[int(point * POINTS)] += sign * WAVELENGTH_MM / 4 * special.erf((t_s - at_s) / SLIP_S)
    rcg = SecondDerivative(RCG_RATE_HZ).push(moved, np.ones(len(t_s), bool))[1][:, 2 * _EDGE :]
    seconds = samples / RCG_RATE_HZ
    return Trial(
        name=f"{subject.name}-{session.number}",
        subject=subject.name,
        rcg=rcg.astype(np.float32),
        ecg=_ecg(rng, session, scene.heart.beats(-1, seconds + 1), samples),
        r_peaks_s=scene.heart.beats_s(0, seconds),
        points_m=places,
        moving=scene.body.moving(np.arange(samples) / RCG_RATE_HZ),
        status=session.status,
        rhythm=subject.rhythm,
    )


def _points(rng: np.random.Generator, scene: Scene) -> tuple[Float64, Float64, Float64]:
    """Return scatterer weights [POINTS, P], rows summing to 1; places [POINTS, 3]; echo strengths [POINTS] in counts.

    Points are selected as by the front end (`edge.dsp.frontend.point_selection`): those with a strong echo and the
    largest heart motion.
    """
    x, z = scene.chest_xz_m
    at_x, at_z = (rng.uniform(-half, half, CANDIDATES) for half in CHEST_HALF_M)
    beam = np.exp(-((at_x[:, None] - x) ** 2) / (2 * BEAM_M[0] ** 2) - (at_z[:, None] - z) ** 2 / (2 * BEAM_M[1] ** 2))
    echoes = beam * scene.counts(scene.points_m[None], np.zeros(1))[0] * np.exp(2j * math.pi * rng.random(len(x)))
    total = echoes.sum(axis=1)
    weights = (echoes / total[:, None]).real
    strength = np.abs(total)
    sensed = np.abs(weights @ scene.spread.reached(scene.spread.apex_m, x, z)[0])
    strong = strength > strength.max() * 10 ** (-POWER_GATE_DB / 20)
    # The stronger the echo, the lower the noise. Weak ones are chosen only where too few are strong, by their strength:
    # the order of equal values would differ between processors.
    best = np.lexsort((strength, np.where(strong, sensed * np.sqrt(strength), 0)))[::-1]
    best = best[: np.clip(np.count_nonzero(strong), POINTS, 3 * POINTS)]
    chosen = np.sort(rng.choice(best, POINTS, replace=False))
    return weights[chosen], scene.surface_m(at_x[chosen], at_z[chosen]), strength[chosen]


def _cardiac(scene: Scene, weights: Float64, t_s: Float64) -> Float64:
    """Return the heart's motion [POINTS, n] in mm, each scatterer with its share and delay, as one filter per point."""
    x, z = scene.chest_xz_m
    pad = round(_PAD_S * RCG_RATE_HZ)
    count = fft.next_fast_len(len(t_s) + 2 * pad, real=True)
    longer_s = t_s[0] - _PAD_S + np.arange(count) / RCG_RATE_HZ
    turn = -2j * math.pi * fft.rfftfreq(count, 1 / RCG_RATE_HZ)
    sensed = np.zeros((len(weights), len(turn)), complex)
    for spot, at_base in ((scene.spread.apex_m, False), (scene.spread.base_m, True)):
        share, late_s = scene.spread.reached(spot, x, z)
        sensed += ((weights * share) @ np.exp(np.outer(late_s, turn))) * fft.rfft(
            scene.heart.displacement_mm(longer_s, at_base)
        )
    return np.asarray(fft.irfft(sensed, count)[:, pad : pad + len(t_s)])


def _trunk(scene: Scene, weights: Float64, t_s: Float64) -> Float64:
    """Return breathing, unrest and movements [POINTS, n] in mm, as derived from an unwrapped phase.

    A step of more than a quarter of the wavelength between two samples is unwrapped to the opposite direction.
    """
    breath = np.outer(weights @ breath_share(scene.chest_xz_m[1]), scene.body.breath_mm(t_s))
    lean = scene.body.lean_mm(t_s)[:, 1]
    half = WAVELENGTH_MM / 2
    step = np.diff(lean, prepend=lean[0])
    return breath + np.cumsum(step - half * np.rint(step / half))


def _noise(rng: np.random.Generator, scene: Scene, echo_counts: Float64, t_s: Float64) -> Float64:
    """Return the radar's white noise [POINTS, n] in mm; it rises if the chest leaves its range bin."""
    common = COMMON_MM_PER_RAD * scene.phase_noise_rad * rng.standard_normal(len(t_s))
    away = np.minimum(np.abs(scene.body.lean_mm(t_s)[:, 1]) / BIN_MM, 1)
    own = OWN_MM * scene.noise_counts / echo_counts[:, None] * 10 ** (LEFT_DB / 20 * away)
    return np.asarray(common + own * rng.standard_normal((len(echo_counts), len(t_s))))


def _ecg(rng: np.random.Generator, session: Session, beats: list[Beat], samples: int) -> Float32:
    """Return the ECG in mV with amplifier noise; its baseline follows breathing and drifts."""
    t_s = np.arange(samples) / RCG_RATE_HZ
    breath = session.scene.body.breath_mm(t_s)
    drift = np.cumsum(rng.standard_normal(samples)) / math.sqrt(samples)
    wander = session.wander_mv * (breath / (np.ptp(breath) + 1e-9) + drift)
    ecg = ecg_mv(beats, session.subject.ecg, samples, RCG_RATE_HZ, wander)
    return (ecg + session.ecg_noise_mv * rng.standard_normal(samples)).astype(np.float32)
