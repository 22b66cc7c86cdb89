"""`python manage.py train_captioner`: train a captioner on data sets."""

from __future__ import annotations

import sys
import tomllib
from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from captioning.management.commands._options import add_option
from captioning.management.commands._several_datasets import (
    add_datasets_options,
    chosen_datasets,
    names_of,
)
from pytorch.data.datasets import DatasetError
from pytorch.model.checkpoint_files import CheckpointError
from pytorch.model.encoder_weights import EncoderError
from pytorch.training.distributed import is_main_process, processes
from pytorch.training.epoch import EpochResult, TrainingError
from pytorch.training.run import run_training
from pytorch.training.run_config import OPTIONS, RunConfig
from pytorch.training.run_folder import RunFolder


class Command(BaseCommand):
    """Train a captioner and write it as a checkpoint."""

    help = "Train a captioner on data sets and write it as a checkpoint directory."
    # Training neither needs nor should wait for a checkpoint to serve.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add all options; their defaults train the reference model."""
        add_datasets_options(parser)
        parser.add_argument(
            "--output", type=Path, help="checkpoint directory to write (default: RUN/checkpoint)"
        )
        parser.add_argument(
            "--run",
            type=Path,
            help="folder of the log and the state (default: runs/DATASETS-ENCODER-INJECTION)",
        )
        parser.add_argument("--resume", action="store_true", help="resume an interrupted run")
        parser.add_argument(
            "--config",
            type=Path,
            help="TOML file of any options below; the command line takes precedence",
        )
        for part, options in OPTIONS.items():
            group = parser.add_argument_group(f"{part} options")
            for option in options:
                add_option(group, option, option.default)

    def handle(self, *_: Any, **options: Any) -> None:
        """Train, and print a line after each epoch; exit with 2 if data is missing."""
        # The first one may be epoch 0, the checkpoint that --init-from names.
        improvements: list[EpochResult] = []
        folder: RunFolder | None = None
        try:
            config = _run_config(options)
            folder = RunFolder(options["run"] or _default_folder(names_of(options), config))
            output = options["output"] or folder.checkpoint
            with processes():
                best = run_training(
                    chosen_datasets(options),
                    config,
                    folder=folder,
                    output=output,
                    cache_dir=settings.BASE_DIR / "cache" / "features",
                    on_epoch=partial(self._report, improvements),
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
                advice = "No epoch was finished. Start again with the same command."
            elif improvements:
                advice = f"{_outcome(improvements[-1], output)} Continue with --resume."
            else:
                advice = "No epoch since the start was an improvement. Continue with --resume."
            raise CommandError(f"Stopped. {advice}", returncode=130) from interrupt
        if is_main_process():
            if improvements and improvements[0].epoch == 0:
                before = improvements[0]
                self.stdout.write(f"dev before  {_scores(before)}\ndev after   {_scores(best)}")
            self.stdout.write(_outcome(best, output))

    def _report(self, improvements: list[EpochResult], result: EpochResult) -> None:
        """Print the line of an epoch, and remember it if it is the best so far."""
        if result.improved:
            improvements.append(result)
        self.stdout.write(_line(result))
        self.stdout.flush()


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


def _default_folder(datasets: list[str], config: RunConfig) -> Path:
    name = f"{'+'.join(datasets)}-{config.model.encoder}-{config.decoder.injection}"
    if config.start.init_from is not None:
        name = f"{name}-further"
    folder: Path = settings.BASE_DIR / "runs" / name
    return folder


def _line(result: EpochResult) -> str:
    """The line of an epoch: loss, scores, seconds, and a star if the checkpoint was written."""
    loss = f"  loss {result.loss:.3f}" if result.epoch else ""
    return (
        f"epoch {result.epoch}{loss}  {_scores(result)}  "
        f"{result.training_seconds:.0f} s + {result.evaluation_seconds:.0f} s"
        f"{'  *' if result.improved else ''}"
    )


def _scores(result: EpochResult) -> str:
    """All scores; with several data sets BLEU-4 and CIDEr-D on each, and the mean CIDEr-D."""
    if len(result.dev_scores) == 1:
        return "  ".join(f"{name} {score:.3f}" for name, score in result.scores.items())
    return "  ".join(
        [
            *(
                f"{name} BLEU-4 {scores['BLEU-4']:.3f} CIDEr-D {scores['CIDEr-D']:.3f}"
                for name, scores in result.dev_scores.items()
            ),
            f"mean CIDEr-D {result.scores['CIDEr-D']:.3f}",
        ]
    )


def _outcome(best: EpochResult, output: Path) -> str:
    if best.epoch == 0:
        return f"No epoch was an improvement; {output} has the weights that training started from."
    return f"Best epoch {best.epoch}, CIDEr-D {best.scores['CIDEr-D']:.3f}; written to {output}."
