"""Rank, number of processes and device of a training process, alone or started by torchrun."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import torch
import torch.distributed as dist

from edge.core.errors import InputError

PREPARATION_TIMEOUT = timedelta(days=2)
"""A large data set takes hours to simulate; NCCL's own limit of ten minutes is for the steps of a training."""


def choose_device() -> torch.device:
    """Return this process's GPU and make it torch's current one; the CPU if there is no GPU.

    On a GPU, float32 then means float32: torch's default rounds the factors of convolutions to 10 bits (TF32).
    Raises InputError if torchrun started more processes than there are GPUs.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    number = int(os.environ.get("LOCAL_RANK", 0))
    if number >= (gpus := torch.cuda.device_count()):
        raise InputError(f"process {number + 1} of this machine has no GPU of its own: use --nproc-per-node {gpus}")
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    torch.backends.cudnn.allow_tf32 = False
    return device


def count_loader_processes(device: torch.device) -> int:
    """Return the number of processes that make windows for this process's GPU; 0 (threads) on a CPU.

    A network on a GPU consumes windows faster than threads, of which only one executes Python at a time, can make them.
    On a CPU the network itself needs the cores.
    """
    if device.type == "cpu":
        return 0
    cores, trainers = len(os.sched_getaffinity(0)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return max(1, cores // trainers - 1)


@dataclass(frozen=True)
class DistributedContext:
    """Rank of this process, number of processes, and device."""

    rank: int
    ranks: int
    device: torch.device

    @staticmethod
    def from_environment() -> DistributedContext:
        """Read torchrun's environment variables, if set, and join the process group. Raises InputError."""
        rank, ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        device = choose_device()
        if ranks > 1 and not dist.is_initialized():
            cuda = device.type == "cuda"
            dist.init_process_group("nccl" if cuda else "gloo", device_id=device if cuda else None)
        return DistributedContext(rank, ranks, device)

    @contextmanager
    def rank_0_first(self) -> Iterator[None]:
        """Execute the block in rank 0, then in the other processes, which wait up to PREPARATION_TIMEOUT."""
        if self.ranks == 1:
            yield
            return
        # The group connects now; a process that waits for that during the block would time out.
        # Every process is a member of it, so it is a group.
        group = cast("dist.ProcessGroup", dist.new_group(backend="gloo", timeout=PREPARATION_TIMEOUT))
        if self.rank:
            dist.barrier(group)
        yield
        if not self.rank:
            dist.barrier(group)
        dist.destroy_process_group(group)
