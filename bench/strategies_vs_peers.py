"""Compares the step of every strategy with those of TorchJD and LibMTL for the same gradients and losses.

    pip install -e '.[train]' 'torchjd[cagrad,quadprog-projector]' && pip install --no-deps LibMTL
    python bench/strategies_vs_peers.py

Prints a Markdown table: the smallest cosine between our step and the peer's over all cases, and the ratio of their
lengths (ours over the peer's), smallest and largest. LibMTL and TorchJD's solvers are optional; without them fewer
strategies are compared. The cases are random gradients of three tasks: independent, correlated, in conflict, and of
very different norms. Strategies with a state see the same sequence of STEPS gradients; the last steps are compared.

Options are equal on both sides, and TorchJD's regularisation of UPGrad, which is larger than the smallest task, is off;
docs/paper.md has the defaults side by side.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from collections.abc import Callable, Iterator

import torch
import torchjd.aggregation as jd
from torch import Tensor, nn
from torchjd.linalg import QuadprogProjector

from train.strategies import STRATEGIES, GradientStrategy, LossStrategy

TASKS, SIZE, STEPS, SEEDS = 3, 400, 5, 5
NORMS = {"equal": (1.0, 1.0, 1.0), "uneven": (30.0, 1.0, 0.03)}
CORRELATIONS = (0.0, 0.9, -0.4)
Case = list[tuple[Tensor, Tensor]]
"""Gradients [n, m] and losses [n] of each step."""

Row = tuple[str, dict[str, object], Callable[[Case], Tensor]]
"""Our strategy, its options, and the peer's last step for a case."""


def cases() -> Iterator[Case]:
    for norms in NORMS.values():
        for correlation in CORRELATIONS:
            for seed in range(SEEDS):
                generator = torch.Generator().manual_seed(seed)
                gramian = torch.full((TASKS, TASKS), correlation).fill_diagonal_(1).double()
                mix = torch.tensor(norms).double()[:, None] * torch.linalg.cholesky(gramian)
                draw = lambda *shape, g=generator: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
                yield [(mix @ draw(TASKS, SIZE) / SIZE**0.5, draw(TASKS).exp()) for _ in range(STEPS)]


def our_step(name: str, options: dict[str, object], case: Case) -> Tensor:
    strategy = STRATEGIES[name](TASKS, **options)
    for gradients, losses in case:
        rows = gradients.clone()
        if isinstance(strategy, LossStrategy):
            weights = strategy.weights(losses)
        else:
            assert isinstance(strategy, GradientStrategy)
            strategy.track(rows, losses)
            weights = strategy.weights(rows @ rows.T)
        step = weights @ rows
    return step


def torchjd_step(make: Callable[..., Callable[[Tensor], Tensor]], **options: float) -> Callable[[Case], Tensor]:
    return lambda case: make(**options)(case[-1][0])


def unregularised_upgrad() -> jd.UPGrad:
    return jd.UPGrad(projector=QuadprogProjector(norm_eps=1e-12, reg_eps=1e-12))


class _Shared(nn.Module):
    """Shared parameters of LibMTL's strategies: losses that are linear in them have any wanted gradients."""

    device, task_num, rep_grad, epoch = torch.device("cpu"), TASKS, False, 0

    def prepare(self) -> None:
        self.parameter = nn.Parameter(torch.zeros(SIZE))

    def get_share_params(self) -> list[nn.Parameter]:
        return [self.parameter]

    def zero_grad_share_params(self) -> None:
        self.parameter.grad = torch.zeros(SIZE)


def libmtl_step(name: str, **options: object) -> Callable[[Case], Tensor]:
    """Return LibMTL's last step; it computes in float32."""

    def step(case: Case) -> Tensor:
        strategy = type(name, (getattr(sys.modules["LibMTL.weighting"], name), _Shared), {})()
        strategy.prepare()
        strategy.init_param()
        if name == "UW":
            strategy.loss_scale.data.zero_()  # LibMTL's default is -0.5
        for gradients, losses in case:
            strategy.zero_grad_share_params()
            values = losses.float() + gradients.float() @ strategy.parameter
            strategy.backward(values, **options)
        found: Tensor = strategy.parameter.grad.double()
        return found

    return step


def has_libmtl() -> bool:
    """Load LibMTL's strategies without the rest of it, which needs torchvision."""
    spec = importlib.util.find_spec("LibMTL")
    if spec is None or not spec.submodule_search_locations:
        return False
    package = types.ModuleType("LibMTL")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["LibMTL"] = package
    importlib.import_module("LibMTL.weighting")
    return True


TORCHJD: list[Row] = [
    ("ew", {}, torchjd_step(jd.Sum)),
    ("aligned", {}, torchjd_step(jd.AlignedMTL)),
    ("ega", {}, torchjd_step(jd.AlignedMTL)),
    ("cagrad", {}, torchjd_step(jd.CAGrad, c=0.4)),
    ("imtl", {}, torchjd_step(jd.IMTLG)),
    ("upgrad", {}, torchjd_step(unregularised_upgrad)),
    ("fairgrad", {}, torchjd_step(jd.FairGrad, alpha=2.0)),
    ("config", {}, torchjd_step(jd.ConFIG)),
]
LIBMTL: list[Row] = [
    ("ew", {}, libmtl_step("EW")),
    ("gls", {}, libmtl_step("GLS")),
    ("uw", {}, libmtl_step("UW")),
    ("dwa", {}, libmtl_step("DWA", T=2.0)),
    ("imtl", {}, libmtl_step("IMTL")),
    ("cagrad", {"c": 0.5}, libmtl_step("CAGrad", calpha=0.5, rescale=1)),
]


def compare(row: Row) -> str:
    name, options, peer = row
    cosines, ratios = [], []
    for case in cases():
        ours, theirs = our_step(name, options, case), peer(case)
        cosines.append(float(torch.cosine_similarity(ours, theirs, dim=0)))
        ratios.append(float(ours.norm() / theirs.norm()))
    return f"{min(cosines):.6f} | {min(ratios):.4f} | {max(ratios):.4f}"


def main() -> None:
    peers = {"TorchJD": TORCHJD, "LibMTL": LIBMTL if has_libmtl() else []}
    print("| strategy | peer | cosine, smallest | ratio of lengths, smallest | largest |\n|---|---|---|---|---|")
    for peer, rows in peers.items():
        for row in rows:
            options = "".join(f", {key} = {value}" for key, value in row[1].items())
            try:
                found = compare(row)
            except ImportError as error:
                found = f"not compared: {error} | |"
            print(f"| `{row[0]}`{options} | {peer} | {found} |", flush=True)


if __name__ == "__main__":
    main()
