"""Measures the time of a training step with each strategy, relative to equal weights, on one network and batch.

    pip install -e '.[train]' && python bench/strategies.py

The network is a trunk of convolutions with about a million parameters and three small decoders, on one thread. A step
is the forward and the backward pass, without optimizer or data loading. Strategies take turns, and each ratio is to the
equal weights of the same turn, so that other load affects all equally; the result is the median of ROUNDS turns. The
bound is the cost in forward passes, 1 + 2 n against 3: exact gradients of each task cannot be cheaper if the trunk is
all of the work.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from train.strategies import STRATEGIES, GradientStrategy
from train.training.backward import MultiTaskBackward

ROUNDS = 20
TASKS = ("ecg", "anchor", "cycle")
CHANNELS = (50, 32, 64, 96, 128, 192, 256)
OPTIONS: dict[str, dict[str, object]] = {"fixed": {"values": (1, 0.5, 2)}, "stl": {"task": 0}}


def network() -> tuple[nn.Module, nn.ModuleDict]:
    """Builds trunk and decoders."""
    torch.manual_seed(0)
    stages = [
        nn.Sequential(nn.Conv2d(i, o, 3, 2 - k % 2, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())
        for k, (i, o) in enumerate(pairwise(CHANNELS))
    ]
    heads = {
        task: nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * CHANNELS[-1], 16), nn.Linear(16, 10))
        for task in TASKS
    }
    return nn.Sequential(*stages), nn.ModuleDict(heads)


def steps(trunk: nn.Module, heads: nn.ModuleDict, x: Tensor) -> dict[str, Callable[[], object]]:
    """Returns one training step by name."""

    def forward() -> tuple[dict[str, Tensor], Tensor]:
        z = trunk(x)
        return {task: (head(z) - number).square().mean() for number, (task, head) in enumerate(heads.items(), 1)}, z

    def plain() -> None:
        trunk.zero_grad()
        heads.zero_grad()
        sum(forward()[0].values()).backward()

    def under(name: str, alignment: str) -> Callable[[], object]:
        strategy = STRATEGIES[name](len(TASKS), **OPTIONS.get(name, {}))
        parts = {task: head.parameters() for task, head in heads.items()}
        backward = MultiTaskBackward(trunk.parameters(), parts, strategy, alignment)
        return lambda: backward(*forward())

    calls: dict[str, Callable[[], object]] = {"sum of losses, loss.backward()": plain}
    calls |= {name: under(name, "parameters") for name in STRATEGIES}
    for name in STRATEGIES:
        strategy = STRATEGIES[name](len(TASKS), **OPTIONS.get(name, {}))
        if isinstance(strategy, GradientStrategy) and not strategy.tracks:
            calls[f"{name}, representation"] = under(name, "representation")
    return calls


def main() -> None:
    torch.set_num_threads(1)
    trunk, heads = network()
    count = [sum(p.numel() for p in part.parameters()) for part in (trunk, heads)]
    print(f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}; one thread, ", end="")
    print(f"{count[0]} shared parameters, {count[1]} of decoders, {ROUNDS} turns\n")
    calls = steps(trunk, heads, torch.randn(8, CHANNELS[0], 71, 120))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(ROUNDS + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:  # the first turn allocates
                times[name].append(time.perf_counter() - start)
        print(f"\r{turn}/{ROUNDS}", end="", file=sys.stderr, flush=True)
    equal = np.array(times["ew"])
    ratio = {name: float(np.median(np.array(seconds) / equal)) for name, seconds in times.items()}
    print(f"\r{'':32s} {'ms':>8s} {'step / equal weights':>21s}")
    for name, seconds in times.items():
        print(f"{name:32s} {np.median(seconds) * 1e3:8.1f} {ratio[name]:21.2f}")
    print(
        json.dumps(
            {
                "ega_ratio": round(ratio["ega"], 2),
                "ega_representation_ratio": round(ratio["ega, representation"], 2),
                "bound_of_exact_gradients": round((1 + 2 * len(TASKS)) / 3, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
