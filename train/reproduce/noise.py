"""The paper's Tables III and IV and Figures 5 and 8: networks in noise that they were not trained for again.

The ten trials of the noise tests are those that the first fold tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import matplotlib.figure
import numpy as np

from edge.core.intended_use import NOT_A_DEVICE
from edge.core.spec import RCG_RATE_HZ
from train.data.dataset import Recording, part_of
from train.data.labels import clean_ecg
from train.evaluation.delta_m import NOISE_TASKS, delta_m
from train.evaluation.noise_tests import ABRUPT_S, ABRUPT_SNR_DB, CONSTANT_SNR_DB, TESTS, add_noise
from train.evaluation.summary import LONG_TERM_METRICS, Row, metrics, summarise_ecgs
from train.reproduce.frameworks import FRAMEWORKS, measure, network_folder, train_networks
from train.reproduce.paper_values import BASELINES, TABLES_III_IV
from train.reproduce.study import Study
from train.training.strategy_table import cell

CONSTANT = tuple(test for test, about in TESTS.items() if not about.seconds)
ABRUPT = tuple(test for test, about in TESTS.items() if about.seconds)
COLUMNS = {
    "rmse": ("RMSE", 1, 3),
    "pcc": ("PCC %", 100, 1),
    "r_timing_ms": ("Peak error ms", 1, 1),
    "mdr": ("MDR %", 100, 2),
}
NO_NOISE = "none"
SHOWN = "white, extensive 3 s"
SHOWN_S = 12


def table_three(study: Study) -> Iterator[str]:
    """Yield the table of constant noise after each result."""
    yield from _table(study, CONSTANT)


def table_four(study: Study) -> Iterator[str]:
    """Yield the table of abrupt noise after each result: the paper's white noise, and movements of a body."""
    yield from _table(study, ABRUPT)


