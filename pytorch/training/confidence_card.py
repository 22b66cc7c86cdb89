"""The part of a model card that says how far a captioner's confidence can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytorch.model.confidence import GUESSING

TEMPLATE = """\
## Confidence
A caption's confidence is the probability that the caption is good: that it scores a CIDEr-D of
{cider_d:g} or more against the references, and that its main noun is in one of them. It was
fitted on the dev splits, and to {negatives} drawn pictures that no caption fits: blank, noise,
text, shapes, charts and screens. The figures are cross-validated over {folds} folds, so that no
caption was judged by a model that was fitted with it.

{datasets}

How often captions of the dev splits are good, by their confidence (calibration error {error:.3f}):

{tenths}

The pictures that no caption fits get {negative_confidence:.2f} on average, and {guessed:.0%} of
them less than {guessing:g}, the level below which a caption is to be read as a guess.

"""
BAR = "█"
BAR_LENGTH = 20  # of 100 percent


def confidence_section(metrics: Mapping[str, Any]) -> str:
    """The section as Markdown; empty if the metrics tell of no confidence.

    Args:
        metrics: Those of a checkpoint, with what `calibrate` returns as their `confidence`.
    """
    figures = metrics.get("confidence")
    if figures is None:
        return ""
    negatives = figures["negatives"]
    return TEMPLATE.format(
        cider_d=figures["good CIDEr-D"],
        folds=figures["folds"],
        datasets=_datasets(figures["datasets"]),
        error=figures["calibration error"],
        tenths=_tenths(figures["tenths"]),
        negatives=negatives["images"],
        negative_confidence=negatives["confidence"],
        guessed=negatives["guessed"],
        guessing=GUESSING,
    )


def _datasets(datasets: Mapping[str, Mapping[str, float]]) -> str:
    """A line for each dev split."""
    names = ["good", "confidence", "calibration error", "Spearman with CIDEr-D"]
    lines = [["data set", "images", *names]]
    for dataset, figures in datasets.items():
        values = [f"{figures[name]:.3f}" for name in names]
        lines.append([f"`{dataset}`", f"{figures['images']}", *values])
    return markdown_table(lines)


def _tenths(tenths: Sequence[Mapping[str, float]]) -> str:
    """A line for each tenth, with a bar as long as the share of good captions."""
    lines = [["confidence", "captions", "good", ""]]
    for each in tenths:
        if each["captions"]:
            ends = f"{each['least']:.1f} to {each['least'] + 0.1:.1f}"
            bar = BAR * round(BAR_LENGTH * each["good"])
            lines.append([ends, f"{each['captions']}", f"{each['good']:.0%}", bar])
    return markdown_table(lines)


def markdown_table(lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first line is its heading."""
    heading, *rest = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in [heading, ["---"] * len(heading), *rest])
