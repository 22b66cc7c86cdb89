"""The interface of training objectives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from pytorch.model.captioner import Captioner


class Objective(nn.Module):
    """What a phase of training minimises.

    An objective is a module that holds the captioner being trained, so that its forward pass is
    the loss, its parameters are the captioner's, and `data_parallel` can wrap it.

    Attributes:
        name: What logs and reports call it.
        captioner: The captioner being trained.
    """

    name: str

    def __init__(self, captioner: Captioner) -> None:
        super().__init__()
        self.captioner = captioner

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        raise NotImplementedError

    def batches(self, epoch: int) -> Iterator[Any]:
        """This process's shard of each batch of an epoch."""
        raise NotImplementedError

    def forward(self, batch: Any) -> Tensor:
        """Loss of one shard, a scalar. The mean over all processes is the loss of the batch."""
        raise NotImplementedError