def figure_five(study: Study) -> Iterator[str]:
    """Draw the ECG of one trial by each network in abrupt noise."""
    train_networks(study, folds=1)
    recording = part_of(study.data, "test")[0]
    truth = clean_ecg(recording.trial.ecg, recording.labels.beats) if recording.trial.ecg is not None else np.zeros(0)
    first = max(0, (len(truth) - SHOWN_S * RCG_RATE_HZ) // 2)
    shown = slice(first, first + SHOWN_S * RCG_RATE_HZ)
    noisy = add_noise(recording.trial, SHOWN)
    t_s = np.arange(len(truth))[shown] / RCG_RATE_HZ
    figure = matplotlib.figure.Figure(figsize=(11, 2 * len(FRAMEWORKS) + 1), layout="constrained")
    panels = figure.subplots(len(FRAMEWORKS), 1, squeeze=False)[:, 0]
    for panel, name in zip(panels, FRAMEWORKS, strict=True):
        ecg, valid_mask = FRAMEWORKS[name].load(network_folder(study, name, 0))(noisy)
        panel.plot(t_s, truth[shown], color="0.6", label="ECG")
        panel.plot(t_s, np.where(valid_mask, ecg, np.nan)[shown], color="tab:red", linewidth=1, label="by radar")
        noise = np.abs(noisy.rcg - recording.trial.rcg).max(axis=0)[shown] > 0
        panel.fill_between(t_s, -0.5, 1.8, where=noise, color="tab:orange", alpha=0.2, label="noise")
        panel.set(title=name, ylim=(-0.5, 1.8))
    panels[0].legend(loc="upper right", ncols=3, fontsize=8)
    panels[-1].set_xlabel(f"s   {NOT_A_DEVICE}")
    yield _picture(study.folder / "fig5.png", figure, f"Trial {recording.trial.name}, noise {SHOWN}.", study)


def figure_eight(study: Study) -> Iterator[str]:
    """Draw the change of each network in noise, and the paper's."""
    *_, rows_of = _rows(study, tuple(TESTS))
    figure = matplotlib.figure.Figure(figsize=(11, 4), layout="constrained")
    panels = figure.subplots(1, 2)
    for number, name in enumerate(FRAMEWORKS):
        color, rows = f"C{number}", rows_of[name]
        found = {test: _change(rows[test], rows[NO_NOISE]) for test in TESTS}
        printed = {test: change for test, (_, change) in TABLES_III_IV.get(name, {}).items()}
        for changes, style, label in ((found, "-o", name), (printed, ":x", f"{name}, paper")):
            constant = [changes.get(test, np.nan) for test in CONSTANT]
            panels[0].plot(CONSTANT_SNR_DB, constant, style, color=color, label=label)
            for kind, marker in zip(ABRUPT_SNR_DB, ("", "--"), strict=True):
                abrupt = [changes.get(f"white, {kind} {seconds} s", np.nan) for seconds in ABRUPT_S]
                panels[1].plot(ABRUPT_S, abrupt, style if not marker else "s" + marker, color=color)
    panels[0].set(xlabel="SNR, dB", ylabel="Delta_m, %", title="constant noise")
    panels[0].invert_xaxis()
    panels[0].legend(fontsize=8)
    panels[1].set(xlabel="length of the noise, s", title="abrupt white noise; mild, and extensive (squares)")
    yield _picture(study.folder / "fig8.png", figure, "Changes of Tables III and IV.", study)


def _rows(study: Study, tests: tuple[str, ...]) -> Iterator[dict[str, dict[str, Row]]]:
    """Yield the finished rows of each network by test, with "none" for no noise, after each result."""
    train_networks(study, folds=1)
    names = {
        f"noise-{name}-{test}".replace(" ", "_").replace(",", ""): (name, test)
        for name in FRAMEWORKS
        for test in (NO_NOISE, *tests)
    }
    recordings = part_of(study.data, "test")
    jobs = {
        key: partial(_measure_test, name, network_folder(study, name, 0), recordings, test)
        for key, (name, test) in names.items()
    }
    for found in study.run(jobs):
        rows: dict[str, dict[str, Row]] = {name: {} for name in FRAMEWORKS}
        for key, row in found.items():
            name, test = names[key]
            rows[name][test] = row
        yield rows


def _measure_test(name: str, folder: Path, recordings: Sequence[Recording], test: str) -> Row:
    return summarise_ecgs(measure(name, folder, recordings, None if test == NO_NOISE else test))


def _table(study: Study, tests: tuple[str, ...]) -> Iterator[str]:
    heading = [
        f"{study.heading()} Figures of the long-term ECG; Delta_m in % from each network without noise. The paper's "
        "values are in brackets; they are of MMECG, also where our data are others.\n",
        "| | " + " | ".join([*(title for title, _, _ in COLUMNS.values()), "Delta_m %"]) + " |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]
    for rows_of in _rows(study, tests):
        lines = []
        for name, rows in rows_of.items():
            if not (clean := rows.get(NO_NOISE)):
                continue
            lines.append(_line(f"{name}, no noise", clean, clean, BASELINES.get(name), 0.0))
            for test in (test for test in tests if test in rows):
                values, change = TABLES_III_IV.get(name, {}).get(test, (None, None))
                lines.append(_line(f"{name}, {test}", rows[test], clean, values, change))
        yield "\n".join([*heading, *lines])


def _line(title: str, row: Row, clean: Row, printed: tuple[float, ...] | None, printed_change: float | None) -> str:
    found = metrics(row, LONG_TERM_METRICS)
    cells = [f"{factor * found[key]:.{digits}f}" for key, (_, factor, digits) in COLUMNS.items()]
    cells.append(cell([_change(row, clean)], 1))
    beside = [*(printed or [None] * len(COLUMNS)), printed_change]
    shown = [text + ("" if value is None else f" ({value:g})") for text, value in zip(cells, beside, strict=True)]
    return f"| {title} | " + " | ".join(shown) + " |"


def _change(row: Row, clean: Row) -> float:
    return delta_m(metrics(row, LONG_TERM_METRICS), metrics(clean, LONG_TERM_METRICS), NOISE_TASKS)


def _picture(path: Path, figure: matplotlib.figure.Figure, text: str, study: Study) -> str:
    figure.savefig(path, dpi=110)
    return f"{study.heading()} {text}\n\n![{path.stem}]({path.parent.name}/{path.name})"
