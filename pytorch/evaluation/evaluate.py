"""Caption a split of a data set and score captions of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor
from tqdm import tqdm

from pytorch.data.datasets import Example
from pytorch.data.features import RegionFeatures
from pytorch.data.prepared import PreparedSplit
from pytorch.evaluation.metrics import CiderD, score_captions
from pytorch.model.captioner import Captioner
from pytorch.model.decoding import DecodingConfig
from pytorch.model.tokenization import tokenize

BATCH_SIZE = 50


@dataclass(frozen=True)
class Evaluation:
    """The captions generated for a split, in the order of its examples, and their scores."""

    captions: tuple[str, ...]
    scores: dict[str, float]

    def by_image(self, split: PreparedSplit) -> dict[str, str]:
        """The captions by the names of their images."""
        return dict(zip(split.features.names, self.captions, strict=True))


def found_words(
    captioner: Captioner,
    features: RegionFeatures,
    *,
    decoding: DecodingConfig | None = None,
    progress: bool = False,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Search for the best caption of every image, in the order of `features`.

    Returns:
        The region features (B, R, C) of a batch after another, with the words (B, T) found.
    """
    starts = tqdm(range(0, len(features), BATCH_SIZE), "captions", disable=not progress)
    for start in starts:
        rows = range(start, min(start + BATCH_SIZE, len(features)))
        regions = features.rows(rows).to(captioner.device)  # (B, R, C)
        yield regions, captioner.search(regions, decoding=decoding).words[:, 0]


def generate_captions(
    captioner: Captioner,
    features: RegionFeatures,
    *,
    decoding: DecodingConfig | None = None,
    progress: bool = False,
) -> list[str]:
    """Generate the best caption of every image, as lower-case words, in the order of `features`."""
    found = found_words(captioner, features, decoding=decoding, progress=progress)
    return [text for _, words in found for text in as_text(captioner, words)]


def as_text(captioner: Captioner, words: Tensor) -> list[str]:
    """Write word numbers (B, T) as captions in lower case."""
    return [" ".join(captioner.vocabulary.decode(numbers)) for numbers in words.tolist()]


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
