"""`python manage.py tune_encoder`: teach an encoder the words of captions."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from captioning.management.commands._options import add_option
from captioning.management.commands._outputs import check_outputs
from captioning.management.commands._several_datasets import add_datasets_options, chosen_datasets
from pytorch.data.datasets import DatasetError
from pytorch.model.checkpoint import default_device
from pytorch.model.encoder_weights import EncoderError
from pytorch.model.options import options_of
from pytorch.training.data_sets import DataSets
from pytorch.training.encoder_tuning import TuningConfig, tuned_encoder
from pytorch.training.run_config import ModelConfig, StartConfig

# The words are chosen as `train_captioner` does.
START = [option for option in options_of(StartConfig) if option.kind is int]
PARTS = {
    "encoder": (ModelConfig, options_of(ModelConfig)),
    "tuning": (TuningConfig, options_of(TuningConfig)),
    "word": (StartConfig, START),
}


class Command(BaseCommand):
    """Tune the last layers of an encoder on the words of captions."""

    help = (
        "Tune the last layers of an encoder: teach it which words the captions of a picture say, "
        "and keep what it knows of ImageNet's classes. Train with the result by train_captioner "
        "--encoder-weights, on the same data sets."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add all options."""
        add_datasets_options(parser)
        parser.add_argument(
            "--output", type=Path, required=True, help="safetensors file of weights to write"
        )
        for part, (_, options) in PARTS.items():
            group = parser.add_argument_group(f"{part} options")
            for option in options:
                add_option(group, option, option.default)

    def handle(self, *_: Any, **options: Any) -> None:
        """Print how the tuning goes, and what it brought; exit with 2 if data is missing."""
        output: Path = options["output"]
        try:
            model, tuning, start = (_config(kind, options) for kind, _ in PARTS.values())
            if output.suffix != ".safetensors":
                raise ValueError(f"--output must end in .safetensors, not {output.name!r}.")
            check_outputs(options, "output")
            encoder = tuned_encoder(
                DataSets.of(chosen_datasets(options)),
                model,
                tuning,
                start,
                cache_dir=settings.BASE_DIR / "cache" / "features",
                device=default_device(),
                report=self._say,
                progress=sys.stderr.isatty(),
            )
            encoder.save_tuned(output)
        except DatasetError as error:
            raise CommandError(str(error), returncode=2) from error
        except (EncoderError, ValueError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"Reading or writing a file failed: {error}") from error
        self._say(f"Written to {output}.")

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()


def _config(kind: type, options: dict[str, Any]) -> Any:
    """A configuration of the options that are given."""
    given = {option.name: options.get(option.name) for option in options_of(kind)}
    return kind(**{name: value for name, value in given.items() if value is not None})
