"""Scores on a split: of the captions that a captioner generates freely, or of any others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from pytorch.data.datasets import Example
from pytorch.data.features import RegionFeatures
from pytorch.data.prepared import PreparedSplit
from pytorch.evaluation.metrics import METRICS, CiderD, label, score_captions
from pytorch.evaluation.spice import SpiceError, check_spice, spice
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
    """The best caption of every image, as lower-case words, in the order of `features`."""
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
    """CIDEr-D of each image alone, from its caption; their mean is the split's CIDEr-D."""
    references = [[tokenize(text) for text in example.captions] for example in examples]
    return CiderD(references).scores([tokenize(caption) for caption in captions])


@dataclass(frozen=True)
class ScoreReport:
    """Every score that can be computed on this machine, in the order of `METRICS`.

    `notes` has a sentence for each metric that is not what its name alone says, or that is left
    out.
    """

    scores: dict[str, float]
    notes: dict[str, str]

    def lines(self) -> list[str]:
        """The scores as a table to print, one line each."""
        width = max(len(label(name)) for name in METRICS)
        return [
            f"{label(name):{width}}  {self.scores[name]:.4f}"
            if name in self.scores
            else f"{label(name):{width}}  {self.notes[name]}"
            for name in METRICS
        ]


def score_report(captions: Sequence[str], examples: Sequence[Example]) -> ScoreReport:
    """Score a caption for each example by every metric, by SPICE only where it can run.

    Raises ValueError as `score_captions` does.
    """
    references = [example.captions for example in examples]
    scores = score_captions(captions, references)
    notes = {name: METRICS[name].note for name in scores if METRICS[name].note}
    try:
        check_spice()  # before the work of tokenizing once more
        tokens = [tokenize(caption) for caption in captions]
        scores["SPICE"] = spice(
            tokens, [[tokenize(text) for text in texts] for texts in references]
        )
    except SpiceError as error:
        notes["SPICE"] = f"left out: {error}"
    return ScoreReport(scores, notes)
