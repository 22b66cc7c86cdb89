"""Training in the processes that `torchrun` started, or in a single process without it.

All processes take the same steps with the same weights, each on its shard of every batch. Only the
main process, rank 0, writes files, evaluates and prints.
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

# The others wait while the main process computes the features of a large data set. They do not
# wait for a process that has died, because torchrun then stops them all.
LONGEST_WAIT = timedelta(days=2)


@contextmanager
def processes() -> Iterator[None]:
    """Connect this process to the others of its `torchrun`, if there are any.

    The functions below that wait for other processes must be called within this block.

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
        # Every process would log the same.
        logging.disable(logging.WARNING)
    yield
    # Not after an error: others may be waiting for this process, and it must end to stop them.
    dist.destroy_process_group()


def _own_gpu() -> int:
    local_rank, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if local_rank >= gpus:
        raise ValueError(
            f"Every process needs a GPU of its own, and there are {gpus}. "
            f"Start torchrun with --nproc-per-node {gpus} at most."
        )
    return local_rank


def world_size() -> int:
    """Number of processes that train together."""
    return int(os.environ["WORLD_SIZE"]) if dist.is_torchelastic_launched() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return int(os.environ["RANK"]) if dist.is_torchelastic_launched() else 0


def is_main_process() -> bool:
    """Whether this process writes, evaluates and prints."""
    return rank() == 0


@contextmanager
def main_process_first() -> Iterator[None]:
    """Run the block in the main process first, so that the others find its files on disk."""
    if world_size() > 1 and not is_main_process():
        dist.barrier()
    yield
    if world_size() > 1 and is_main_process():
        dist.barrier()


def broadcast_from_main(compute: Callable[[], Item]) -> Item:
    """Call `compute` in the main process only, and return its result in all processes."""
    if world_size() == 1:
        return compute()
    box: list[Any] = [compute() if is_main_process() else None]
    dist.broadcast_object_list(box)
    item: Item = box[0]
    return item


def all_gather(item: Item) -> list[Item]:
    """The items of all processes, by rank."""
    if world_size() == 1:
        return [item]
    box: list[Any] = [None] * world_size()
    dist.all_gather_object(box, item)
    return box


def shard_count(size: int) -> int:
    """Number of shards of a batch: one per process, or 1 if the batch is too small for that.

    A batch that is not split is processed whole by every process.
    """
    return world_size() if size >= world_size() else 1


def own_shard(batch: Batch) -> Batch:
    """This process's shard of a batch."""
    if shard_count(len(batch)) == 1:
        return batch
    return batch[rank() :: world_size()]


def mean_over_ranks(number: Tensor) -> Tensor:
    """The mean of a scalar over all processes, without gradients."""
    if world_size() == 1:
        return number.detach()
    total = number.detach().to(torch.float32, copy=True)  # all_reduce replaces it
    dist.all_reduce(total)
    return total / world_size()


def data_parallel(module: nn.Module) -> nn.Module:
    """Wrap a module so that backward passes average its gradients over all processes."""
    if world_size() == 1:
        return module
    return DistributedDataParallel(module, forward_sync_buffers=False)
