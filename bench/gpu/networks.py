"""Measures both networks on the GPU in float32, bfloat16 and float16: time of a window, and difference to float32.

    python -m bench.gpu.networks [--dry-run]

A window's time is measured as PyTorch runs it, and as a CUDA graph: one launch for all kernels, as an engine has. The
compact network has the shipped weights, the reference network random ones. --dry-run: on the CPU, where a graph is the
network itself.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bench.gpu.report import Report, seconds
from edge.core.spec import SST_BINS, SST_COLUMNS
from edge.dsp.frontend.point_selection import POINTS
from edge.inference import bundle
from train.model import NETWORKS
from train.model.network import Network
from train.training.bundle_weights import checkpoint_from_bundle

TOLERANCE = {torch.float32: 1e-4, torch.float16: 0.02, torch.bfloat16: 0.16}
"""Of the ECG piece, about 1 high: some thirty layers with one rounding each, 30 * 2^-11 and 30 * 2^-8, and reserve."""


def make_network(model: str) -> Network:
    torch.manual_seed(0)
    network = NETWORKS[model]()
    if model == "compact":
        network.load_state_dict(checkpoint_from_bundle(bundle.load_bundle(bundle.SHIPPED)).state["network"])
    return network.eval()


def as_graph(network: Network, x: Tensor) -> Callable[[], object]:
    """Return a call that runs the network on the window at `x` as one CUDA graph; on the CPU, the network itself."""
    if x.device.type == "cpu":
        return lambda: network(x)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # PyTorch requires a warm-up on another stream
        for _ in range(3):
            network(x)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        network(x)
    return graph.replay


@torch.inference_mode()
def measure(report: Report, model: str, dry: bool) -> None:
    device = torch.device("cpu" if dry else "cuda")
    synchronize, repeats = ((lambda: None), 1) if dry else (torch.cuda.synchronize, 200)
    window = np.random.default_rng(0).random((1, POINTS, SST_BINS, SST_COLUMNS), np.float32) ** 4
    exact = make_network(model)(torch.from_numpy(window)).ecg
    for dtype, tolerance in TOLERANCE.items():
        name = f"{model}, {str(dtype).removeprefix('torch.')}"
        with report.guard(name):
            network = make_network(model).to(device, dtype)
            x = torch.from_numpy(window).to(device, dtype)
            difference = float((network(x).ecg.float().cpu() - exact).abs().max())
            eager_s = seconds(lambda: network(x), synchronize, repeats)  # noqa: B023
            graph_s = seconds(as_graph(network, x), synchronize, repeats)
            figures = {"eager_us": round(eager_s * 1e6, 1), "graph_us": round(graph_s * 1e6, 1)}
            report.add(name, difference <= tolerance, ecg_difference=float(f"{difference:.2g}"), **figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true")
    dry, report = parser.parse_args().dry_run, Report("networks")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # float32 is float32
    for model in ("compact", "reference"):
        measure(report, model, dry)
    report.finish()


if __name__ == "__main__":
    main()
