"""`python manage.py train_captioner`: from a data set of captioned photographs to a checkpoint."""

from __future__ import annotations

import dataclasses
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from captioning.management.commands._datasets import add_dataset_options, chosen_dataset
from pytorch.datasets import DatasetError
from pytorch.decoders import INJECTIONS
from pytorch.encoders import ENCODERS, EncoderError
from pytorch.training import EpochResult, TrainingConfig, TrainingError
from pytorch.training_run import RunConfig, run_training


class Command(BaseCommand):
    """Train a captioner and write it as a checkpoint."""

    help = "Train a captioner on a data set and write it as a checkpoint directory."
    # Training neither needs nor should wait for a checkpoint to serve.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command; the defaults train the reference model."""
        run, training = RunConfig(), TrainingConfig()
        add_dataset_options(parser)
        parser.add_argument("--encoder", choices=list(ENCODERS), default=run.encoder)
        parser.add_argument(
            "--encoder-weights",
            type=Path,
            help="local file of encoder weights instead of the pretrained ones",
        )
        parser.add_argument("--injection", choices=list(INJECTIONS), default=run.injection)
        parser.add_argument(
            "--grid-size",
            type=int,
            default=run.grid_size,
            help="rows and columns of region features (default: %(default)s)",
        )
        parser.add_argument(
            "--epochs", type=int, default=training.epochs, help="at most (default: %(default)s)"
        )
        parser.add_argument(
            "--patience",
            type=int,
            default=training.patience,
            help="stop after so many epochs without a better dev score (default: %(default)s)",
        )
        parser.add_argument(
            "--flip", action="store_true", help="train on the images in a mirror as well"
        )
        parser.add_argument("--batch-size", type=int, default=training.batch_size)
        parser.add_argument("--learning-rate", type=float, default=training.learning_rate)
        parser.add_argument("--seed", type=int, default=training.seed)
        parser.add_argument(
            "--output",
            type=Path,
            help="checkpoint directory to write (default: runs/DATASET-ENCODER-INJECTION)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the training and print one line an epoch; exits with 2 where data is missing."""
        output = options["output"] or settings.BASE_DIR / "runs" / "-".join(
            options[name] for name in ("dataset", "encoder", "injection")
        )
        kept: list[EpochResult] = []

        def report(result: EpochResult) -> None:
            if result.is_best:
                kept.append(result)
            self.stdout.write(_line(result))
            self.stdout.flush()

        try:
            run_training(
                chosen_dataset(options),
                _run_config(options),
                output=output,
                cache_dir=settings.BASE_DIR / "cache" / "features",
                on_epoch=report,
                progress=sys.stderr.isatty(),
            )
        except DatasetError as error:
            raise CommandError(str(error), returncode=2) from error
        except (EncoderError, TrainingError, ValueError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as interrupt:
            outcome = _outcome(kept[-1], output) if kept else "Nothing was written."
            raise CommandError(f"Stopped. {outcome}", returncode=130) from interrupt
        self.stdout.write(_outcome(kept[-1], output))


def _line(result: EpochResult) -> str:
    """One line an epoch: loss, scores, seconds, and a star where the checkpoint was written."""
    scores = "  ".join(f"{name} {score:.3f}" for name, score in result.scores.items())
    return (
        f"epoch {result.epoch}  loss {result.loss:.3f}  {scores}  "
        f"{result.training_seconds:.0f} s + {result.evaluation_seconds:.0f} s"
        f"{'  *' if result.is_best else ''}"
    )


def _outcome(best: EpochResult, output: Path) -> str:
    return f"Best epoch {best.epoch}, CIDEr-D {best.scores['CIDEr-D']:.3f}; written to {output}"


def _run_config(options: dict[str, Any]) -> RunConfig:
    training = TrainingConfig(
        epochs=options["epochs"],
        batch_size=options["batch_size"],
        learning_rate=options["learning_rate"],
        patience=options["patience"],
        seed=options["seed"],
    )
    return dataclasses.replace(
        RunConfig(training=training),
        encoder=options["encoder"],
        encoder_weights=options["encoder_weights"],
        injection=options["injection"],
        grid_size=options["grid_size"],
        flip=options["flip"],
    )
