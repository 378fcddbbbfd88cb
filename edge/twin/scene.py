"""Scenes: a person's position in front of the radar, the events, and the ground truth.

Positions are in metres in the radar's coordinates (`edge.radar.antennas`): x sideways, y away from the board, z up.
A chest is an elliptic cylinder, slightly bent from head to foot, that always faces the radar. The heart's motion
propagates over it from its origin (`spread`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from edge.core.types import Bool, Float64
from edge.radar.antennas import AWR1843
from edge.twin.body import Body, Movement
from edge.twin.heart import Heart
from edge.twin.spread import Spread

SCATTERERS = 80
CHEST_HALF_M = (0.13, 0.16)  # half its width and height
CURVE_M = (0.17, 0.11)  # half axes of a trunk's cross section: sideways, front to back
BEND_RADIUS_M = 0.8
CHEST_COUNTS = 50.0  # median strength of a scatterer that faces the radar at REFERENCE_M
REFERENCE_M = 0.45

BEAM_DEG = (28.0, 14.0)  # one way, -3 dB, azimuth and elevation (SPRUIM4)
WALK_M, WALK_S = 2.2, 2.0  # a person who leaves walks this distance in this time, then gives no echo

# Static objects: x, y, z, ADC counts. Leakage between the antennas (bins 0 to 3), a chair, a table, a wall.
CLUTTER = np.array(
    [
        [0.01, 0.02, 0.00, 1500.0],
        [0.02, 0.07, 0.00, 800.0],
        [0.00, 0.12, 0.02, 600.0],
        [-0.15, 0.72, -0.25, 40.0],
        [0.30, 0.95, -0.30, 90.0],
        [0.00, 2.60, 0.20, 150.0],
    ]
)


@dataclass(frozen=True, slots=True)
class Absence:
    """An absence: the person walks away from `start_s` on and is back in place at `end_s`."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class PhaseStep:
    """A phase step: from `start_s` on, the phase of every echo on every channel is increased by `rad`."""

    start_s: float
    rad: float


