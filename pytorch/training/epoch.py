"""One epoch of training, and what is recorded of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import fmean

from torch import nn
from tqdm import tqdm

from pytorch.training.distributed import mean_over_ranks
from pytorch.training.objective import Objective
from pytorch.training.optimization import Optimization


class TrainingError(Exception):
    """Training cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class EpochResult:
    """What one epoch achieved.

    Attributes:
        epoch: Its number, from 1; 0 stands for the weights before the first epoch.
        objective: The name of the objective.
        loss: Mean over its batches; NaN for epoch 0.
        dev_scores: For each data set with a dev split, the scores on it, by metric.
        training_seconds: Time spent on training.
        evaluation_seconds: Time spent on captioning and scoring the dev splits.
        improved: Whether its mean CIDEr-D is the highest so far.
        captions: For each of these data sets, the caption of each dev image, by image name.
    """

    epoch: int
    objective: str
    loss: float
    dev_scores: dict[str, dict[str, float]]
    training_seconds: float
    evaluation_seconds: float
    improved: bool
    captions: dict[str, dict[str, str]] = field(repr=False)

    @property
    def scores(self) -> dict[str, float]:
        """The mean of each score over the data sets."""
        return mean_scores(self.dev_scores)


def mean_scores(dev_scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The mean of each score over the data sets, at least one."""
    every = list(dev_scores.values())
    return {name: fmean(scores[name] for scores in every) for name in every[0]}


def named_scores(result: EpochResult, *, separator: str = " ") -> dict[str, float]:
    """The mean scores; with several data sets, those on each as well, such as "coco BLEU-4"."""
    scores = dict(result.scores)
    if len(result.dev_scores) > 1:
        for dataset, own in result.dev_scores.items():
            scores |= {f"{dataset}{separator}{name}": score for name, score in own.items()}
    return scores


def train_one_epoch(
    objective: Objective,
    loss_of: nn.Module,
    optimization: Optimization,
    *,
    epoch: int,
    lr_factor: Callable[..., float],
    progress: bool = False,
) -> dict[str, float]:
    """Train on every batch of the train split once.

    Args:
        objective: Gives the batches.
        loss_of: Gives the loss of a batch: the objective, as `data_parallel` wraps it.
        optimization: Changes the weights.
        epoch: The number of this epoch, from 1; it decides the order of the batches.
        lr_factor: The factor of all learning rates, from `done`, the number of epochs done, with
            fractions.
        progress: Whether to show a progress bar on stderr.

    Returns:
        "loss", the mean over the batches, and "seconds".

    Raises:
        TrainingError: The loss or a weight became infinite or undefined.
    """
    start = time.perf_counter()
    loss_of.train()
    batches, total = len(objective), 0.0
    progress_bar = tqdm(
        objective.batches(epoch),
        f"epoch {epoch}",
        total=batches,
        leave=False,
        disable=not progress,
    )
    for number, batch in enumerate(progress_bar, start=1):
        # Only the forward pass is cast: the backward pass follows its types.
        with optimization.autocast():
            shard_loss = loss_of(batch)
        # The mean over the processes, so that all of them stop if one must.
        loss = mean_over_ranks(shard_loss).item()
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss became {loss} in batch {number} of epoch {epoch}. "
                "Try a lower learning rate."
            )
        optimization.backward(shard_loss)
        total += loss
        if number % optimization.accumulation_steps == 0 or number == batches:
            optimization.step(lr_factor(done=epoch - 1 + (number - 1) / batches))
        progress_bar.set_postfix(loss=f"{total / number:.3f}", refresh=False)
    # The next loss would show a bad step, but there is none after the last step.
    if not optimization.has_finite_weights():
        raise TrainingError(
            f"Weights became infinite or undefined in epoch {epoch}. Try a lower learning rate."
        )
    return {"loss": total / batches, "seconds": time.perf_counter() - start}
