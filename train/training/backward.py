"""The backward pass of several tasks over one shared network.

    step = MultiTaskBackward(shared.parameters(), {name: d.parameters() for name, d in decoders.items()}, strategy)
    ...
    representation = shared(x)
    losses = {name: loss[name](decoder(representation), y[name]) for name, decoder in decoders.items()}
    weights = step(losses, representation)
    optimizer.step()

Each loss is backpropagated once through its own decoder to the representation; the decoder keeps its unweighted
gradient. (Some published strategies also scale the decoders' losses. Here none does, so that the strategies differ in
the shared part only.) From the representation, a loss balancing strategy needs one backward pass through the shared
network. A gradient balancing strategy needs one pass per task: the results are the rows of G, and the shared gradient
is Gᵀ w without another pass.

This is exact but expensive. A backward pass costs as much as two forward passes: with small decoders, n tasks cost
1 + 2 n, against 3 for the plain sum. `alignment="representation"` uses the Gramian of the gradients at the
representation instead, as MGDA-UB (Sener, Koltun, NeurIPS 2018) and Aligned-MTL-UB do: it costs hardly more than the
plain sum, but gives other weights.

Use bfloat16 under autocast: it needs no loss scale. (A loss scale cancels in the weights of EGA, which depend only on
the ratios of the gradients, but not in strategies that use the losses.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
import torch.distributed as dist
from torch import Tensor

from edge.core.errors import InputError
from train.strategies import GradientStrategy, LossStrategy

CHUNK = 1 << 18  # columns of G converted to float64 at a time


class MultiTaskBackward:
    """Sets the gradients of the shared parameters and of each task's decoder; `decoders` is in the order of the tasks.

    The decoders' only input is the representation, and they have no common parameters. Under torch.distributed, losses
    and per-task gradients are averaged over the ranks, whose batches have the same size, before they are weighted; do
    not wrap the network in DistributedDataParallel.
    """

    def __init__(
        self,
        shared: Iterable[Tensor],
        decoders: Mapping[str, Iterable[Tensor]],
        strategy: LossStrategy | GradientStrategy,
        alignment: str = "parameters",
    ) -> None:
        self.shared = [parameter for parameter in shared if parameter.requires_grad]
        self.decoders = {task: [p for p in own if p.requires_grad] for task, own in decoders.items()}
        self.strategy = strategy
        if len(self.decoders) != strategy.tasks:
            raise InputError(f"decoders of {list(self.decoders)} for a strategy of {strategy.tasks} tasks")
        if alignment not in ("parameters", "representation"):
            raise InputError(f"alignment {alignment!r}; 'parameters' or 'representation' is needed")
        if alignment == "representation" and isinstance(strategy, GradientStrategy) and strategy.tracks:
            raise InputError(f"{type(strategy).__name__} follows gradients over batches: align the parameters'")
        self.by_rows = alignment == "parameters" and isinstance(strategy, GradientStrategy)
        size = sum(parameter.numel() for parameter in self.shared)
        self.rows = self.shared[0].new_empty(strategy.tasks if self.by_rows else 0, size)  # G [n, m]

    def __call__(self, losses: Mapping[str, Tensor], representation: Tensor) -> Tensor:
        """Replace every `.grad` without accumulation; return the task weights, float64 [n] on the CPU.

        `losses` are scalars computed from `representation`; their graph is freed.
        Raises InputError, which names the task, if a loss or a gradient is not finite.
        """
        if list(losses) != list(self.decoders):
            raise InputError(f"losses of {list(losses)}; of {list(self.decoders)}, in this order, are needed")
        slopes, own, sums = self._through_decoders(losses, representation)
        values = torch.stack([loss.detach().double() for loss in losses.values()])
        values, sums = _mean_over_ranks(torch.stack([values, sums])).cpu()
        self._check("loss", values)
        self._check("gradient", sums)
        if self.by_rows:
            weights, gradient = self._weigh_rows(slopes, representation, values)
        else:
            weights = self._weigh(slopes, values)
            mixed = sum(weight * slope for weight, slope in zip(weights.tolist(), slopes, strict=True))
            gradient = _mean_over_ranks(self._through_shared(representation, mixed))
        self._set(self.shared, gradient)
        self._set([parameter for part in self.decoders.values() for parameter in part], _mean_over_ranks(own))
        return weights

    def _through_decoders(self, losses: Mapping[str, Tensor], z: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Return dL_i/dz of each task, the decoders' gradients in one row, and sums [n] for the finite check."""
        slopes, own, sums = [], [], []
        for task, parameters in self.decoders.items():
            found = torch.autograd.grad(losses[task], [z, *parameters], materialize_grads=True)
            slopes.append(found[0])
            own += [gradient.flatten() for gradient in found[1:]]
            sums.append(torch.stack([gradient.double().sum() for gradient in found]).sum())
        return slopes, torch.cat(own), torch.stack(sums)

    def _through_shared(self, z: Tensor, slope: Tensor, out: Tensor | None = None, again: bool = False) -> Tensor:
        """Return the gradient of the shared parameters [m] for a slope at the representation."""
        found = torch.autograd.grad(z, self.shared, slope, retain_graph=again, materialize_grads=True)
        return torch.cat([gradient.flatten() for gradient in found], out=out)

    def _weigh_rows(self, slopes: list[Tensor], z: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights [n] and Gᵀ w [m], from the Gramian of the shared parameters' gradients."""
        assert isinstance(self.strategy, GradientStrategy)
        for number, (row, slope) in enumerate(zip(self.rows, slopes, strict=True), start=1):
            self._through_shared(z, slope, out=row, again=number < len(slopes))
        _mean_over_ranks(self.rows)
        self._check("gradient", self.rows.sum(1, dtype=torch.float64))
        self.strategy.track(self.rows, values)
        weights = self.strategy.weights(gramian(self.rows).cpu())
        return weights, weights.to(self.rows) @ self.rows

    def _weigh(self, slopes: list[Tensor], values: Tensor) -> Tensor:
        """Weights [n] by the losses, or by the Gramian of the gradients at the representation."""
        if isinstance(self.strategy, LossStrategy):
            return self.strategy.weights(values)
        # The slopes of the joint batch are those of all ranks, each divided by the number of ranks.
        products = _mean_over_ranks(gramian(torch.stack([slope.flatten() for slope in slopes])))
        return self.strategy.weights(products.cpu() / _ranks())

    def _check(self, what: str, values: Tensor) -> None:
        bad = [task for task, value in zip(self.decoders, values.isfinite().tolist(), strict=True) if not value]
        if bad:
            raise InputError(f"{what} of {', '.join(bad)} is not finite; check its labels or lower the learning rate")

    @staticmethod
    def _set(parameters: list[Tensor], gradient: Tensor) -> None:
        parts = torch.split(gradient, [parameter.numel() for parameter in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)


def gramian(rows: Tensor) -> Tensor:
    """Return G Gᵀ [n, n] of rows [n, m] in float64: in float32 a task 6e-4 times smaller than another is lost."""
    products = rows.new_zeros(len(rows), len(rows), dtype=torch.float64)
    for part in torch.split(rows, CHUNK, dim=1):
        wide = part.double()
        products += wide @ wide.T
    return products


def _ranks() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _mean_over_ranks(values: Tensor) -> Tensor:
    """Average over the ranks, in place."""
    if _ranks() > 1:
        dist.all_reduce(values)
        values /= _ranks()
    return values
