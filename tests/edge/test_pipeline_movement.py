"""A person who moves, leaves and returns: no wrong rate, no rate meanwhile, and soon afterwards a rate again."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from edge.twin.body import Body, Movement
from edge.twin.heart import Heart
from edge.twin.scene import SCENES, Absence, Scene
from tests.helpers.chain import SECOND_NS, assert_right_when_valid, at, outcome
from tests.helpers.chest import frames, frames_of

more = partial(pytest.param, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def chirp(mmecg_100):
    return mmecg_100


@pytest.mark.parametrize("movement", [Movement(16, 2, 40), more(Movement(16, 4, 15)), more(Movement(16, 1, 120))])
def test_a_body_movement_is_flagged_at_once_and_silences_the_rate_until_it_is_right(chirp, movement):
    heart = Heart(70)
    seen = outcome(chirp, frames(chirp, heart, Body(movements=(movement,)), seconds=35))
    assert at(seen, 14, 16)[-1].heart_rate_bpm is not None
    if movement.amplitude_mm > 15:
        during = at(seen, 16.5, 22)
        assert "body_movement" in during[0].quality.flags
        assert "body_movement" not in during[-1].quality.flags
        assert all(v.heart_rate_bpm is None for v in during)
    for v in seen:
        if v.heart_rate_bpm is not None:
            assert v.heart_rate_bpm == pytest.approx(heart.rate_bpm(v.t_ns / SECOND_NS, 10), abs=4)
    assert seen[-1].heart_rate_bpm is not None


def assert_silent_while_away(seen, scene: Scene) -> None:
    t_s = np.array([v.t_ns / SECOND_NS for v in seen])
    gone = scene.body.moving(t_s) & scene.body.moving(t_s - 2)
    for absence in scene.absences:
        gone |= (t_s - 2 >= absence.start_s) & (t_s < absence.end_s)
    assert all(v.heart_rate_bpm is None for v, away in zip(seen, gone, strict=True) if away)


@pytest.mark.parametrize(
    ("name", "start_s", "end_s", "min_valid"),
    [
        ("off_axis", 0, 17, 4),
        more("rbm_mild", 4, 36, 8),
        more("rbm_extensive", 4, 38, 8),
        more("phase_steps", 0, 24, 9),
    ],
)
def test_no_scene_gives_a_wrong_rate(chirp, name, start_s, end_s, min_valid):
    scene = SCENES[name]
    seen = outcome(chirp, frames_of(chirp, scene, start_s, end_s))
    assert assert_right_when_valid(seen, scene.heart) >= min_valid
    assert_silent_while_away(seen, scene)


def test_a_person_who_leaves_has_no_rate_and_16_s_after_the_return_has_one(chirp):
    """2 s until the body is still, 4 s to select points again, 10 s of history; earlier points are not usable."""
    scene, back_s = replace(SCENES["leaving"], absences=(Absence(16, 28),)), 28
    seen = outcome(chirp, frames_of(chirp, scene, 0, back_s + 20))
    assert_right_when_valid(seen, scene.heart)
    assert_silent_while_away(seen, scene)
    assert at(seen, 14, 16)[-1].heart_rate_bpm is not None
    assert all(v.heart_rate_bpm is not None for v in at(seen, back_s + 16, back_s + 20))
