"""Caption a split of a data set and score captions of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from pytorch.data.datasets import Example
from pytorch.data.features import RegionFeatures
from pytorch.data.prepared import PreparedSplit
from pytorch.evaluation.java import JavaMetricError
from pytorch.evaluation.metrics import METRICS, CiderD, score_captions
from pytorch.model.captioner import Captioner
from pytorch.model.search import DecodingConfig
from pytorch.model.tokenization import tokenize

BATCH_SIZE = 50


@dataclass(frozen=True)
class Evaluation:
    """The captions generated for a split, in the order of its examples, and their scores."""

    captions: tuple[str, ...]
    scores: dict[str, float]


def generate_captions(
    captioner: Captioner,
    features: RegionFeatures,
    *,
    decoding: DecodingConfig | None = None,
    progress: bool = False,
) -> list[str]:
    """Generate the best caption of every image, as lower-case words, in the order of `features`."""
    captions = []
    starts = tqdm(range(0, len(features), BATCH_SIZE), "captions", disable=not progress)
    for start in starts:
        rows = range(start, min(start + BATCH_SIZE, len(features)))
        regions = features.rows(rows).to(captioner.device)  # (B, R, C)
        best = captioner.search(regions, decoding=decoding).words[:, 0]  # (B, T)
        captions += [" ".join(captioner.vocabulary.decode(words)) for words in best.tolist()]
    return captions


def evaluate(
    captioner: Captioner,
    split: PreparedSplit,
    *,
    decoding: DecodingConfig | None = None,
    progress: bool = False,
) -> Evaluation:
    """Caption every image of a split and score the captions by the metrics of `score_captions`.

    Args:
        captioner: Its encoder must be the one that computed the split's features.
        split: The images' features and their reference captions.
        decoding: How to search for captions; None for the captioner's own settings.
        progress: Show a progress bar on stderr.

    Raises:
        ValueError: The split's features belong to other images than its examples.
    """
    if tuple(split.features.names) != tuple(example.image for example in split.examples):
        raise ValueError("The features of this split belong to other images than its examples.")
    captions = generate_captions(captioner, split.features, decoding=decoding, progress=progress)
    scores = score_captions(captions, [example.captions for example in split.examples])
    return Evaluation(tuple(captions), scores)


def cider_d_of_images(captions: Sequence[str], examples: Sequence[Example]) -> list[float]:
    """Compute the CIDEr-D of each image's caption; their mean is the CIDEr-D of the split."""
    references = [[tokenize(text) for text in example.captions] for example in examples]
    return CiderD(references).scores([tokenize(caption) for caption in captions])


@dataclass(frozen=True)
class ScoreReport:
    """Every score that can be computed on this machine.

    Attributes:
        scores: The scores by the names of `METRICS`, in that order.
        notes: A sentence for each metric that is left out, with the reason, or that must not be
            confused with another.
    """

    scores: dict[str, float]
    notes: dict[str, str]

    def lines(self) -> list[str]:
        """Format the scores as a table to print, one line for each metric."""
        width = max(map(len, METRICS))
        return [
            f"{name:{width}}  {self.scores[name]:.4f}"
            if name in self.scores
            else f"{name:{width}}  {self.notes[name]}"
            for name in METRICS
        ]


def score_report(captions: Sequence[str], examples: Sequence[Example]) -> ScoreReport:
    """Score a caption for each example by every metric that can be computed on this machine.

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
    return ScoreReport({name: computed[name] for name in METRICS if name in computed}, notes)
