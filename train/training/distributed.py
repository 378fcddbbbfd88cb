"""Rank, number of processes and device of a training process, alone or started by torchrun."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class DistributedContext:
    """Rank of this process, number of processes, and device."""

    rank: int
    ranks: int
    device: torch.device

    @staticmethod
    def from_environment() -> DistributedContext:
        """Read torchrun's environment variables, if set, and join the process group."""
        rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        cuda = torch.cuda.is_available()
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if cuda else torch.device("cpu")
        if ranks > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if cuda else "gloo")
        return DistributedContext(rank, ranks, device)
