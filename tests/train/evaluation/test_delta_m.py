"""Delta_m against every row of the paper's Tables I to IV, from the paper's own columns.

The printed columns are rounded, so each row's tolerance is the change that rounding of its columns can make.
"""

import numpy as np
import pytest

from train.evaluation.delta_m import NOISE_TASKS, TABLE_ONE_TASKS, delta_m

RADAR = ("rmse", "pcc", "ppi_error_ms", "r_timing_ms", "mdr")
RADAR_HALF_UNITS = (0.0005, 0.05, 0.05, 0.05, 0.005)
TABLE_I = {
    "baseline": ((0.106, 86.6, 9.6, 7.5, 6.67), 0.0),
    "Equal Weight": ((0.125, 79.7, 8.0, 9.7, 5.51), -0.73),
    "UW": ((0.066, 88.5, 11.2, 5.5, 6.44), 5.95),
    "GLS": ((0.087, 87.3, 14.1, 6.7, 4.32), -4.65),
    "DWA": ((0.133, 80.7, 8.3, 6.4, 5.33), 4.84),
    "STCH": ((0.070, 88.0, 13.9, 5.5, 3.28), 3.90),
    "CAGrad": ((0.107, 84.2, 10.2, 6.2, 3.98), 6.72),
    "IMTL": ((0.088, 89.4, 9.3, 6.0, 6.22), 8.90),
    "MoCo": ((0.179, 61.0, 8.7, 6.8, 4.27), -5.72),
    "Aligned-MTL": ((0.092, 87.9, 10.0, 6.9, 3.52), 10.26),
    "EGA 0.1": ((0.119, 79.0, 10.6, 6.8, 3.34), 2.74),
    "EGA 0.5": ((0.082, 89.6, 9.9, 6.3, 4.19), 12.10),
    "EGA 1": ((0.085, 87.4, 8.5, 7.2, 4.31), 13.95),
    "EGA 1.5": ((0.105, 82.9, 8.1, 6.3, 5.13), 10.95),
    "EGA 2": ((0.091, 86.3, 9.2, 7.3, 4.01), 10.78),
}

SCENE_TASKS = (
    {"miou": 1, "pixel": 1},
    {"absolute": -1, "relative": -1},
    {"mean": -1, "median": -1, "11": 1, "22": 1, "30": 1},
)
SCENE = tuple(name for task in SCENE_TASKS for name in task)
SCENE_HALF_UNITS = (0.005, 0.005, 0.00005, 0.00005, 0.005, 0.005, 0.005, 0.005, 0.005)
TABLE_II = {
    "baseline": ((52.08, 74.11, 0.4147, 0.1751, 23.83, 17.36, 34.34, 60.22, 71.47), 0.0),
    "Equal Weight": ((53.36, 74.94, 0.3953, 0.1672, 24.35, 17.55, 34.22, 59.64, 70.71), 1.74),
    "UW": ((53.33, 75.43, 0.3878, 0.1639, 24.03, 17.24, 34.80, 60.33, 71.31), 2.92),
    "GLS": ((53.04, 74.68, 0.3951, 0.1600, 24.03, 17.30, 34.78, 60.17, 71.28), 2.69),
    "DWA": ((53.12, 75.23, 0.3883, 0.1615, 24.26, 17.60, 34.25, 59.51, 70.62), 2.55),
    "STCH": ((52.87, 74.78, 0.3915, 0.1615, 23.27, 16.34, 36.61, 62.33, 72.98), 4.00),
    "CAGrad": ((52.19, 74.07, 0.3976, 0.1634, 23.83, 17.16, 34.89, 60.65, 71.77), 2.09),
    "IMTL": ((52.34, 74.35, 0.3897, 0.1579, 23.76, 17.00, 35.28, 60.92, 71.89), 3.24),
    "MoCo": ((52.78, 74.59, 0.3858, 0.1612, 23.34, 16.51, 36.21, 61.90, 72.65), 3.94),
    "Aligned-MTL": ((52.19, 74.17, 0.3911, 0.1605, 23.44, 16.73, 35.45, 61.74, 72.70), 3.23),
    "EGA 0.1": ((52.16, 74.23, 0.3944, 0.1651, 23.32, 16.62, 35.87, 61.81, 72.72), 2.84),
    "EGA 0.5": ((51.82, 73.98, 0.3904, 0.1614, 23.41, 16.66, 35.87, 61.65, 72.51), 3.11),
    "EGA 1": ((51.75, 74.38, 0.3913, 0.1609, 23.09, 16.29, 36.54, 62.51, 73.22), 3.71),
    "EGA 1.5": ((52.37, 74.65, 0.3950, 0.1571, 23.15, 16.46, 36.07, 62.22, 73.07), 3.96),
    "EGA 2": ((52.18, 74.23, 0.3922, 0.1605, 23.28, 16.61, 35.77, 61.95, 72.86), 3.40),
}

