"""A training run as one HTML page: its curves, what it learned to say, and its worst captions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from markupsafe import Markup

from pytorch.data.datasets import CaptionDataset, Example
from pytorch.data.images import ImageError, ImageStore
from pytorch.evaluation.evaluate import cider_d_of_images
from pytorch.evaluation.html_report import note, picture, render
from pytorch.evaluation.line_chart import line_chart
from pytorch.model.tokenization import sentence
from pytorch.training.data_sets import DataSets
from pytorch.training.epoch import EpochResult, named_scores

SAMPLES = 6
WORST = 20


def training_report(
    title: str,
    datasets: DataSets,
    options: Mapping[str, Any],
    history: Sequence[EpochResult],
) -> str:
    """Make the page of a training run.

    Args:
        title: The page's heading.
        datasets: The data sets trained on. The page shows images of their dev splits, or the
            reason if one can no longer be read.
        options: The options of the run by name.
        history: The results of its epochs, at least one.

    Returns:
        The page, as HTML.
    """
    best = [result for result in history if result.improved][-1]
    dev = [
        _Dev(name, dataset, named=len(datasets.dev) > 1) for name, dataset in datasets.dev.items()
    ]
    captioned = [each for split in dev for each in split.captioned(best)]
    return render(
        "training_report.html",
        title=title,
        best=best,
        summary=_summary(datasets, history, best),
        best_scores=[[name, f"{score:.3f}"] for name, score in named_scores(best).items()],
        notes=_notes(datasets, history),
        charts=_loss_charts(history) + _score_charts(history),
        samples=[sample for split in dev for sample in split.samples(history)],
        captioned=len(captioned),
        worst=_worst(dev, best),
        epochs=_epochs(history),
        options=options,
    )


def _summary(datasets: DataSets, history: Sequence[EpochResult], best: EpochResult) -> str:
    epochs = sum(result.epoch > 0 for result in history)
    trained = [
        *(f"{len(p.data.split('train'))} images of {n}" for n, p in datasets.pictures.items()),
        *(f"{len(p.data.sentences)} sentences of {n}" for n, p in datasets.texts.items()),
    ]
    scored = [
        f"the {len(data.split('dev'))} of the dev split of {n}" for n, data in datasets.dev.items()
    ]
    mean = "mean CIDEr-D" if len(scored) > 1 else "CIDEr-D"
    return (
        f"Trained on {' and '.join(trained)}, and scored on {' and '.join(scored)}. "
        f"Of {epochs} epochs the best by {mean} is epoch {best.epoch}."
    )


def _notes(datasets: DataSets, history: Sequence[EpochResult]) -> list[str]:
    training = sum(result.training_seconds for result in history)
    evaluation = sum(result.evaluation_seconds for result in history)
    notes = [f"Training took {training:,.0f} seconds and evaluation {evaluation:,.0f}."]
    for name, part in datasets.pictures.items():
        told = f"{name}: " if len(datasets.pictures) > 1 else ""
        for split, reasons in part.data.skipped.items():
            if reasons:
                notes.append(f"{told}{part.data.skipped_sentence(split)}")
        notes += [f"{told}{part.data.empty_captions_sentence(s)}" for s in part.data.empty_captions]
    return notes


def _loss_charts(history: Sequence[EpochResult]) -> list[Markup]:
    """Draw a chart for each objective, since their losses differ in size and meaning."""
    trained = [result for result in history if not math.isnan(result.loss)]
    return [
        line_chart(
            {"loss": [(r.epoch, r.loss) for r in trained if r.objective == objective]},
            title=f"Mean loss of an epoch, {objective}",
            x_label="epoch",
        )
        for objective in dict.fromkeys(result.objective for result in trained)
    ]


def _score_charts(history: Sequence[EpochResult]) -> list[Markup]:
    """Draw CIDEr-D alone, since it goes up to 10, and the others, which go up to 1, together."""
    datasets = list(history[0].dev_scores)
    cider_d = {
        "CIDEr-D" if len(datasets) == 1 else name: [
            (result.epoch, result.dev_scores[name]["CIDEr-D"]) for result in history
        ]
        for name in datasets
    }
    charts = [line_chart(cider_d, title="CIDEr-D on dev", x_label="epoch")]
    for name in datasets:
        curves = {
            metric: [(result.epoch, result.dev_scores[name][metric]) for result in history]
            for metric in history[0].dev_scores[name]
            if metric != "CIDEr-D"
        }
        where = "" if len(datasets) == 1 else f" of {name}"
        charts.append(line_chart(curves, title=f"Other scores on dev{where}", x_label="epoch"))
    return charts


@dataclass(frozen=True)
class _Dev:
    """The dev split of one data set.

    Attributes:
        name: The name of the data set.
        dataset: The data set.
        named: Whether to say whose image an image is.
    """

    name: str
    dataset: CaptionDataset
    named: bool

    def captioned(self, result: EpochResult) -> list[Example]:
        """The images that an epoch captioned."""
        captions = result.captions[self.name]
        return [each for each in self.dataset.split("dev") if each.image in captions]

    def samples(self, history: Sequence[EpochResult]) -> list[dict[str, Any]]:
        """Choose images at equal distances, with the caption that each had after every epoch."""
        dev = self.dataset.split("dev")
        count = min(SAMPLES, len(dev))
        return [
            {
                "name": self._title(example),
                "picture": _photograph(example, self.dataset.images),
                "captions": {
                    result.epoch: self._caption(result, example)
                    for result in history
                    if example.image in result.captions[self.name]
                },
            }
            for example in (dev[place * len(dev) // count] for place in range(count))
        ]

    def scored(self, result: EpochResult) -> list[tuple[float, Example]]:
        """The images that an epoch captioned, each after the CIDEr-D of its caption."""
        captioned = self.captioned(result)
        captions = [result.captions[self.name][each.image] for each in captioned]
        return list(zip(cider_d_of_images(captions, captioned), captioned, strict=True))

    def card(self, score: float, example: Example, result: EpochResult) -> dict[str, Any]:
        """What the page shows of an image and its caption."""
        return {
            "name": self._title(example),
            "picture": _photograph(example, self.dataset.images),
            "caption": self._caption(result, example),
            "references": example.captions,
            "cider_d": score,
        }

    def _title(self, example: Example) -> str:
        return f"{self.name}: {example.image}" if self.named else example.image

    def _caption(self, result: EpochResult, example: Example) -> str:
        return sentence(result.captions[self.name][example.image].split())


def _worst(dev: Sequence[_Dev], best: EpochResult) -> list[dict[str, Any]]:
    """Choose the captions of the best epoch that have the lowest CIDEr-D, lowest first."""
    scored = [(*pair, split) for split in dev for pair in split.scored(best)]
    scored.sort(key=itemgetter(0))
    return [split.card(score, example, best) for score, example, split in scored[:WORST]]


def _epochs(history: Sequence[EpochResult]) -> list[list[str]]:
    """List what the curves do not show, and the score by which the best epoch is chosen."""
    return [
        [
            str(result.epoch),
            result.objective,
            "" if math.isnan(result.loss) else f"{result.loss:.3f}",
            f"{result.scores['CIDEr-D']:.3f}",
            f"{result.training_seconds:.1f}",
            f"{result.evaluation_seconds:.1f}",
        ]
        for result in history
    ]


def _photograph(example: Example, images: ImageStore) -> Markup:
    """Show the image of an example, or say why it cannot be shown."""
    try:
        return picture(images.open(example.image), example.captions[0])
    except ImageError as error:
        return note(str(error))
