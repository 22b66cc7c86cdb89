"""A training run as one HTML page: its curves, what it learned to say, and where it is worst."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pytorch.data.datasets import CaptionDataset, Example
from pytorch.data.images import ImageError, ImageStore
from pytorch.evaluation.evaluate import cider_d_of_images
from pytorch.evaluation.gallery import description
from pytorch.evaluation.html_report import (
    Html,
    element,
    page,
    paragraph,
    picture,
    section,
    table,
    text,
)
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
    """The page of a run with at least one epoch, on the train and dev splits of the data set.

    An image that can no longer be read is replaced by the reason.
    """
    best = [result for result in history if result.improved][-1]
    return page(
        title,
        *_summary(dataset, history, best),
        section("Loss and scores", *_loss_charts(history), *_score_charts(history)),
        section("Captions from epoch to epoch", *_samples(dataset, history, best)),
        section(f"Worst captions of epoch {best.epoch}", *_worst(dataset, best)),
        section("Epochs", _epochs(history)),
        section("Options", table(["option", "value"], [[k, str(v)] for k, v in options.items()])),
    )


def _summary(
    dataset: CaptionDataset, history: Sequence[EpochResult], best: EpochResult
) -> list[Html]:
    training = sum(result.training_seconds for result in history)
    evaluation = sum(result.evaluation_seconds for result in history)
    epochs = sum(result.epoch > 0 for result in history)
    return [
        paragraph(
            f"Trained on {len(dataset.split('train'))} images of {dataset.name} and scored on the "
            f"{len(dataset.split('dev'))} of its dev split. Of {epochs} epochs the best "
            f"by CIDEr-D is epoch {best.epoch}."
        ),
        table(
            ["metric", f"epoch {best.epoch}"],
            [[name, f"{score:.3f}"] for name, score in best.scores.items()],
        ),
        paragraph(
            f"Training took {training:,.0f} seconds and evaluation {evaluation:,.0f}.",
            class_="note",
        ),
        *(
            paragraph(dataset.skipped_sentence(split), class_="note")
            for split, reasons in dataset.skipped.items()
            if reasons
        ),
        *(
            paragraph(dataset.empty_captions_sentence(split), class_="note")
            for split in dataset.empty_captions
        ),
    ]


def _loss_charts(history: Sequence[EpochResult]) -> list[Html]:
    """A chart for each objective, since their losses are of different size and meaning."""
    trained = [result for result in history if not math.isnan(result.loss)]
    return [
        line_chart(
            {"loss": [(r.epoch, r.loss) for r in trained if r.objective == objective]},
            title=f"Mean loss of an epoch, {objective}",
            x_label="epoch",
        )
        for objective in dict.fromkeys(result.objective for result in trained)
    ]


def _score_charts(history: Sequence[EpochResult]) -> list[Html]:
    """CIDEr-D alone, since it goes up to 10 and the others up to 1."""
    curves = {
        name: [(result.epoch, result.scores[name]) for result in history]
        for name in history[0].scores
    }
    cider_d = {"CIDEr-D": curves.pop("CIDEr-D")}
    return [
        line_chart(cider_d, title="CIDEr-D on dev", x_label="epoch"),
        line_chart(curves, title="Other scores on dev", x_label="epoch"),
    ]


def _samples(
    dataset: CaptionDataset, history: Sequence[EpochResult], best: EpochResult
) -> list[Html]:
    dev = dataset.split("dev")
    count = min(SAMPLES, len(dev))
    chosen = [dev[place * len(dev) // count] for place in range(count)]
    return [
        paragraph(
            "Images at equal distances in the list of the dev split, each with its caption after "
            "every epoch, numbered by epoch. That of the best epoch is bold.",
            class_="note",
        ),
        *(_learning(example, dataset.images, history, best) for example in chosen),
    ]


def _learning(
    example: Example, images: ImageStore, history: Sequence[EpochResult], best: EpochResult
) -> Html:
    """An image with its caption after each epoch; the epoch is the number of the list's item."""
    items = [
        element(
            "li",
            element("strong" if result is best else "span", text(_caption(result, example))),
            value=result.epoch,
        )
        for result in history
        if example.image in result.captions
    ]
    return element(
        "article",
        _photograph(example, images),
        element("div", paragraph(example.image, class_="note"), element("ol", *items)),
        class_="card",
    )


def _worst(dataset: CaptionDataset, best: EpochResult) -> list[Html]:
    captioned = [example for example in dataset.split("dev") if example.image in best.captions]
    scores = cider_d_of_images([best.captions[e.image] for e in captioned], captioned)
    order = sorted(range(len(captioned)), key=scores.__getitem__)
    return [
        paragraph(
            f"Of {len(captioned)} captions of dev the {len(order[:WORST])} with the lowest "
            "CIDEr-D, the lowest first.",
            class_="note",
        ),
        *(
            element(
                "article",
                _photograph(captioned[row], dataset.images),
                description(
                    _caption(best, captioned[row]),
                    captioned[row].image,
                    captioned[row].captions,
                    cider_d=scores[row],
                ),
                class_="card",
            )
            for row in order[:WORST]
        ),
    ]


def _epochs(history: Sequence[EpochResult]) -> Html:
    """What the curves do not show, beside what the best epoch is chosen by."""
    return table(
        ["epoch", "objective", "loss", "CIDEr-D", "training, s", "evaluation, s"],
        [
            [
                str(result.epoch),
                result.objective,
                "" if math.isnan(result.loss) else f"{result.loss:.3f}",
                f"{result.scores['CIDEr-D']:.3f}",
                f"{result.training_seconds:.1f}",
                f"{result.evaluation_seconds:.1f}",
            ]
            for result in history
        ],
    )


def _photograph(example: Example, images: ImageStore) -> Html:
    """The image of an example, or why it cannot be shown."""
    try:
        return picture(images.open(example.image), example.captions[0])
    except ImageError as error:
        return paragraph(str(error), class_="note")


def _caption(result: EpochResult, example: Example) -> str:
    return sentence(result.captions[example.image].split())