NOISE = ("rmse", "pcc", "r_timing_ms", "mdr")
NOISE_HALF_UNITS = (0.0005, 0.005, 0.005, 0.005)
BASELINES = {
    "MMECG": (0.107, 83.75, 9.45, 4.52),
    "radarODE": (0.091, 83.53, 9.08, 4.03),
    "radarODE-MTL": (0.089, 85.03, 8.22, 4.08),
}
# Table III by its SNR, then Table IV: mild 1 to 3 s, extensive 1 to 3 s.
TABLES_III_IV = {
    "MMECG": [
        ((0.107, 82.60, 9.76, 4.37), -0.44),
        ((0.108, 82.64, 9.85, 4.84), -3.20),
        ((0.109, 80.00, 11.80, 4.92), -10.14),
        ((0.114, 78.55, 12.20, 5.32), -15.02),
        ((0.120, 74.32, 14.64, 5.59), -25.42),
        ((0.127, 62.45, 21.28, 6.40), -52.82),
        ((0.107, 85.53, 10.84, 4.82), -4.94),
        ((0.110, 82.64, 11.31, 5.02), -8.76),
        ((0.114, 76.87, 15.56, 5.92), -27.71),
        ((0.107, 84.05, 10.93, 4.82), -5.62),
        ((0.108, 79.01, 12.31, 5.23), -13.10),
        ((0.116, 75.09, 12.50, 9.56), -40.66),
    ],
    "radarODE": [  # it failed at -3 dB
        ((0.093, 83.30, 9.12, 4.36), -2.83),
        ((0.095, 83.01, 9.01, 4.70), -5.23),
        ((0.101, 82.21, 9.89, 5.86), -16.86),
        ((0.116, 79.66, 11.90, 5.36), -24.17),
        ((0.157, 70.87, 13.95, 6.19), -48.74),
        ((0.091, 83.49, 9.12, 4.36), -2.31),
        ((0.092, 83.39, 9.82, 4.64), -6.23),
        ((0.095, 83.01, 10.01, 5.7), -14.19),
        ((0.095, 82.96, 9.15, 4.33), -3.19),
        ((0.098, 82.16, 9.31, 4.97), -8.86),
        ((0.102, 81.87, 9.66, 7.39), -25.46),
    ],
    "radarODE-MTL": [
        ((0.088, 85.31, 8.18, 4.20), -0.31),
        ((0.089, 84.29, 8.31, 4.27), -1.87),
        ((0.091, 83.77, 8.03, 4.76), -4.58),
        ((0.093, 84.01, 8.10, 5.10), -7.33),
        ((0.093, 84.51, 8.02, 5.45), -9.18),
        ((0.094, 84.96, 8.19, 6.02), -13.30),
        ((0.090, 84.62, 7.87, 4.42), -1.52),
        ((0.090, 84.78, 8.29, 4.44), -2.56),
        ((0.091, 84.44, 8.34, 5.12), -7.39),
        ((0.090, 84.31, 8.28, 4.08), -0.82),
        ((0.091, 84.21, 8.32, 4.41), -3.15),
        ((0.095, 84.17, 8.43, 5.10), -8.74),
    ],
}


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
    assert_printed(TABLE_ONE_TASKS, RADAR, RADAR_HALF_UNITS, values, TABLE_I["baseline"][0], printed)


@pytest.mark.parametrize("name", TABLE_II)
def test_table_two(name):
    values, printed = TABLE_II[name]
    assert_printed(SCENE_TASKS, SCENE, SCENE_HALF_UNITS, values, TABLE_II["baseline"][0], printed)


@pytest.mark.parametrize(
    ("framework", "values", "printed"),
    [(framework, *row) for framework, rows in TABLES_III_IV.items() for row in rows],
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
