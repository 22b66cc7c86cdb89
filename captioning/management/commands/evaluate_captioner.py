"""`python manage.py evaluate_captioner`: scores of a checkpoint, or of any captions, on a split."""

from __future__ import annotations

import dataclasses
import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from captioning.management.commands._datasets import add_dataset_options, chosen_dataset
from captioning.management.commands._outputs import check_outputs
from pytorch.data.datasets import CaptionDataset, DatasetError, Example
from pytorch.data.images import ImageStore
from pytorch.data.prepared import prepare
from pytorch.evaluation.evaluate import (
    ScoreReport,
    cider_d_of_images,
    generate_captions,
    score_report,
)
from pytorch.evaluation.gallery import Entry, extremes, gallery_page
from pytorch.evaluation.results import (
    ResultsError,
    image_ids,
    read_results,
    write_references,
    write_results,
)
from pytorch.model.captioner import Caption
from pytorch.model.checkpoint import load_captioner
from pytorch.model.checkpoint_files import CheckpointError
from pytorch.training.run_config import OPTIONS

DECODING = [option for option in OPTIONS if option.part == "decoding"]
OUTPUTS = ("output", "results_json", "references_json", "gallery")


@dataclass(frozen=True)
class Captioned:
    """Captions of the examples of a split, in their order, and where they come from.

    `describe` gives the captions of some of them word by word; None for another system's.
    """

    examples: Sequence[Example]
    captions: list[str]
    name: str
    origin: dict[str, Any]
    describe: Callable[[Sequence[int]], list[Caption]] | None = None


class Command(BaseCommand):
    """Caption every image of a split by beam search, or read its captions, and score them."""

    help = (
        "Caption every image of a split and print BLEU-1..4, METEOR, ROUGE-L, CIDEr-D and, where "
        "it can run, SPICE. Or score the captions that another system wrote to a file."
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
        for name, help_text in {
            "--output": "JSON file to write the scores to",
            "--results-json": "JSON file to write the captions to, in the COCO results format",
            "--references-json": "JSON file to write the split's own captions to, for other tools",
            "--gallery": "HTML file to write the best, median and worst captions to",
        }.items():
            parser.add_argument(name, type=Path, metavar="FILE", help=help_text)

    def handle(self, *_: Any, **options: Any) -> None:
        """Score, print a line a score, and write what is asked for.

        Exits with 2 where data is missing.
        """
        _check(options)
        try:
            self._evaluate(chosen_dataset(options), options)
        except DatasetError as error:
            raise CommandError(str(error), returncode=2) from error
        except (CheckpointError, ResultsError, ValueError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"Reading or writing a file failed: {error}") from error

    def _evaluate(self, dataset: CaptionDataset, options: dict[str, Any]) -> None:
        split = options["split"]
        dataset.split(split)  # a wrong name is told before a model is loaded
        ids = image_ids(dataset.image_names(split))
        if options["score_results"]:
            captioned = read_captions(options["score_results"], ids, dataset, split)
        else:
            captioned = generate(
                options["checkpoint"] or settings.CAPTIONER_CHECKPOINT,
                dataset,
                split,
                decoding=_given(options),
            )
        if options["results_json"]:
            images = (example.image for example in captioned.examples)
            captions = dict(zip(images, captioned.captions, strict=True))
            write_results(options["results_json"], ids, captions)
        if options["references_json"]:
            write_references(options["references_json"], ids, captioned.examples)
        report = score_report(captioned.captions, captioned.examples)
        for line in report.lines():
            self.stdout.write(line)
        if options["output"]:
            metrics = {
                **captioned.origin,
                "dataset": dataset.name,
                "split": split,
                "images": len(captioned.examples),
                "scores": report.scores,
                "metric_notes": report.notes,
            }
            options["output"].write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
        if options["gallery"]:
            title = f"Captions of {captioned.name} for {dataset.name} {split}"
            page = draw_gallery(title, captioned, dataset.images, report)
            options["gallery"].write_text(page, encoding="utf-8")


def read_captions(
    path: Path, ids: Mapping[str, int], dataset: CaptionDataset, split: str
) -> Captioned:
    """Captions of a split from a file in the COCO results format.

    Images without a caption are left out where the data set allows it. Raises ResultsError.
    """
    captions = read_results(path, ids)
    absent = [each.image for each in dataset.split(split) if each.image not in captions]
    if absent and not dataset.allow_missing:
        raise ResultsError(
            f"{path} has no caption for some images of the split ({len(absent)} in all, the first "
            f"is {absent[0]!r}). Leave these out with --allow-missing."
        )
    dataset = dataset.leave_out(dict.fromkeys(absent, f"no caption in {path.name}"))
    examples = dataset.split(split)
    return Captioned(
        examples,
        [captions[example.image] for example in examples],
        path.name,
        {"results": path.name, "skipped_images": dataset.skipped[split]},
    )


def generate(
    checkpoint: Path, dataset: CaptionDataset, split: str, *, decoding: Mapping[str, Any]
) -> Captioned:
    """Captions of a split from a checkpoint, `decoding` in place of its own settings.

    Raises DatasetError, CheckpointError, or ValueError for settings out of range.
    """
    captioner = load_captioner(checkpoint)
    captioner.decoding = dataclasses.replace(captioner.decoding, **decoding)
    progress = sys.stderr.isatty()
    prepared = prepare(
        dataset,
        [split],
        captioner.encoder,
        settings.BASE_DIR / "cache" / "features",
        device=captioner.device,
        progress=progress,
    )
    data = prepared.splits[split]

    def describe(rows: Sequence[int]) -> list[Caption]:
        regions = data.features.rows(rows).to(captioner.device)  # (B, R, C)
        return captioner.caption_regions(regions)

    return Captioned(
        data.examples,
        generate_captions(captioner, data.features, progress=progress),
        captioner.name,
        {
            "checkpoint": captioner.name,
            "decoding": dataclasses.asdict(captioner.decoding),
            "skipped_images": prepared.dataset.skipped[split],
        },
        describe,
    )


def draw_gallery(title: str, captioned: Captioned, images: ImageStore, report: ScoreReport) -> str:
    """The page of the best, median and worst captions; raises DatasetError for a broken image."""
    scores = cider_d_of_images(captioned.captions, captioned.examples)

    def entry(row: int, described: Caption | None) -> Entry:
        example = captioned.examples[row]
        return Entry(
            image=images.open(example.image),
            name=example.image,
            sentence=described.sentence if described else captioned.captions[row],
            references=example.captions,
            cider_d=scores[row],
            words=described.words if described else (),
        )

    groups = {}
    for name, rows in extremes(scores).items():
        described = captioned.describe(rows) if captioned.describe else [None] * len(rows)
        groups[name] = [entry(*pair) for pair in zip(rows, described, strict=True)]
    return gallery_page(title, groups, report)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the search that are to replace the checkpoint's own."""
    values = {option.name: options[option.name] for option in DECODING}
    return {name: value for name, value in values.items() if value is not None}


def _check(options: dict[str, Any]) -> None:
    """Refuse what would fail only after minutes of work."""
    for option in DECODING:
        if options["score_results"] and options[option.name] is not None:
            raise CommandError(f"{option.flag} is for a checkpoint; --score-results uses no model.")
    check_outputs(options, *OUTPUTS)
