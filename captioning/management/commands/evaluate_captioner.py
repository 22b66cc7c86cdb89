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

from captioning.management.commands._datasets import DEFAULT, add_dataset_options, chosen_dataset
from captioning.management.commands._decoding import DECODING, chosen_decoding
from captioning.management.commands._options import add_option
from captioning.management.commands._outputs import check_outputs
from pytorch.data.datasets import DatasetError
from pytorch.evaluation.evaluate import cider_d_of_images
from pytorch.evaluation.gallery import draw_gallery
from pytorch.evaluation.naming import (
    NamedPictures,
    name_pictures,
    naming_report,
    read_named_pictures,
)
from pytorch.evaluation.reliability import spearman
from pytorch.evaluation.results import (
    ResultsError,
    image_ids,
    write_references,
    write_results,
)
from pytorch.evaluation.score_report import metrics_file, score_report
from pytorch.evaluation.split_captions import SplitCaptions, caption_split, read_split_captions
from pytorch.files.atomic import write_file
from pytorch.model.captioner import Captioner
from pytorch.model.checkpoint import load_captioner
from pytorch.model.checkpoint_files import CheckpointError

OUTPUTS = {
    "output": "JSON file to write the scores to",
    "results_json": "JSON file to write the captions to, in the COCO results format",
    "references_json": "JSON file to write the reference captions to, for other tools",
    "gallery": "HTML file to write the best, median and worst captions to",
}


class Command(BaseCommand):
    """Caption every image of a split by beam search, or read its captions, and score them."""

    help = (
        "Caption every image of a split and print BLEU-1..4, METEOR, ROUGE-L, CIDEr-D and SPICE, "
        "and how many captions have faults. Or score the captions that another system wrote to a "
        "file. METEOR and SPICE are printed only where their Java programs can run. With --names, "
        "print how many pictures of one thing the captions name, and how many captions invent "
        "people; then splits are scored only if --dataset or --data-root is given."
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
        parser.set_defaults(dataset=None)  # to know whether one is given
        parser.add_argument(
            "--names",
            type=Path,
            metavar="FILE",
            help="JSON file of pictures and the words that name what they show; the pictures are "
            "in the folder or zip file of the same name beside it",
        )
        parser.add_argument("--split", default="dev", help="default: %(default)s")
        for option in DECODING:
            add_option(parser, option, "the checkpoint's")
        for name, help_text in OUTPUTS.items():
            flag = f"--{name.replace('_', '-')}"
            parser.add_argument(flag, type=Path, metavar="FILE", help=help_text)

    def handle(self, *_: Any, **options: Any) -> None:
        """Print a line for each score, and write the files asked for.

        Exits with 2 if data is missing.
        """
        _check(options)
        try:
            pictures = read_named_pictures(options["names"]) if options["names"] else None
            captioner = None if options["score_results"] else _captioner(options)
            if captioner:
                captioner.check_decoding(chosen_decoding(captioner, options))
            metrics = self._scored(captioner, options) if _scores_a_split(options) else {}
            if captioner and pictures:
                metrics |= self._named(captioner, pictures, options)
            if options["output"]:
                write_file(options["output"], json.dumps(metrics, indent=2) + "\n")
        except DatasetError as error:
            raise CommandError(str(error), returncode=2) from error
        except (CheckpointError, ResultsError, ValueError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"Reading or writing a file failed: {error}") from error

    def _scored(self, captioner: Captioner | None, options: dict[str, Any]) -> dict[str, Any]:
        """Print the scores of a split, write the files about it, and return what was measured."""
        captioned = _captions(captioner, options)
        _write_captions(captioned, options)
        report = score_report(captioned.captions, captioned.examples)
        for line in report.lines():
            self.stdout.write(line)
        if options["gallery"]:
            write_file(options["gallery"], draw_gallery(captioned, report))
        metrics = metrics_file(captioned, report)
        if captioned.confidences:
            scores = cider_d_of_images(captioned.captions, captioned.examples)
            metrics["confidence Spearman"] = spearman(captioned.confidences, scores)
            self.stdout.write(f"confidence Spearman {metrics['confidence Spearman']:.2f}")
        return metrics

    def _named(
        self, captioner: Captioner, pictures: NamedPictures, options: dict[str, Any]
    ) -> dict[str, Any]:
        """Print how pictures of one thing are named, and return what was measured."""
        decoding = chosen_decoding(captioner, options)
        naming = name_pictures(
            captioner, pictures, _cache_dir(), decoding=decoding, progress=sys.stderr.isatty()
        )
        for line in naming.lines():
            self.stdout.write(line)
        return {
            "checkpoint": captioner.name,
            "decoding": dataclasses.asdict(decoding),
            "naming": naming_report(pictures, naming),
        }


def _scores_a_split(options: dict[str, Any]) -> bool:
    return not options["names"] or bool(options["dataset"] or options["data_root"])


def _check(options: dict[str, Any]) -> None:
    """Refuse what would otherwise fail only after minutes of work."""
    for option in DECODING:
        if options["score_results"] and options[option.name] is not None:
            raise CommandError(f"{option.flag} is for a checkpoint; --score-results uses no model.")
    if options["score_results"] and options["names"]:
        raise CommandError("--names is for a checkpoint; --score-results uses no model.")
    for name in OUTPUTS:
        if name != "output" and options[name] and not _scores_a_split(options):
            flag = f"--{name.replace('_', '-')}"
            raise CommandError(f"{flag} is for a split: with --names, give --dataset as well.")
    check_outputs(options, *OUTPUTS)


def _captions(captioner: Captioner | None, options: dict[str, Any]) -> SplitCaptions:
    """Generate the captions of a split; without a captioner, read them."""
    split = options["split"]
    needs_images = captioner is not None or options["gallery"] is not None
    chosen = {**options, "dataset": options["dataset"] or DEFAULT}
    dataset = chosen_dataset(chosen, splits=[split], images=needs_images)
    if captioner is None:
        return read_split_captions(options["score_results"], dataset, split)
    return caption_split(
        captioner,
        dataset,
        split,
        _cache_dir(),
        decoding=chosen_decoding(captioner, options),
        progress=sys.stderr.isatty(),
    )


def _captioner(options: dict[str, Any]) -> Captioner:
    return load_captioner(options["checkpoint"] or settings.CAPTIONER_CHECKPOINT)


def _cache_dir() -> Path:
    return Path(settings.BASE_DIR, "cache", "features")


def _write_captions(captioned: SplitCaptions, options: dict[str, Any]) -> None:
    """Write the files of captions that the options ask for."""
    ids = image_ids(captioned.dataset.image_names(captioned.split))
    if options["results_json"]:
        write_results(options["results_json"], ids, captioned.by_image)
    if options["references_json"]:
        write_references(options["references_json"], ids, captioned.examples)
