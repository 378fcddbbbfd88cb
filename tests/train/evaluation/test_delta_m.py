"""Delta_m against every row of the paper's Tables I to IV, from the paper's own columns.

The printed columns are rounded, so each row's tolerance is the change that rounding of its columns can make.
"""

import numpy as np
import pytest

from train.evaluation.delta_m import NOISE_TASKS, TABLE_ONE_TASKS, delta_m
from train.reproduce.paper_values import BASELINES, TABLE_I, TABLE_II, TABLES_III_IV
from train.scenes.measures import TABLE_TWO_TASKS

RADAR = ("rmse", "pcc", "ppi_error_ms", "r_timing_ms", "mdr")
RADAR_HALF_UNITS = (0.0005, 0.05, 0.05, 0.05, 0.005)
SCENE = tuple(name for task in TABLE_TWO_TASKS for name in task)
SCENE_HALF_UNITS = (0.005, 0.005, 0.00005, 0.00005, 0.005, 0.005, 0.005, 0.005, 0.005)

NOISE = ("rmse", "pcc", "r_timing_ms", "mdr")
NOISE_HALF_UNITS = (0.0005, 0.005, 0.005, 0.005)

# Two printed values are further from their own columns than rounding explains, by less than this.
UNEXPLAINED = {-25.46: 0.1, 10.64: 0.1}


def row_of(names, values):
    return dict(zip(names, values, strict=True))


def rounding_percent(tasks, row, baseline, half_units):
    """The largest change of Delta_m by rounding of the row's and the baseline's columns, and its own two digits."""
    relative = {name: half * (1 + row[name] / baseline[name]) / baseline[name] for name, half in half_units.items()}
    return 100 * float(np.mean([np.mean([relative[name] for name in task]) for task in tasks])) + 0.005


def assert_printed(tasks, names, half_units, values, baseline, printed):
    row, base = row_of(names, values), row_of(names, baseline)
    bound = rounding_percent(tasks, row, base, row_of(names, half_units)) + UNEXPLAINED.get(printed, 0)
    assert delta_m(row, base, tasks) == pytest.approx(printed, abs=bound)


@pytest.mark.parametrize("name", TABLE_I)
def test_table_one(name):
    values, printed = TABLE_I[name]
    assert_printed(TABLE_ONE_TASKS, RADAR, RADAR_HALF_UNITS, values, TABLE_I["stl"][0], printed)


@pytest.mark.parametrize("name", TABLE_II)
def test_table_two(name):
    values, printed = TABLE_II[name]
    assert_printed(TABLE_TWO_TASKS, SCENE, SCENE_HALF_UNITS, values, TABLE_II["stl"][0], printed)


@pytest.mark.parametrize(
    ("framework", "values", "printed"),
    [(framework, *row) for framework, rows in TABLES_III_IV.items() for row in rows.values()],
)
def test_tables_three_and_four(framework, values, printed):
    assert_printed(NOISE_TASKS, NOISE, NOISE_HALF_UNITS, values, BASELINES[framework], printed)


@pytest.mark.parametrize(("framework", "printed"), [("radarODE", 7.47), ("radarODE-MTL", 10.64)])
def test_the_frameworks_without_noise(framework, printed):
    """The first points of the paper's Figure 8."""
    assert_printed(NOISE_TASKS, NOISE, NOISE_HALF_UNITS, BASELINES[framework], BASELINES["MMECG"], printed)


def test_an_unknown_metric_or_a_perfect_baseline_has_no_change():
    perfect = row_of(NOISE, (0.1, 0.9, 8.0, 0.0))
    assert np.isnan(delta_m(perfect, perfect, NOISE_TASKS))
    known = row_of(NOISE, (0.1, 0.9, 8.0, 0.04))
    assert np.isnan(delta_m({**known, "pcc": float("nan")}, known, NOISE_TASKS))
    assert delta_m(known, known, NOISE_TASKS) == 0
