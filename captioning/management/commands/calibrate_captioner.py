"""`python manage.py calibrate_captioner`: settle how a checkpoint captions, and its confidence."""

from __future__ import annotations

import dataclasses
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from captioning.management.commands._decoding import DECODING, chosen_decoding
from captioning.management.commands._options import add_option
from captioning.management.commands._several_datasets import add_datasets_options, chosen_datasets
from pytorch.data.datasets import DatasetError
from pytorch.data.prepared import PreparedSplit
from pytorch.evaluation.evaluate import evaluate
from pytorch.evaluation.naming import NamedPictures, name_pictures, read_named_pictures
from pytorch.model.captioner import Captioner
from pytorch.model.checkpoint import load_captioner, round_to_half, save_checkpoint
from pytorch.model.checkpoint_files import CheckpointError, check_replaceable
from pytorch.model.encoder_weights import EncoderError
from pytorch.training.calibration import calibrate
from pytorch.training.data_sets import DataSets
from pytorch.training.model_card import model_card
from pytorch.training.people_fitting import fitted_people
from pytorch.training.recipe import check_recipes, dev_metrics, with_terms


class Command(BaseCommand):
    """Settle how captions are generated, score them, and fit how probably one is good."""

    help = (
        "Round the weights to half precision, learn in which pictures people are, caption the dev "
        "splits with the options given, fit how probable it is that a caption is good, and write "
        "the checkpoint with all that and the scores. Name the data sets, with their weights, that "
        "the model was trained on."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument(
            "--checkpoint", type=Path, help="checkpoint directory (default: the one that is served)"
        )
        add_datasets_options(parser)
        parser.add_argument(
            "--output",
            type=Path,
            required=True,
            help="checkpoint directory to write; may be the same",
        )
        parser.add_argument(
            "--names",
            type=Path,
            metavar="FILE",
            help="names file, see evaluate_captioner, to measure how captions name what they show",
        )
        parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
        for option in DECODING:
            add_option(parser, option, "the checkpoint's")

    def handle(self, *_: Any, **options: Any) -> None:
        """Print how well the confidence tells good captions; exit with 2 if data is missing."""
        output: Path = options["output"]
        checkpoint: Path = options["checkpoint"] or settings.CAPTIONER_CHECKPOINT
        try:
            check_replaceable(output)
            pictures = read_named_pictures(options["names"]) if options["names"] else None
            captioner = load_captioner(checkpoint)
            captioner.decoding = chosen_decoding(captioner, options)
            # Whether people are in a picture, the captioner will have learned.
            captioner.check_decoding(dataclasses.replace(captioner.decoding, no_people_below=None))
            if not captioner.metrics.get("training"):
                raise CheckpointError(
                    f"The checkpoint at {checkpoint} does not state its training, which the model "
                    "card needs. Train it again with this program."
                )
            check_recipes(captioner.metrics, checkpoint)
            cache_dir = settings.BASE_DIR / "cache" / "features"
            datasets, train, dev = DataSets.of(chosen_datasets(options)).prepared(
                captioner.encoder,
                cache_dir,
                device=captioner.device,
                progress=sys.stderr.isatty(),
            )
            round_to_half(captioner.decoder)
            self._say("Learning in which pictures people are.")
            captioner.people = fitted_people(captioner, train, seed=options["seed"])
            figures = calibrate(
                captioner, train.features, dev, seed=options["seed"], progress=self._say
            )
            captioner.metrics = with_terms(captioner.metrics, datasets)
            captioner.metrics |= self._scores(captioner, dev) | {"confidence": figures}
            captioner.metrics.pop("naming", None)  # of another search
            if pictures:
                captioner.metrics["naming"] = self._naming(captioner, pictures, cache_dir)
            save_checkpoint(output, captioner, model_card=model_card(captioner, name=output.name))
        except DatasetError as error:
            raise CommandError(str(error), returncode=2) from error
        except (CheckpointError, EncoderError, ValueError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"Reading or writing a file failed: {error}") from error
        self._report(figures)
        self._say(f"Written to {output}.")

    def _scores(self, captioner: Captioner, dev: Mapping[str, PreparedSplit]) -> dict[str, Any]:
        """Score the captions of the dev splits, print the scores, and return what metrics say."""
        self._say("Scoring the captions.")
        scores = {name: evaluate(captioner, split).scores for name, split in dev.items()}
        for name, own in scores.items():
            self._say(f"{name}  BLEU-4 {own['BLEU-4']:.3f}  CIDEr-D {own['CIDEr-D']:.3f}")
        images = {name: len(split.examples) for name, split in dev.items()}
        return dev_metrics(scores, images, captioner.decoding)

    def _naming(
        self, captioner: Captioner, pictures: NamedPictures, cache_dir: Path
    ) -> dict[str, Any]:
        """Measure how captions name what pictures show, print it, and return what metrics say."""
        naming = name_pictures(captioner, pictures, cache_dir)
        for line in naming.lines():
            self._say(line)
        return {
            "images": len(naming.captions),
            "named": round(naming.named, 4),
            "people": round(naming.people, 4),
        }

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()

    def _report(self, figures: dict[str, Any]) -> None:
        """Print a line for each data set, for the tenths and for the negative pictures."""
        for name, own in figures["datasets"].items():
            self._say(
                f"{name}  good {own['good']:.3f}  confidence {own['confidence']:.3f}  "
                f"calibration error {own['calibration error']:.3f}  "
                f"Spearman with CIDEr-D {own['Spearman with CIDEr-D']:.3f}"
            )
        for each in figures["tenths"]:
            if each["captions"]:
                self._say(
                    f"from {each['least']:.1f}  {each['captions']:5} captions  "
                    f"confidence {each['confidence']:.2f}  good {each['good']:.2f}"
                )
        negatives = figures["negatives"]
        self._say(
            f"no caption fits  confidence {negatives['confidence']:.3f}  "
            f"read as guesses {negatives['guessed']:.2f}"
        )
