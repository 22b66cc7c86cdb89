"""What a checkpoint's `metrics.json` holds: its scores, and the recipe of each training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from pytorch.data.caption_dataset import CaptionDataset
from pytorch.model.checkpoint_files import CheckpointError
from pytorch.training.distributed import world_size
from pytorch.training.epoch import EpochResult
from pytorch.training.run_config import RunConfig

# What the model card needs to know of each training.
REQUIRED = ("dataset", "terms", "train_images", "flip")


def check_recipes(metrics: Mapping[str, Any], checkpoint: Path) -> None:
    """Make sure that a new model card can describe the earlier trainings of a checkpoint.

    Raises:
        CheckpointError: The recipe of a training lacks an entry.
    """
    for recipe in metrics.get("training", []):
        for name in REQUIRED:
            if name not in recipe:
                raise CheckpointError(
                    f"The checkpoint at {checkpoint} does not state {name!r} of its training, "
                    "which the model card needs. Train it again with this program."
                )


def checkpoint_metrics(
    dataset: CaptionDataset,
    config: RunConfig,
    history: Sequence[EpochResult],
    earlier: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The content of `metrics.json`.

    Args:
        dataset: The data set trained on.
        config: The options of the run.
        history: The epochs so far, of which the last one is the best.
        earlier: The recipes of the trainings that this one continues.
    """
    best = history[-1]
    recipe = {
        "dataset": dataset.name,
        "terms": dataset.terms,
        "train_images": len(dataset.split("train")),
        "best_epoch": best.epoch,
        "objective": best.objective,
        "skipped_images": dataset.skipped,
        "world_size": world_size(),
        **dataclasses.asdict(config.training),
        "torch": torch.__version__,
    }
    if config.start.init_from is None:
        recipe["min_count"] = config.start.min_count
    else:
        recipe["scores_before"] = _rounded(history[0].scores)
    return {
        "dataset": dataset.name,
        "split": "dev",
        "images": len(dataset.split("dev")),
        "beam_size": config.decoding.beam_size,
        "scores": _rounded(best.scores),
        "training": [*earlier, recipe],
    }


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: round(score, 4) for name, score in scores.items()}
