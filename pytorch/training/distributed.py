"""Training by the several processes that `torchrun` started; by one, as long as there are no more.

All processes go through the same steps with the same weights, and each takes its share of every
batch. The first of them is the writer: it alone writes files, evaluates and prints.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

Item = TypeVar("Item")
Batch = TypeVar("Batch", list[int], Tensor)

# While the writer computes the features of a large data set, the others wait. A process that is
# gone does not keep them waiting, since torchrun then stops them all.
LONGEST_WAIT = timedelta(days=2)


@contextmanager
def processes() -> Iterator[None]:
    """Lets this process and the others of its `torchrun` work together; one alone stays alone.

    The functions below that wait for other processes are for within this block.

    Raises:
        ValueError: There are GPUs, but not one for each process.
    """
    if not dist.is_torchelastic_launched():
        yield
        return
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "nccl"
        torch.cuda.set_device(_own_gpu())
    dist.init_process_group(backend, timeout=LONGEST_WAIT)
    if not is_main_process():
        # They would be the same in every process.
        logging.disable(logging.WARNING)
    yield
    # Not after an error: the others may be waiting for this process, which must then end.
    dist.destroy_process_group()


def _own_gpu() -> int:
    number, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if number >= gpus:
        raise ValueError(
            f"Every process needs a GPU of its own, and there are {gpus}. "
            f"Start torchrun with --nproc-per-node {gpus} at most."
        )
    return number


def world_size() -> int:
    """How many processes train together."""
    return int(os.environ["WORLD_SIZE"]) if dist.is_torchelastic_launched() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return int(os.environ["RANK"]) if dist.is_torchelastic_launched() else 0


def is_main_process() -> bool:
    """Whether this process is the one that writes, evaluates and prints."""
    return rank() == 0


@contextmanager
def main_process_first() -> Iterator[None]:
    """The writer goes through the block before all others, which find what it has left on disk."""
    if world_size() > 1 and not is_main_process():
        dist.barrier()
    yield
    if world_size() > 1 and is_main_process():
        dist.barrier()


def broadcast_from_main(compute: Callable[[], Item]) -> Item:
    """What `compute` gives in the writer, where alone it is called, for all processes."""
    if world_size() == 1:
        return compute()
    box: list[Any] = [compute() if is_main_process() else None]
    dist.broadcast_object_list(box)
    item: Item = box[0]
    return item


def all_gather(item: Item) -> list[Item]:
    """The items of all processes, in their order."""
    if world_size() == 1:
        return [item]
    box: list[Any] = [None] * world_size()
    dist.all_gather_object(box, item)
    return box


def shard_count(size: int) -> int:
    """Into how many shares a batch is split; one smaller than the processes is done by all."""
    return world_size() if size >= world_size() else 1


def own_shard(batch: Batch) -> Batch:
    """This process's share of a batch."""
    if shard_count(len(batch)) == 1:
        return batch
    return batch[rank() :: world_size()]


def mean_over_ranks(number: Tensor) -> Tensor:
    """The mean of a number that each process has; gradients do not flow through it."""
    if world_size() == 1:
        return number.detach()
    total = number.detach().to(torch.float32, copy=True)  # the sum takes its place
    dist.all_reduce(total)
    return total / world_size()


def data_parallel(module: nn.Module) -> nn.Module:
    """The module, whose gradients a backward pass makes the mean of those of all processes."""
    if world_size() == 1:
        return module
    return DistributedDataParallel(module, forward_sync_buffers=False)
