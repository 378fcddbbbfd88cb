"""Help for aiming the radar, on the twin: what moves where, the breathing, and the advice."""

import numpy as np
import pytest

from edge.core.types import Chest
from edge.dsp.frontend.placement import GOOD_ADVICE, Aim, advise
from edge.dsp.frontend.rcg import RcgExtractor

CHEST = Chest(0.5, 45.0, True)


@pytest.mark.parametrize(
    ("aim", "word"),
    [
        (Aim(True, None, CHEST, False, 0.0), "No radar frames"),
        (Aim(False, "wrong IQ order", CHEST, False, 0.0), "cannot be used"),
        (Aim(False, None, None, False, None), "4 seconds"),
        (Aim(False, None, Chest(0.5, 5.0, False), True, 0.0), "nothing that breathes"),
        (Aim(False, None, CHEST, True, 0.0), "Sit still"),
        (Aim(False, None, Chest(0.25, 60.0, True), False, 0.0), "Too close"),
        (Aim(False, None, Chest(1.6, 60.0, True), False, 0.0), "Too far"),
        (Aim(False, None, CHEST, False, -22.0), "Off centre"),
        (Aim(False, None, Chest(0.5, 20.0, True), False, None), "Weak echo"),
        (Aim(False, None, CHEST, False, 3.0), GOOD_ADVICE),
    ],
)
def test_the_advice_names_the_first_problem(aim, word):
    assert word in advise(aim)
    assert len(advise(aim)) <= 80  # one line of a terminal


def test_the_placement_of_a_person_who_sits_still(mmecg_100, person):
    extractor = RcgExtractor(mmecg_100)
    before = extractor.placement(False, False)
    assert (before.chest_range_m, before.contrast_db, len(before.range_m)) == (None, None, 0)
    for frame in person[:1500]:
        block = extractor.push(frame)
    placement = extractor.placement(False, False)
    assert placement.chest_range_m == pytest.approx(block.chest.range_m)
    peak = int(np.argmax(placement.power_db))
    assert placement.range_m[peak] == pytest.approx(placement.chest_range_m, abs=mmecg_100.range_bin_m)
    assert placement.power_db[peak] > 30
    assert np.median(placement.power_db) < 10
    assert len(placement.breathing_mm) == 100
    assert np.ptp(placement.breathing_mm) == pytest.approx(6, abs=2)  # the twin's chest breathes by 6 mm
    assert placement.breathing_mm.mean() == pytest.approx(0, abs=1e-9)
    assert placement.advice == GOOD_ADVICE
