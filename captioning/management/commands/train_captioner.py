"""`python manage.py train_captioner`: from a data set of captioned photographs to a checkpoint."""

from __future__ import annotations

import sys
import tomllib
from argparse import ArgumentParser, BooleanOptionalAction, _ArgumentGroup
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from captioning.management.commands._datasets import add_dataset_options, chosen_dataset
from pytorch.data.datasets import DatasetError
from pytorch.model.checkpoint_files import CheckpointError
from pytorch.model.encoder_weights import EncoderError
from pytorch.model.options import Option
from pytorch.training.distributed import is_main_process, processes
from pytorch.training.epoch import EpochResult, TrainingError
from pytorch.training.run import run_training
from pytorch.training.run_config import OPTIONS, RunConfig
from pytorch.training.run_folder import RunFolder

GROUPS = {
    "model": "the model",
    "decoder": "its decoder",
    "start": "what training starts from",
    "training": "the training",
    "decoding": "how captions are generated",
}


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
        for part, title in GROUPS.items():
            group = parser.add_argument_group(title)
            for option in OPTIONS[part]:
                _add_option(group, option)

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


def _add_option(group: _ArgumentGroup, option: Option) -> None:
    default = "" if option.default is None else f" (default: {option.default})"
    keywords: dict[str, Any] = {"help": f"{option.help}{default}"}
    if option.kind is bool:
        keywords["action"] = BooleanOptionalAction
    else:
        keywords["type"] = option.kind
        keywords["choices"] = option.choices or None
    group.add_argument(option.flag, **keywords)


def _run_config(options: dict[str, Any]) -> RunConfig:
    """The options given on the command line, else in the TOML file, else by default."""
    values: dict[str, Any] = {}
    if options["config"] is not None:
        try:
            values = tomllib.loads(options["config"].read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"{options['config']} cannot be read as TOML: {error}") from error
    names = [option.name for part in OPTIONS.values() for option in part]
    given = {name: options[name] for name in names if options[name] is not None}
    return RunConfig.of(values | given)


def _default_folder(dataset: str, config: RunConfig) -> Path:
    name = f"{dataset}-{config.model.encoder}-{config.decoder.injection}"
    if config.start.init_from is not None:
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