@dataclass(frozen=True)
class Scene:
    """A person, the events and the radar's noise. Range and angles are those of the middle of the chest.

    things: static objects in addition to CLUTTER, each x, y, z and strength.
    noise_counts: thermal noise of one complex sample.
    phase_noise_rad: phase noise of one chirp, common to its receivers.
    """

    heart: Heart = field(default_factory=Heart)
    body: Body = field(default_factory=Body)
    spread: Spread = field(default_factory=Spread)
    range_m: float = 0.45
    azimuth_deg: float = 0.0
    elevation_deg: float = 0.0
    absences: tuple[Absence, ...] = ()
    phase_steps: tuple[PhaseStep, ...] = ()
    things: tuple[tuple[float, float, float, float], ...] = ()
    noise_counts: float = 8.0
    phase_noise_rad: float = 1e-3
    chest_seed: int = 1

    @cached_property
    def points_m(self) -> Float64:
        """Scatterers [P, 3] at rest."""
        return np.asarray((self._chest_points + [0, self.range_m, 0]) @ self._rotation.T)

    @property
    def heart_m(self) -> Float64:
        """Position [3] on the chest at rest where the heart's motion starts."""
        x, z = np.array(self.spread.apex_m)
        return self.surface_m(x, z)

    @property
    def chest_xz_m(self) -> Float64:
        """Positions [2, P] of the scatterers on the chest: sideways and up from its middle."""
        return np.asarray(self._chest_points[:, [0, 2]].T)

    def surface_m(self, x: Float64, z: Float64) -> Float64:
        """Return the positions [..., 3] of points on the chest at x and z from its middle."""
        return np.asarray(np.stack([x, self.range_m + _depth_m(x, z), z], axis=-1) @ self._rotation.T)

    @cached_property
    def reflectivity(self) -> Float64:
        """Strength [P] of each scatterer in ADC counts, at REFERENCE_M and in the middle of the beam.

        Strongest where the surface faces the radar, with random variation as of skin and clothes.
        """
        tilt = self._chest_points[:, 0] / CURVE_M[0]  # 0 where it faces the radar, 1 where it faces the side
        uneven = np.exp(0.7 * np.random.default_rng((self.chest_seed, 1)).standard_normal(SCATTERERS))
        return np.asarray(CHEST_COUNTS * uneven * np.exp(-((tilt / 0.5) ** 2)))

    def positions_m(self, t_s: Float64) -> Float64:
        """Return the scatterers' positions [n, P, 3] at times [n]."""
        x, _, z = self._chest_points.T
        breath_mm = breath_share(z) * self.body.breath_mm(t_s)[:, None]
        outward_mm = breath_mm + self.spread.motion_mm(self.heart, t_s[:, None], x, z)
        moved = self.body.lean_mm(t_s)[:, None, :] * 1e-3
        moved = np.broadcast_to(moved, (len(t_s), SCATTERERS, 3)).copy()
        moved[..., 1] += outward_mm * 1e-3 + self._walked_m(t_s)[:, None]
        return np.asarray(self.points_m + moved @ self._rotation.T)

    def counts(self, points_m: Float64, t_s: Float64) -> Float64:
        """Return the echo strengths [n, P] in ADC counts of scatterers [n, P, 3] at times [n].

        They depend on the distance, the antennas' beam and the person's presence.
        """
        x, y, z = np.moveaxis(points_m, -1, 0)
        range_m = np.sqrt(x**2 + y**2 + z**2)
        away_db = 6 * ((np.degrees(np.arctan2(x, y)) / BEAM_DEG[0]) ** 2 + (np.degrees(z / range_m) / BEAM_DEG[1]) ** 2)
        strength = self.reflectivity * (REFERENCE_M / range_m) ** 2 * 10 ** (-away_db / 20)
        return np.asarray(strength * self.in_view(t_s)[:, None])

    def cardiac_mm(self, t_s: Float64, points_m: Float64) -> Float64:
        """Return the heart's motion [n, P] at points [P, 3] of the chest, positive away from the radar."""
        x, _, z = self._on_chest(points_m).T
        return self.spread.motion_mm(self.heart, t_s[:, None], x, z)

    def cardiac_mm_s2(self, t_s: Float64, points_m: Float64) -> Float64:
        """Return the second derivative [n, P] of `cardiac_mm`, in mm/s^2."""
        h = 2e-4
        before, now, after = (self.cardiac_mm(t_s + shift, points_m) for shift in (-h, 0, h))
        return (before - 2 * now + after) / h**2

    def on_chest(self, points_m: Float64, margin_m: float = 0.03) -> Bool:
        """Return which of the points [n, 3] are on the chest's surface, within the margin."""
        local = self._on_chest(points_m)
        across = np.abs(local[:, [0, 2]]) <= np.array(CHEST_HALF_M) + margin_m
        deep = np.abs(local[:, 1] - _depth_m(local[:, 0], local[:, 2])) <= margin_m
        return np.asarray(across.all(axis=1) & deep)

    def in_view(self, t_s: Float64) -> Bool:
        """Return at which of the times [n] the person gives an echo, walking or seated."""
        here = np.ones(len(t_s), bool)
        for a in self.absences:
            here &= (t_s < a.start_s + WALK_S) | (t_s >= a.end_s - WALK_S)
        return here

    def activity(self, t_s: float) -> str:
        """Return what the person does at a time: "sits still", "moves" or "is away" (or walks)."""
        if any(a.start_s <= t_s < a.end_s for a in self.absences):
            return "is away"
        return "moves" if self.body.moving(np.array([t_s]))[0] else "sits still"

    @cached_property
    def _rotation(self) -> Float64:
        """Rotation matrix [3, 3] from coordinates in which the person is straight ahead."""
        azimuth, elevation = np.radians([self.azimuth_deg, self.elevation_deg])
        sin_a, cos_a, sin_e, cos_e = np.sin(azimuth), np.cos(azimuth), np.sin(elevation), np.cos(elevation)
        up = np.array([[1, 0, 0], [0, cos_e, -sin_e], [0, sin_e, cos_e]])
        return np.asarray(np.array([[cos_a, sin_a, 0], [-sin_a, cos_a, 0], [0, 0, 1]]) @ up)

    @cached_property
    def _chest_points(self) -> Float64:
        """Scatterers [P, 3] at random positions on the surface, whose middle is the origin."""
        rng = np.random.default_rng((self.chest_seed, 0))
        x, z = (rng.uniform(-half, half, SCATTERERS) for half in CHEST_HALF_M)
        return np.stack([x, _depth_m(x, z), z], axis=1)

    def _on_chest(self, points_m: Float64) -> Float64:
        return np.asarray(points_m @ self._rotation - [0, self.range_m, 0])

    def _walked_m(self, t_s: Float64) -> Float64:
        walked = np.zeros(len(t_s))
        for a in self.absences:
            step = np.clip(np.minimum(t_s - a.start_s, a.end_s - t_s) / WALK_S, 0, 1)
            walked += WALK_M * step**2 * (3 - 2 * step)
        return walked


def breath_share(z: Float64) -> Float64:
    """Return the breathing motion relative to the chest's middle: the belly moves more than the collarbones."""
    return np.asarray(1 - 0.5 * z)


def _depth_m(x: Float64, z: Float64) -> Float64:
    """Return the depth of the chest's surface behind its foremost point."""
    side, front = CURVE_M
    return np.asarray(front * (1 - np.sqrt(np.clip(1 - (x / side) ** 2, 0, None))) + z**2 / (2 * BEND_RADIUS_M))


SCENES = {
    "still": Scene(body=Body(breathing_mm=4.0)),
    "breathing": Scene(body=Body(breathing_mm=12.0)),
    "off_axis": Scene(azimuth_deg=20.0),
    "rbm_mild": Scene(body=Body(movements=(Movement(20, 1.5, 5), Movement(40, 1, 8, 3)))),
    "rbm_extensive": Scene(body=Body(movements=(Movement(20, 2.5, 80, 20), Movement(40, 3, -60, 40)))),
    "leaving": Scene(absences=(Absence(20, 35),)),
    # The demo's story. It begins with 30 s without an event; 15 s after an event, a heart rate is there again.
    "tour": Scene(body=Body(breathing_mm=4.0, movements=(Movement(32, 3, 60, 30),)), absences=(Absence(50, 62),)),
    "phase_steps": Scene(phase_steps=(PhaseStep(15, 2.0), PhaseStep(33.2, -2.6))),
    # No person: a corner reflector 1 m straight ahead of the antennas' centre, for calibration.
    "reflector": Scene(
        absences=(Absence(-WALK_S, math.inf),), things=((*(AWR1843.middle_m + [0, 1, 0]).tolist(), 3000.0),)
    ),
}
"""Defaults: 0.45 m away, breathing 6 mm 15 times a minute; times are in seconds."""
