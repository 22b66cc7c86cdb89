"""`python manage.py train_captioner`: from a data set of captioned photographs to a checkpoint."""

from __future__ import annotations

import sys
import tomllib
from argparse import ArgumentParser, BooleanOptionalAction
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from captioning.management.commands._datasets import add_dataset_options, chosen_dataset
from pytorch.data.datasets import DatasetError
from pytorch.model.checkpoint_files import CheckpointError
from pytorch.model.encoder_weights import EncoderError
from pytorch.model.encoders import ENCODERS
from pytorch.model.injections import INJECTIONS
from pytorch.training.distributed import is_main_process, processes
from pytorch.training.epoch import EpochResult, TrainingError
from pytorch.training.run import run_training
from pytorch.training.run_config import OPTIONS, RunConfig, run_config
from pytorch.training.run_folder import RunFolder
from pytorch.training.schedules import SCHEDULES

HELP = {
    "encoder": "the network that sees",
    "encoder_weights": "local file of encoder weights instead of the pretrained ones",
    "grid_size": "rows and columns of region features",
    "min_count": "occurrences in the train split that a word of the vocabulary needs",
    "flip": "train on the images in a mirror as well",
    "init_from": "checkpoint to train further, instead of a new model",
    "injection": "how the image enters the decoder",
    "tied_embeddings": "use the word embeddings as output weights too",
    "epochs": "epochs of teacher forcing, at most",
    "schedule": "how the learning rate falls",
    "base_lr_epochs": "epochs before the halving schedule begins to halve",
    "warm_up_epochs": "epochs over which the learning rate improvements from zero",
    "accumulation_steps": "batches whose gradients one step of the optimizer gathers",
    "mixed_precision": "multiply matrices in half precision",
    "ema_decay": "share of the averaged weights that a step keeps; 0 to average nothing",
    "fine_tune_from": "layer of the encoder from which on it learns too",
    "fine_tune_after": "epochs before the encoder learns too",
    "fine_tune_learning_rate": "the encoder's own",
    "self_critical_epochs": "epochs of self-critical training afterwards, at most",
    "self_critical_samples": "captions sampled for each image",
    "patience": "epochs without a better dev score after which a phase ends",
    "no_repeat_ngram": "no so many words in a row come twice in a caption; 0 to allow it",
    "top_p": "sample from the most probable words that together reach this, instead of searching",
}
CHOICES = {"encoder": list(ENCODERS), "injection": list(INJECTIONS), "schedule": list(SCHEDULES)}


class Command(BaseCommand):
    """Train a captioner and write it as a checkpoint."""

    help = "Train a captioner on a data set and write it as a checkpoint directory."
    # Training neither needs nor should wait for a checkpoint to serve.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command; the defaults train the reference model."""
        add_dataset_options(parser)
        parser.add_argument(
            "--output", type=Path, help="checkpoint directory to write (default: RUN/checkpoint)"
        )
        parser.add_argument(
            "--run",
            type=Path,
            help="folder of the log and the state (default: runs/DATASET-ENCODER-INJECTION)",
        )
        parser.add_argument(
            "--resume", action="store_true", help="go on with the run that was interrupted"
        )
        parser.add_argument(
            "--config", type=Path, help="TOML file of the options below; those given here win"
        )
        for option in OPTIONS:
            keywords: dict[str, Any] = {
                "help": f"{HELP.get(option.name, '')} (default: {option.default})".lstrip()
            }
            if option.kind is bool:
                keywords["action"] = BooleanOptionalAction
            else:
                keywords["type"] = option.kind
            if option.name in CHOICES:
                keywords["choices"] = CHOICES[option.name]
            parser.add_argument(option.flag, **keywords)

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the training and print one line an epoch; exits with 2 where data is missing."""
        kept: list[EpochResult] = []  # the first of them is what --init-from began with

        def report(result: EpochResult) -> None:
            if result.improved:
                kept.append(result)
            self.stdout.write(_line(result))
            self.stdout.flush()

        folder: RunFolder | None = None
        try:
            config = _run_config(options)
            folder = RunFolder(options["run"] or _default_folder(options["dataset"], config))
            output = options["output"] or folder.checkpoint
            with processes():
                best = run_training(
                    chosen_dataset(options),
                    config,
                    folder=folder,
                    output=output,
                    cache_dir=settings.BASE_DIR / "cache" / "features",
                    on_epoch=report,
                    resume=options["resume"],
                    progress=sys.stderr.isatty(),
                )
        except DatasetError as error:
            raise CommandError(str(error), returncode=2) from error
        except (CheckpointError, EncoderError, TrainingError, ValueError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"Reading or writing a file failed: {error}") from error
        except KeyboardInterrupt as interrupt:
            if not is_main_process():
                raise SystemExit(130) from interrupt
            if folder is None or not folder.has_state:
                advice = "No epoch was finished: start it again with the same command."
            elif kept:
                advice = f"{_outcome(kept[-1], output)} Go on with --resume."
            else:
                advice = "No epoch was better than before. Go on with --resume."
            raise CommandError(f"Stopped. {advice}", returncode=130) from interrupt
        if is_main_process():
            if kept and kept[0].epoch == 0:
                self.stdout.write(f"dev before  {_scores(kept[0])}\ndev after   {_scores(best)}")
            self.stdout.write(_outcome(best, output))


def _run_config(options: dict[str, Any]) -> RunConfig:
    """The options given, over those of the TOML file, over the defaults."""
    values: dict[str, Any] = {}
    if options["config"] is not None:
        try:
            values = tomllib.loads(options["config"].read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{options['config']} cannot be read as TOML: {error}") from error
    given = {option.name: options[option.name] for option in OPTIONS}
    return run_config(values | {name: value for name, value in given.items() if value is not None})


def _default_folder(dataset: str, config: RunConfig) -> Path:
    name = f"{dataset}-{config.model.encoder}-{config.decoder.injection}"
    if config.model.init_from is not None:
        name = f"{name}-further"
    folder: Path = settings.BASE_DIR / "runs" / name
    return folder


def _line(result: EpochResult) -> str:
    """One line an epoch: loss, scores, seconds, and a star where the checkpoint was written."""
    loss = f"  loss {result.loss:.3f}" if result.epoch else ""  # before the first there is none
    return (
        f"epoch {result.epoch}{loss}  {_scores(result)}  "
        f"{result.training_seconds:.0f} s + {result.evaluation_seconds:.0f} s"
        f"{'  *' if result.improved else ''}"
    )


def _scores(result: EpochResult) -> str:
    return "  ".join(f"{name} {score:.3f}" for name, score in result.scores.items())


def _outcome(best: EpochResult, output: Path) -> str:
    if best.epoch == 0:
        return f"No epoch was better than what it began with, which is written to {output}."
    return f"Best epoch {best.epoch}, CIDEr-D {best.scores['CIDEr-D']:.3f}; written to {output}."
