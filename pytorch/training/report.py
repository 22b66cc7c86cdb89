"""A training run as one HTML page: its curves, what it learned to say, and its worst captions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pytorch.data.datasets import CaptionDataset, Example
from pytorch.data.images import ImageError, ImageStore
from pytorch.evaluation.evaluate import cider_d_of_images
from pytorch.evaluation.html_report import note, picture, render
from pytorch.evaluation.line_chart import line_chart
from pytorch.model.tokenization import sentence
from pytorch.training.epoch import EpochResult

SAMPLES = 6
WORST = 20


def training_report(
    title: str,
    dataset: CaptionDataset,
    options: Mapping[str, Any],
    history: Sequence[EpochResult],
) -> str:
    """Make the page of a training run.

    Args:
        title: The page's heading.
        dataset: The data set with the train and dev splits. The page shows images of dev, or the
            reason if one can no longer be read.
        options: The options of the run by name.
        history: The results of its epochs, at least one.

    Returns:
        The page, as HTML.
    """
    best = [result for result in history if result.improved][-1]
    captioned = [each for each in dataset.split("dev") if each.image in best.captions]
    return render(
        "training_report.html",
        title=title,
        best=best,
        summary=_summary(dataset, history, best),
        best_scores=[[name, f"{score:.3f}"] for name, score in best.scores.items()],
        notes=_notes(dataset, history),
        charts=_loss_charts(history) + _score_charts(history),
        samples=_samples(dataset, history),
        captioned=len(captioned),
        worst=_worst(captioned, dataset.images, best),
        epochs=_epochs(history),
        options=options,
    )


def _summary(dataset: CaptionDataset, history: Sequence[EpochResult], best: EpochResult) -> str:
    epochs = sum(result.epoch > 0 for result in history)
    return (
        f"Trained on {len(dataset.split('train'))} images of {dataset.name} and scored on the "
        f"{len(dataset.split('dev'))} of its dev split. Of {epochs} epochs the best "
        f"by CIDEr-D is epoch {best.epoch}."
    )


def _notes(dataset: CaptionDataset, history: Sequence[EpochResult]) -> list[str]:
    training = sum(result.training_seconds for result in history)
    evaluation = sum(result.evaluation_seconds for result in history)
    return [
        f"Training took {training:,.0f} seconds and evaluation {evaluation:,.0f}.",
        *(dataset.skipped_sentence(split) for split, reasons in dataset.skipped.items() if reasons),
        *map(dataset.empty_captions_sentence, dataset.empty_captions),
    ]


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
    curves = {
        name: [(result.epoch, result.scores[name]) for result in history]
        for name in history[0].scores
    }
    cider_d = {"CIDEr-D": curves.pop("CIDEr-D")}
    return [
        line_chart(cider_d, title="CIDEr-D on dev", x_label="epoch"),
        line_chart(curves, title="Other scores on dev", x_label="epoch"),
    ]


def _samples(dataset: CaptionDataset, history: Sequence[EpochResult]) -> list[dict[str, Any]]:
    """Choose images at equal distances, with the caption that each had after every epoch."""
    dev = dataset.split("dev")
    count = min(SAMPLES, len(dev))
    return [
        {
            "name": example.image,
            "picture": _photograph(example, dataset.images),
            "captions": {
                result.epoch: _caption(result, example)
                for result in history
                if example.image in result.captions
            },
        }
        for example in (dev[place * len(dev) // count] for place in range(count))
    ]


def _worst(
    captioned: Sequence[Example], images: ImageStore, best: EpochResult
) -> list[dict[str, Any]]:
    """Choose the captions of the best epoch that have the lowest CIDEr-D, lowest first."""
    scores = cider_d_of_images([best.captions[each.image] for each in captioned], captioned)
    order = sorted(range(len(captioned)), key=scores.__getitem__)
    return [
        {
            "name": captioned[row].image,
            "picture": _photograph(captioned[row], images),
            "caption": _caption(best, captioned[row]),
            "references": captioned[row].captions,
            "cider_d": scores[row],
        }
        for row in order[:WORST]
    ]


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


def _caption(result: EpochResult, example: Example) -> str:
    return sentence(result.captions[example.image].split())
