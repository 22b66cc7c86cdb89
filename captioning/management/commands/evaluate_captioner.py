"""`python manage.py evaluate_captioner`: scores of a checkpoint on a split."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from captioning.management.commands._datasets import add_dataset_options, chosen_dataset
from pytorch.checkpoint_files import CheckpointError
from pytorch.checkpoints import load_captioner
from pytorch.datasets import CaptionDataset, DatasetError
from pytorch.evaluation import evaluate
from pytorch.split_data import split_data


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
        add_dataset_options(parser)
        parser.add_argument("--split", default="dev", help="default: %(default)s")
        parser.add_argument("--beam-size", type=int, help="default: the checkpoint's own")
        parser.add_argument("--output", type=Path, help="JSON file to write the scores to")

    def handle(self, *_: Any, **options: Any) -> None:
        """Evaluate, print a line a score, and write them where `--output` says."""
        try:
            metrics = measure(
                checkpoint=options["checkpoint"],
                dataset=chosen_dataset(options),
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
    *, checkpoint: Path, dataset: CaptionDataset, split: str, beam_size: int | None
) -> dict[str, Any]:
    """Scores of a checkpoint on a split, with what they were measured on.

    Raises DatasetError, CheckpointError, or ValueError for a beam size below 1.
    """
    dataset.split(split)  # a wrong name is told before the model is loaded
    captioner = load_captioner(checkpoint)
    progress = sys.stderr.isatty()
    data = split_data(
        dataset,
        split,
        captioner.encoder,
        settings.BASE_DIR / "cache" / "features",
        device=captioner.device,
        progress=progress,
    )
    evaluation = evaluate(
        captioner, data.features, data.examples, beam_size=beam_size, progress=progress
    )
    return {
        "checkpoint": captioner.name,
        "dataset": dataset.name,
        "split": split,
        "images": len(data.examples),
        "skipped_images": dataset.leave_out(data.features.unreadable).skipped[split],
        "beam_size": beam_size or captioner.decoding.beam_size,
        "scores": evaluation.scores,
    }
