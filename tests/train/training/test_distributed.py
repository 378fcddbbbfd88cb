"""Device, loader processes and the order of ranks; what needs a GPU is checked on torch's own interface."""

import os
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from torch.distributed.run import get_args_parser

from edge.core.errors import InputError
from train.training.distributed import (
    PREPARATION_TIMEOUT,
    DistributedContext,
    choose_device,
    count_loader_processes,
)


@pytest.fixture
def two_gpus(monkeypatch):
    """Returns the devices that were made the current one."""
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    return chosen


def test_without_cuda_the_device_is_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device() == torch.device("cpu")


def test_each_process_of_a_machine_has_its_gpu(two_gpus, monkeypatch):
    assert choose_device() == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device() == torch.device("cuda", 1)
    assert two_gpus == [torch.device("cuda", 0), torch.device("cuda", 1)]
    assert not torch.backends.cudnn.allow_tf32
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(InputError, match="no GPU of its own: use --nproc-per-node 2"):
        choose_device()


def test_a_rank_joins_with_its_gpu(two_gpus, monkeypatch):
    joined = {}
    for name, value in {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(dist, "init_process_group", lambda backend, **options: joined.update(options, backend=backend))
    assert DistributedContext.from_environment() == DistributedContext(3, 4, torch.device("cuda", 1))
    assert joined == {"backend": "nccl", "device_id": torch.device("cuda", 1)}


def test_windows_for_a_gpu_are_made_by_processes(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(16))
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert count_loader_processes(torch.device("cpu")) == 0
    assert count_loader_processes(torch.device("cuda", 0)) == 15
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert count_loader_processes(torch.device("cuda", 0)) == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(2))
    assert count_loader_processes(torch.device("cuda", 0)) == 1


@pytest.mark.parametrize(
    ("rank", "expected"),
    [
        (0, ["group", "block", "barrier", "closed"]),
        (1, ["group", "barrier", "block", "closed"]),
    ],
)
def test_other_ranks_wait_for_rank_0_as_long_as_a_simulation_may_take(monkeypatch, rank, expected):
    events = []

    def new_group(backend: str, timeout: timedelta) -> str:
        assert (backend, timeout) == ("gloo", PREPARATION_TIMEOUT)  # NCCL's barrier would need the GPU
        events.append("group")
        return "the group"

    monkeypatch.setattr(dist, "new_group", new_group)
    monkeypatch.setattr(dist, "barrier", lambda group: events.append("barrier"))
    monkeypatch.setattr(dist, "destroy_process_group", lambda group: events.append("closed"))
    with DistributedContext(rank, 2, torch.device("cpu")).rank_0_first():
        events.append("block")
    assert events == expected


def test_a_single_process_needs_no_group():
    with DistributedContext(0, 1, torch.device("cpu")).rank_0_first():
        assert not dist.is_initialized()


def test_torchrun_takes_no_option_of_the_training_for_its_own():
    options = ["--config", "preset.toml", "--out", "run", "--weights", "bundle"]
    parsed = get_args_parser().parse_args(["--standalone", "--nproc-per-node", "2", "-m", "train", *options])
    assert (parsed.training_script, parsed.training_script_args) == ("train", options)
