"""Measures whether preparing windows keeps up with the network: windows per second of each alone, and of both together.

    pip install -e '.[train]' && python bench/loading.py [--processes 1 3] [--network compact] [--compile]

The windows are those of the smoke preset, simulated first where missing, made by threads and by worker processes. A
training takes `network alone` if preparation is faster; `... and network` shows what is left where they share the
cores. `ms_of_python` is the CPU time per window outside the SST; threads execute it one at a time, so they make at most
its inverse per second on any number of cores. `--compile`: also the network alone after torch.compile, which takes
minutes. `recipe_min` is the time of all windows of compact's recipe, without validation. The last line is JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from edge.core.spec import SST_DEFAULT
from train.data.dataset import part_of
from train.model import NETWORKS, POINTS
from train.training.backward import MultiTaskBackward
from train.training.batches import Batch, Batches
from train.training.config import load_train_config
from train.training.distributed import choose_device
from train.training.loop import TASKS, task_losses
from train.training.resumable import make_optimizer, make_strategy
from train.training.setup import prepare_data
from train.training.windows import WindowMaker

PRESETS = Path(__file__).parents[1] / "train/presets"
BATCHES = 12


def per_second(batches: Iterator[object], size: int) -> float:
    """Windows per second; the first batch starts processes and allocates."""
    next(batches)
    start, count = time.perf_counter(), sum(1 for _ in batches)
    return size * count / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--network", choices=NETWORKS, default="compact")
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    config, device = load_train_config(PRESETS / "smoke.toml"), choose_device()
    recordings = part_of(prepare_data(config, PRESETS), "train")
    recipe = load_train_config(PRESETS / "compact.toml")
    points, size = POINTS[arguments.network] or recipe.data.points, recipe.training.batch
    network, strategy = NETWORKS[arguments.network]().to(device), make_strategy(config.strategy, len(TASKS))
    decoders = dict(zip(TASKS, network.decoder_parameters(), strict=True))
    backward = MultiTaskBackward(network.shared_parameters(), decoders, strategy, "representation")
    optimizer = make_optimizer(recipe.training, list(network.parameters()), strategy)

    def train(batches: Iterator[Batch]) -> Iterator[float]:
        for batch in batches:
            z = network.encode(torch.from_numpy(batch.x).to(device))
            yield float(backward(task_losses(network.decode(z), batch), z).sum())
            optimizer.step()

    maker = WindowMaker.of(recordings[:1], augment=True, spec=SST_DEFAULT, transform=False)
    maker([(0, 0, (0, 0, 0, 0))], points)
    start = time.thread_time()
    for number in range(64):
        maker([(0, number % len(maker.labels[0].window), (0, 0, 0, number))], points)
    found = {"ms_of_python": (time.thread_time() - start) / 64 * 1e3}
    for processes in (0, *arguments.processes):
        made = Batches(recordings, size, points, True, 1, SST_DEFAULT, processes)
        name = f"{processes} processes" if processes else "threads"
        if not processes:
            one = next(made.draw(0, range(1)))
            found["network alone"] = per_second(train(itertools.repeat(one, BATCHES)), size)
        found[f"{name} alone"] = per_second(made.draw(1, range(BATCHES)), size)
        found[f"{name} and network"] = per_second(train(made.draw(2, range(BATCHES))), size)
    windows = recipe.training.epochs * recipe.training.steps * size
    found["recipe_min"] = windows / max(rate for name, rate in found.items() if name.endswith("and network")) / 60
    if arguments.compile:
        for part in (network.encoder, *network.decoders):  # the backward pass goes through each decoder alone
            part.compile()
        found["compiled network alone"] = per_second(train(itertools.repeat(one, BATCHES)), size)
    for name, value in found.items():
        print(f"{name}: {value:.1f}")
    cores = len(os.sched_getaffinity(0))
    print(json.dumps({"device": str(device), "cores": cores, "network": arguments.network, "points": points, **found}))


if __name__ == "__main__":
    main()
