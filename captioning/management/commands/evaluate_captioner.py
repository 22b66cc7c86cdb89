"""`python manage.py evaluate_captioner`: scores of a checkpoint on a split."""

from __future__ import annotations

import dataclasses
import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from pytorch.checkpoint_files import CheckpointError
from pytorch.checkpoints import load_captioner
from pytorch.datasets import DATASETS, DatasetError, load_dataset
from pytorch.evaluation import evaluate
from pytorch.training_run import split_data


class Command(BaseCommand):
    """Caption every image of a split by beam search and print the scores."""

    help = "Caption every image of a split and print BLEU-1..4, ROUGE-L and CIDEr-D."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument(
            "--checkpoint",
            type=Path,
            default=settings.CAPTIONER_CHECKPOINT,
            help="checkpoint directory (default: the one that is served)",
        )
        parser.add_argument("--dataset", choices=list(DATASETS), default="flickr8k")
        parser.add_argument(
            "--data-root", type=Path, help="folder of the data set (default: data/DATASET)"
        )
        parser.add_argument("--split", default="dev", help="default: %(default)s")
        parser.add_argument("--beam-size", type=int, help="default: the checkpoint's own")
        parser.add_argument("--output", type=Path, help="JSON file to write the scores to")

    def handle(self, *_: Any, **options: Any) -> None:
        """Evaluate, print a line a score, and write them where `--output` says."""
        data_root = options["data_root"] or settings.BASE_DIR / "data" / options["dataset"]
        try:
            metrics = measure(
                checkpoint=options["checkpoint"],
                dataset_name=options["dataset"],
                data_root=data_root,
                split=options["split"],
                beam_size=options["beam_size"],
            )
        except DatasetError as error:
            raise CommandError(str(error), returncode=2) from error
        except (CheckpointError, ValueError) as error:
            raise CommandError(str(error)) from error
        for name, score in metrics["scores"].items():
            self.stdout.write(f"{name:8} {score:.4f}")
        if options["output"]:
            options["output"].write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


def measure(
    *, checkpoint: Path, dataset_name: str, data_root: Path, split: str, beam_size: int | None
) -> dict[str, Any]:
    """Scores of a checkpoint on a split, with what they were measured on.

    Raises DatasetError, CheckpointError, or ValueError for a beam size below 1.
    """
    dataset = load_dataset(dataset_name, data_root)
    dataset.split(split)  # a wrong name is told before the model is loaded
    captioner = load_captioner(checkpoint)
    if beam_size is not None:
        captioner.decoding = dataclasses.replace(captioner.decoding, beam_size=beam_size)
    progress = sys.stderr.isatty()
    data = split_data(
        dataset,
        split,
        captioner.encoder,
        settings.BASE_DIR / "cache" / "features",
        device=captioner.device,
        progress=progress,
    )
    evaluation = evaluate(captioner, data.features, data.examples, progress=progress)
    return {
        "checkpoint": captioner.name,
        "dataset": dataset_name,
        "split": split,
        "images": len(data.examples),
        "beam_size": captioner.decoding.beam_size,
        "scores": evaluation.scores,
    }
