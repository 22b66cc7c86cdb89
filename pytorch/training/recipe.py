"""What a checkpoint's `metrics.json` holds: its scores, and the recipe of each training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from pytorch.data.caption_dataset import CaptionDataset
from pytorch.data.formats.sentences import SentenceDataset
from pytorch.model.checkpoint_files import CheckpointError
from pytorch.model.decoding import DecodingConfig
from pytorch.training.data_sets import DataSets
from pytorch.training.distributed import world_size
from pytorch.training.epoch import EpochResult, mean_scores
from pytorch.training.run_config import RunConfig
from pytorch.training.train_data import Weighted

# What the model card needs to know of each training.
REQUIRED = ("dataset", "terms", "flip")


def recipe_datasets(recipe: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What the recipe of a training says of its data sets.

    In checkpoints of the time when a training had a single data set, the recipe says it itself.
    """
    datasets: Sequence[Mapping[str, Any]] = recipe.get("datasets", [recipe])
    return datasets


def check_recipes(metrics: Mapping[str, Any], checkpoint: Path) -> None:
    """Make sure that a new model card can describe the earlier trainings of a checkpoint.

    Raises:
        CheckpointError: The recipe of a training lacks an entry.
    """
    for recipe in metrics.get("training", []):
        for dataset in recipe_datasets(recipe):
            stated = {**recipe, **dataset}
            missing = [name for name in REQUIRED if name not in stated]
            if not {"train_images", "train_sentences"} & set(stated):
                missing.append("train_images")
            if missing:
                raise CheckpointError(
                    f"The checkpoint at {checkpoint} does not state {missing[0]!r} of its "
                    "training, which the model card needs. Train it again with this program."
                )


def checkpoint_metrics(
    datasets: DataSets,
    config: RunConfig,
    history: Sequence[EpochResult],
    earlier: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The content of `metrics.json`.

    Args:
        datasets: The data sets trained on.
        config: The options of the run.
        history: The epochs so far, of which the last one is the best.
        earlier: The recipes of the trainings that this one continues.
    """
    best = history[-1]
    recipe = {
        "datasets": [
            *(_pictures(name, part) for name, part in datasets.pictures.items()),
            *(_sentences(name, part) for name, part in datasets.texts.items()),
        ],
        "best_epoch": best.epoch,
        "objective": best.objective,
        "world_size": world_size(),
        **dataclasses.asdict(config.training),
        "torch": torch.__version__,
    }
    if config.start.init_from is None:
        recipe["min_count"] = config.start.min_count
    else:
        recipe["scores_before"] = _rounded(history[0].scores)
    images = {name: len(datasets.dev[name].split("dev")) for name in best.dev_scores}
    return {
        **dev_metrics(best.dev_scores, images, config.decoding),
        "training": [*earlier, recipe],
    }


def with_terms(metrics: Mapping[str, Any], datasets: DataSets) -> dict[str, Any]:
    """The metrics of a checkpoint, with what its data sets say of their terms by now."""
    terms = {
        name: part.data.terms
        for parts in (datasets.pictures, datasets.texts)
        for name, part in parts.items()
    }

    def updated(recipe: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **recipe,
            "datasets": [
                {**dataset, "terms": terms.get(dataset["dataset"], dataset["terms"])}
                for dataset in recipe["datasets"]
            ],
        }

    trainings = [updated(each) if "datasets" in each else each for each in metrics["training"]]
    return {**metrics, "training": trainings}


def dev_metrics(
    scores: Mapping[str, Mapping[str, float]], images: Mapping[str, int], decoding: DecodingConfig
) -> dict[str, Any]:
    """What `metrics.json` says of the scores on dev splits.

    Args:
        scores: Of each data set.
        images: The number of images of each.
        decoding: How the captions were generated.
    """
    return {
        "dataset": " and ".join(scores),
        "split": "dev",
        "images": sum(images[name] for name in scores),
        "beam_size": decoding.beam_size,
        "scores": _rounded(mean_scores(scores)),
        "dev": {
            name: {"images": images[name], "scores": _rounded(own)} for name, own in scores.items()
        },
    }


# The folders of the data sets are nobody's concern.
def _pictures(name: str, part: Weighted[CaptionDataset]) -> dict[str, Any]:
    return {
        "dataset": name,
        "terms": part.data.terms,
        "weight": part.weight,
        "train_images": len(part.data.split("train")),
        "skipped_images": part.data.skipped,
    }


def _sentences(name: str, part: Weighted[SentenceDataset]) -> dict[str, Any]:
    return {
        "dataset": name,
        "terms": part.data.terms,
        "weight": part.weight,
        "train_sentences": len(part.data.sentences),
    }


def _rounded(scores: Mapping[str, float]) -> dict[str, float]:
    return {name: round(score, 4) for name, score in scores.items()}
