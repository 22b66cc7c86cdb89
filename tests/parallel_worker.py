"""One of the processes that tests/pytorch/training/test_distributed.py starts.

python -m torch.distributed.run --standalone --nproc-per-node 2 -m tests.parallel_worker FOLDER
"""

from __future__ import annotations

import dataclasses
import io
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pytorch.data.features import RegionFeatures
from pytorch.training import self_critical
from pytorch.training.distributed import (
    all_gather,
    broadcast_from_main,
    is_main_process,
    main_process_first,
    mean_over_ranks,
    own_shard,
    processes,
    rank,
    world_size,
)
from pytorch.training.epoch import TrainingError
from pytorch.training.self_critical import SelfCritical
from pytorch.training.train_data import TrainData, Weighted
from pytorch.training.trainer import Trainer
from pytorch.training.training_config import TrainingConfig
from tests.tiny import FROZEN, tiny_shapes

CONFIG = TrainingConfig(
    epochs=3,
    batch_size=13,  # of 40 captions, so that the last batch has a single one
    accumulation_steps=2,
    attention_penalty=1.0,
    ema_decay=0.5,
    patience=9,
    fine_tune_from="19",
    fine_tune_after=1,
    fine_tune_learning_rate=1e-3,
)


def trainer(cache: Path, *, dropout: float = 0.5, **changes: Any) -> Trainer:
    with main_process_first():
        captioner, train, dev = tiny_shapes(cache, dropout=dropout)
    config = dataclasses.replace(CONFIG, **changes)
    data = TrainData((Weighted(train),))
    return Trainer(captioner, train=data, dev={"shapes": dev}, config=config)


def run(learner: Trainer) -> dict[str, Any]:
    """Losses and scores of all epochs, and the final weights."""
    learner.run(lambda _: None)
    return {
        "losses": [result.loss for result in learner.history],
        "scores": [result.scores for result in learner.history],
        "weights": learner.captioner.state_dict(),
    }


def resumed(cache: Path) -> list[dict[str, Any]]:
    """A whole run, and the same run resumed after each of its epochs."""
    options = {"epochs": 2, "self_critical_epochs": 1}
    whole, states = trainer(cache, **options), []

    def keep(_: object) -> None:
        states.append(io.BytesIO())
        torch.save(whole.state_dict(), states[-1])

    whole.run(keep)
    runs = [run(whole)]
    for state in states[:-1]:
        state.seek(0)
        learner = trainer(cache, **options)
        learner.load_state_dict(torch.load(state, weights_only=True))
        runs.append(run(learner))
    return runs


def failure(cache: Path) -> str:
    """What the trainer says if the features of the last process alone are not numbers."""
    learner = trainer(cache)
    if not is_main_process():
        [part] = learner.train_data.pictures
        names = part.data.features.names
        undefined = np.full((len(names), 4, 1280), np.nan, np.float16)
        broken = dataclasses.replace(part.data, features=RegionFeatures(names, undefined))
        learner.train_data = TrainData((Weighted(broken),))
    try:
        learner.run(lambda _: None)
    except TrainingError as error:
        return str(error)
    return ""


def self_critical_losses(cache: Path) -> dict[str, Any]:
    """The loss of a shard of three images, its loss without the other shard, its word count."""
    learner = trainer(cache, batch_size=3)
    objective = SelfCritical(learner.captioner, learner.train_data, learner.config)
    rows = next(objective.batches(1))
    words = []

    def alone(count: torch.Tensor) -> torch.Tensor:
        words.append(count)
        return count

    losses = []
    for mean in (mean_over_ranks, alone):
        self_critical.mean_over_ranks = mean
        torch.manual_seed(rank())
        losses.append(objective.eval()(rows).item())
    return {"rows": rows, "loss": losses[0], "alone": losses[1], "words": words[0].item()}


def found_in_turn(path: Path) -> bool:
    """Whether the file exists before this process creates it, slowly."""
    with main_process_first():
        found = path.exists()
        time.sleep(0.2)
        path.touch()
    return found


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with processes():
        results = {
            "world_size": world_size(),
            "shards": [own_shard(list(range(size))) for size in (5, 2, 1)],
            "all_gather": all_gather(rank() * 10),
            "broadcast_from_main": broadcast_from_main(lambda: rank() * 10 + 7),
            "mean": mean_over_ranks(torch.tensor(float(rank()))).item(),
            "found": found_in_turn(folder / "mark"),
            "trained": run(trainer(folder, dropout=0.0)),
            "rng_state": torch.rand(1).item(),
            "resumed": resumed(folder),
            "stopped": run(trainer(folder, learning_rate=0.0, patience=1, **FROZEN)),
            "failure": failure(folder),
            "self-critical": self_critical_losses(folder),
        }
        torch.save(results, folder / f"{rank()}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
