"""Scores of a captioner on a split, from captions that it generates freely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from pytorch.captioner import Captioner
from pytorch.datasets import Example
from pytorch.features import RegionFeatures
from pytorch.metrics import score_captions
from pytorch.search import DecodingConfig

BATCH_SIZE = 50


@dataclass(frozen=True)
class Evaluation:
    """What was generated for a split, and how it scores."""

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
    features: RegionFeatures,
    examples: Sequence[Example],
    *,
    decoding: DecodingConfig | None = None,
    progress: bool = False,
) -> Evaluation:
    """Score the captioner on the images of `features`, which are those of `examples`, in order.

    Raises ValueError where the images differ.
    """
    names = tuple(example.image for example in examples)
    if tuple(features.names) != names:
        raise ValueError("The features are not those of the examples to be scored.")
    captions = generate_captions(captioner, features, decoding=decoding, progress=progress)
    scores = score_captions(captions, [example.captions for example in examples])
    return Evaluation(tuple(captions), scores)
