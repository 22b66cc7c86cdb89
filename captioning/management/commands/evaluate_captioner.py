"""`python manage.py evaluate_captioner`: score a checkpoint, or any captions, on a split."""

from __future__ import annotations

import dataclasses
import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from captioning.management.commands._datasets import add_dataset_options, chosen_dataset
from captioning.management.commands._outputs import check_outputs
from pytorch.data.datasets import DatasetError
from pytorch.evaluation.gallery import draw_gallery
from pytorch.evaluation.results import (
    ResultsError,
    image_ids,
    write_references,
    write_results,
)
from pytorch.evaluation.score_report import ScoreReport, metrics_file, score_report
from pytorch.evaluation.split_captions import SplitCaptions, caption_split, read_split_captions
from pytorch.files.atomic import write_file
from pytorch.model.checkpoint import load_captioner
from pytorch.model.checkpoint_files import CheckpointError
from pytorch.model.options import options_of
from pytorch.model.search import DecodingConfig

DECODING = options_of(DecodingConfig)
OUTPUTS = {
    "output": "JSON file to write the scores to",
    "results_json": "JSON file to write the captions to, in the COCO results format",
    "references_json": "JSON file to write the reference captions to, for other tools",
    "gallery": "HTML file to write the best, median and worst captions to",
}


class Command(BaseCommand):
    """Caption every image of a split by beam search, or read its captions, and score them."""

    help = (
        "Caption every image of a split and print BLEU-1..4, METEOR, ROUGE-L, CIDEr-D and SPICE. "
        "Or score the captions that another system wrote to a file. METEOR and SPICE are printed "
        "only where their Java programs can run."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        captions = parser.add_mutually_exclusive_group()
        captions.add_argument(
            "--checkpoint", type=Path, help="checkpoint directory (default: the one that is served)"
        )
        captions.add_argument(
            "--score-results",
            type=Path,
            metavar="FILE",
            help="score the captions in this file, in the COCO results format, without a model",
        )
        add_dataset_options(parser)
        parser.add_argument("--split", default="dev", help="default: %(default)s")
        for option in DECODING:
            parser.add_argument(option.flag, type=option.kind, help="default: the checkpoint's")
        for name, help_text in OUTPUTS.items():
            flag = f"--{name.replace('_', '-')}"
            parser.add_argument(flag, type=Path, metavar="FILE", help=help_text)

    def handle(self, *_: Any, **options: Any) -> None:
        """Print a line for each score, and write the files asked for.

        Exits with 2 if data is missing.
        """
        _check(options)
        try:
            captioned = _captions(options)
            _write_captions(captioned, options)
            report = score_report(captioned.captions, captioned.examples)
            for line in report.lines():
                self.stdout.write(line)
            _write_scores(captioned, report, options)
        except DatasetError as error:
            raise CommandError(str(error), returncode=2) from error
        except (CheckpointError, ResultsError, ValueError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"Reading or writing a file failed: {error}") from error


def _check(options: dict[str, Any]) -> None:
    """Refuse what would otherwise fail only after minutes of work."""
    for option in DECODING:
        if options["score_results"] and options[option.name] is not None:
            raise CommandError(f"{option.flag} is for a checkpoint; --score-results uses no model.")
    check_outputs(options, *OUTPUTS)


def _captions(options: dict[str, Any]) -> SplitCaptions:
    """Generate or read the captions that the options ask for."""
    split, results = options["split"], options["score_results"]
    needs_images = not results or options["gallery"] is not None
    dataset = chosen_dataset(options, splits=[split], images=needs_images)
    if results:
        return read_split_captions(results, dataset, split)
    captioner = load_captioner(options["checkpoint"] or settings.CAPTIONER_CHECKPOINT)
    values = {option.name: options[option.name] for option in DECODING}
    given = {name: value for name, value in values.items() if value is not None}
    return caption_split(
        captioner,
        dataset,
        split,
        settings.BASE_DIR / "cache" / "features",
        decoding=dataclasses.replace(captioner.decoding, **given),
        progress=sys.stderr.isatty(),
    )


def _write_captions(captioned: SplitCaptions, options: dict[str, Any]) -> None:
    """Write the files of captions that the options ask for."""
    ids = image_ids(captioned.dataset.image_names(captioned.split))
    if options["results_json"]:
        write_results(options["results_json"], ids, captioned.by_image)
    if options["references_json"]:
        write_references(options["references_json"], ids, captioned.examples)


def _write_scores(captioned: SplitCaptions, report: ScoreReport, options: dict[str, Any]) -> None:
    """Write the files of scores that the options ask for."""
    if options["output"]:
        metrics = metrics_file(captioned, report)
        write_file(options["output"], json.dumps(metrics, indent=2) + "\n")
    if options["gallery"]:
        write_file(options["gallery"], draw_gallery(captioned, report))
