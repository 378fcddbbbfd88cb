"""Makes tables for the documentation out of the results of bench/gpu/run.sh, with a forecast for Jetson modules.

    python -m bench.gpu.table build/gpu/results.jsonl

The forecast is arithmetic, not a measurement. A block of the SST's kernels has a multiprocessor to itself, so 50 points
take ceil(50 / multiprocessors) waves, each as long as here times the ratio of the clocks. A network's time lies between
two bounds: it scales with the clock alone (if it does not fill this GPU), or with clock times multiprocessors (if it
does). Neither considers that the modules' memory is slower.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

Result = dict[str, Any]


class Module(NamedTuple):
    """A Jetson: its multiprocessors, and its GPU's largest clock rate in MHz (NVIDIA's data sheets)."""

    name: str
    multiprocessors: int
    clock_mhz: float
    build: str


MODULES = (
    Module("Orin Nano 8GB", 8, 625, "Orin"),
    Module("Orin NX 16GB", 8, 918, "Orin"),
    Module("AGX Orin 64GB", 16, 1300, "Orin"),
    Module("Thor T5000", 20, 1575, "Thor"),
)


def load_results(path: Path) -> list[Result]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def summary(results: list[Result]) -> Result:
    """Return steps and results that failed, and the number of results."""
    steps = [each for each in results if "status" in each]
    found = [each for each in results if "ok" in each]
    return {
        "steps": {each["step"]: each["status"] for each in steps},
        "failed": [f"{each['step']}: {each['name']}" for each in found if not each["ok"]],
        "results": len(found),
        "seconds": sum(each["seconds"] for each in steps),
    }


def of_step(results: list[Result], step: str) -> list[Result]:
    return [each for each in results if each["step"] == step and "name" in each]


def step_table(results: list[Result]) -> list[str]:
    rows = ["| step | seconds | result |", "|---|---|---|"]
    for each in (each for each in results if "status" in each):
        found = of_step(results, each["step"])
        failed = [one["name"] for one in found if not one["ok"]]
        ended = {0: "passed", 124: "stopped at its time limit", 137: "stopped at its time limit"}
        parts = [ended.get(each["status"], f"failed (status {each['status']})")]
        parts += [f"{len(found)} results"] if found else []
        parts += [f"wrong: {', '.join(failed)}"] if failed else []
        rows.append(f"| {each['step']} | {each['seconds']} | {'; '.join(parts)} |")
    return rows


def figure_table(results: list[Result], step: str) -> list[str]:
    """Return a table with the figures of one step's results; empty without any."""
    found = [each for each in of_step(results, step) if each["ok"]]
    names = list(dict.fromkeys(name for each in found for name in each if name not in ("step", "name", "ok")))
    if not names:
        return []
    rows = [f"| {step} | {' | '.join(name.replace('_', ' ') for name in names)} |", "|---" * (len(names) + 1) + "|"]
    return rows + [f"| {each['name']} | {' | '.join(str(each.get(name, '')) for name in names)} |" for each in found]


def forecast_table(results: list[Result]) -> list[str]:
    """Return the forecast; empty without measured times."""
    times = {each["name"].split(":")[0]: each for each in of_step(results, "kernels") if "us_a_wave" in each}
    network = next((each for each in of_step(results, "networks") if each["name"] == "compact, float16"), None)
    if not times or network is None or "graph_us" not in network:
        return []
    rows = ["| **forecast**, not measured | SST of 50 points, ms | compact network in float16, ms |", "|---|---|---|"]
    for module in MODULES:
        here = times.get(module.build)
        if here is None:
            continue
        clocks = here["clock_mhz"] / module.clock_mhz
        waves = math.ceil(here["points"] / module.multiprocessors)
        sst_ms = waves * here["us_a_wave"] * clocks / 1e3
        least_ms = network["graph_us"] * clocks / 1e3
        most_ms = least_ms * max(1.0, here["multiprocessors"] / module.multiprocessors)
        rows.append(f"| {module.name} | {sst_ms:.2f} | {least_ms:.2f} to {most_ms:.2f} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--summary", action="store_true", help="print one line of JSON instead")
    arguments = parser.parse_args()
    results = load_results(arguments.results)
    if arguments.summary:
        print(json.dumps(summary(results)))
        return
    tables = [step_table(results)]
    tables += [figure_table(results, step) for step in ("kernels", "strategies", "networks", "limit")]
    print("\n\n".join("\n".join(table) for table in [*tables, forecast_table(results)] if table))


if __name__ == "__main__":
    main()
