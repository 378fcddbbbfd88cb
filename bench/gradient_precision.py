"""Measures how far bfloat16 gradients are from float32 gradients, for fresh and for trained networks, on this device.

    pip install -e '.[train]' && python bench/gradient_precision.py [--steps 40]

Each network computes the gradient of its shared parameters, weighted by EGA, for the same batch in float32 and under
autocast to bfloat16, fresh and after `--steps` steps in float32; the shipped weights are measured too. The result is
the cosine of the two gradients, and the largest difference between the two sets of task weights. The cosine of the
float32 gradients of two batches shows how much chance the gradient of one batch contains. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from edge.core.spec import SST_DEFAULT
from edge.inference import bundle
from train.data.dataset import DataSet, part_of
from train.model import NETWORKS, POINTS, Network
from train.training.backward import MultiTaskBackward
from train.training.batches import Batch, Batches
from train.training.bundle_weights import checkpoint_from_bundle
from train.training.config import Precision, TrainConfig, load_train_config
from train.training.distributed import choose_device
from train.training.loop import TASKS, task_losses
from train.training.resumable import autocast, make_optimizer, make_strategy
from train.training.setup import prepare_data

PRESET = Path(__file__).parents[1] / "train/presets/smoke.toml"
SIZE = 8
MEASURED = 3  # batches


def gradient(config: TrainConfig, network: Network, batch: Batch, precision: Precision) -> tuple[Tensor, Tensor]:
    """Return the gradient of the shared parameters [m] and the task weights [n]; the decoders receive theirs."""
    strategy = make_strategy(config.strategy, len(TASKS))
    decoders = dict(zip(TASKS, network.decoder_parameters(), strict=True))
    backward = MultiTaskBackward(network.shared_parameters(), decoders, strategy, "representation")
    device = next(network.parameters()).device
    network.train()
    with autocast(device, precision):
        z = network.encode(torch.from_numpy(batch.x).to(device))
        outputs = network.decode(z)
    weights = backward(task_losses(outputs, batch), z)
    return torch.cat([parameter.grad.flatten() for parameter in network.shared_parameters()]), weights


def measure(config: TrainConfig, network: Network, batches: list[Batch]) -> dict[str, float]:
    cosines, apart, single = [], [], []
    for batch in batches:
        single.append(gradient(config, network, batch, "fp32"))
        half, weights = gradient(config, network, batch, "bf16")
        cosines.append(functional.cosine_similarity(single[-1][0], half, 0).item())
        apart.append(float((single[-1][1] - weights).abs().max()))
    chance = functional.cosine_similarity(single[0][0], single[1][0], 0).item()
    return {
        "cosine_min": min(cosines),
        "cosine_max": max(cosines),
        "weights_apart": max(apart),
        "cosine_of_two_batches": chance,
    }


def train(config: TrainConfig, network: Network, batches: Iterator[Batch]) -> None:
    optimizer = make_optimizer(config.training, list(network.parameters()), make_strategy(config.strategy, len(TASKS)))
    for batch in batches:
        gradient(config, network, batch, "fp32")
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.training.clip_norm)
        optimizer.step()


def batches_of(data: DataSet, points: int) -> Batches:
    return Batches(part_of(data, "train"), SIZE, points, augment=True, seed=1, spec=SST_DEFAULT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    arguments = parser.parse_args()
    config, device = load_train_config(PRESET), choose_device()
    data = prepare_data(config, PRESET.parent)
    found = {}

    def report(name: str, network: Network, batches: list[Batch]) -> None:
        found[name] = measure(config, network, batches)
        print(f"{name}: {', '.join(f'{key} {value:.3f}' for key, value in found[name].items())}", flush=True)

    for model in arguments.networks:
        torch.manual_seed(1)
        network, made = NETWORKS[model]().to(device), batches_of(data, POINTS[model] or config.data.points)
        measured = list(made.draw(1, range(MEASURED)))
        report(f"{model}, fresh", network, measured)
        train(config, network, made.draw(0, range(arguments.steps)))
        report(f"{model}, after {arguments.steps} steps", network, measured)
        if model == "compact":
            shipped = checkpoint_from_bundle(bundle.load_bundle(bundle.SHIPPED)).network().to(device)
            report("compact, shipped", shipped, measured)
    print(json.dumps({"device": str(device), "torch": torch.__version__, **found}))


if __name__ == "__main__":
    main()
