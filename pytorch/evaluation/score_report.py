"""All scores of a split's captions, also those by Java programs where these can run, and faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pytorch.data.datasets import Example
from pytorch.evaluation.faults import count_faults
from pytorch.evaluation.java import JavaMetricError
from pytorch.evaluation.metrics import METRICS, score_captions
from pytorch.evaluation.split_captions import SplitCaptions
from pytorch.model.tokenization import tokenize


@dataclass(frozen=True)
class ScoreReport:
    """Every score that can be computed on this machine.

    Attributes:
        scores: The scores by the names of `METRICS`, in that order.
        notes: A sentence for each metric that is left out, with the reason, or that must not be
            confused with another.
        faults: How many captions have each fault of `count_faults`.
    """

    scores: dict[str, float]
    notes: dict[str, str]
    faults: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Format the scores and the faults as a table to print, one line for each."""
        width = max(map(len, METRICS))
        scores = [
            f"{name:{width}}  {self.scores[name]:.4f}"
            if name in self.scores
            else f"{name:{width}}  {self.notes[name]}"
            for name in METRICS
        ]
        faults = [f"{name:{width}}  {count} captions" for name, count in self.faults.items()]
        return scores + faults


def score_report(captions: Sequence[str], examples: Sequence[Example]) -> ScoreReport:
    """Score a caption for each example by every metric that can be computed here; count faults.

    Raises:
        ValueError: As `score_captions`.
    """
    references = [example.captions for example in examples]
    computed = score_captions(captions, references)
    notes = {name: METRICS[name].note for name in computed if METRICS[name].note}
    tokens = [tokenize(caption) for caption in captions]
    reference_tokens = [[tokenize(text) for text in texts] for texts in references]
    for name, metric in METRICS.items():
        if metric.needs_java:
            try:
                computed[name] = metric.function(tokens, reference_tokens)
            except JavaMetricError as error:
                notes[name] = f"left out: {error}"
    scores = {name: computed[name] for name in METRICS if name in computed}
    return ScoreReport(scores, notes, count_faults(captions, references))


def metrics_file(captioned: SplitCaptions, report: ScoreReport) -> dict[str, Any]:
    """Build what a metrics file says: the scores, and what they were measured on."""
    return {
        **captioned.origin,
        "skipped_images": captioned.dataset.skipped[captioned.split],
        "dataset": captioned.dataset.name,
        "split": captioned.split,
        "images": len(captioned.captions),
        "scores": report.scores,
        "metric_notes": report.notes,
        "faults": report.faults,
    }
