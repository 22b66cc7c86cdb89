"""The metrics of the COCO evaluation tools: how well captions match references people wrote.

`METRICS` lists them. BLEU, ROUGE-L and CIDEr-D are implemented here and give the same numbers as
those tools. A tokenized caption is a sequence of words; `references` holds one list of reference
captions for each hypothesis.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from pytorch.evaluation.meteor import meteor
from pytorch.evaluation.meteor_exact_stem import meteor_exact_stem
from pytorch.evaluation.spice import spice
from pytorch.model.tokenization import tokenize

MAX_NGRAM = 4

Tokens = Sequence[str]
Ngram = tuple[str, ...]


def score_captions(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Score one hypothesis caption for each image against that image's references.

    CIDEr-D weighs each word by how many of the given images have it in their references. So it
    means little for a few images and is always 0 for one.

    Args:
        hypotheses: The caption of each image, as text.
        references: The reference captions of each image, as text.

    Returns:
        The scores of all `METRICS` that do not need Java, in that order. Their scale is that of the
        COCO tools: CIDEr-D lies between 0 and 10, the others between 0 and 1.

    Raises:
        ValueError: There are no images, an image has no references, or the number of hypotheses
            differs from that of the images.
    """
    for image, captions in enumerate(references):
        if isinstance(captions, str):  # a text is a sequence of texts too: its letters
            raise ValueError(
                f"The references of image {image} (counted from 0) are the single text "
                f"{captions!r}; give a list of captions."
            )
    tokenized = [tokenize(caption) for caption in hypotheses]
    tokenized_references = [[tokenize(caption) for caption in captions] for captions in references]
    _check_references(tokenized_references)
    _check_same_length(tokenized, tokenized_references)
    return {
        name: metric.function(tokenized, tokenized_references)
        for name, metric in METRICS.items()
        if not metric.needs_java
    }


def bleu(
    hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]], n: int = MAX_NGRAM
) -> float:
    """Compute BLEU-n of tokenized captions over the whole corpus.

    Papineni et al., "BLEU: a Method for Automatic Evaluation of Machine Translation", 2002: the
    geometric mean of the clipped precisions of 1-grams to n-grams, with a penalty if the hypotheses
    are shorter than the references closest to them in length.

    Raises:
        ValueError: As `score_captions`.
    """
    _check_references(references)
    _check_same_length(hypotheses, references)
    matched, total = [0] * n, [0] * n
    length = reference_length = 0
    for hypothesis, captions in zip(hypotheses, references, strict=True):
        most: Counter[Ngram] = Counter()
        for caption in captions:
            most |= _ngrams(caption, n)
        for ngram, count in (_ngrams(hypothesis, n) & most).items():
            matched[len(ngram) - 1] += count
        for shorter in range(n):
            total[shorter] += max(0, len(hypothesis) - shorter)
        length += len(hypothesis)
        reference_length += min(
            (len(caption) for caption in captions),
            key=lambda other: (abs(other - len(hypothesis)), other),
        )
    # The COCO tools' small numbers define the cases with nothing to match or to divide by.
    ratio = (length + 1e-15) / (reference_length + 1e-9)
    brevity_penalty = math.exp(min(0.0, 1 - 1 / ratio))
    precisions = (
        (hits + 1e-15) / (tries + 1e-9) for hits, tries in zip(matched, total, strict=True)
    )
    return brevity_penalty * math.prod(precisions) ** (1 / n)


def rouge_l(hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> float:
    """Compute ROUGE-L of tokenized captions, averaged over the images.

    Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004: the F-measure of the
    longest common subsequence, with recall weighing 1.2 times as much as precision. As in the COCO
    tools, an image's best precision and best recall may come from two different references.

    Raises:
        ValueError: As `score_captions`.
    """
    _check_references(references)
    _check_same_length(hypotheses, references)
    beta_squared = 1.2**2
    scores = []
    for hypothesis, captions in zip(hypotheses, references, strict=True):
        # An empty caption is one empty word, as in the COCO tools.
        words, others = hypothesis or [""], [caption or [""] for caption in captions]
        common = [_longest_common_subsequence(words, other) for other in others]
        precision = max(common) / len(words)
        recall = max(length / len(other) for length, other in zip(common, others, strict=True))
        weighted = (1 + beta_squared) * precision * recall
        scores.append(weighted / (recall + beta_squared * precision) if weighted else 0.0)
    return sum(scores) / len(scores)


class _Weighted(NamedTuple):
    """A caption as tf-idf weights, which CIDEr-D compares."""

    weights: dict[Ngram, float]
    norms: list[float]  # the Euclidean norm of the weights of each n
    length: int  # in words


class CiderD:
    """CIDEr-D against fixed references, whose weights are computed once.

    Vedantam, Zitnick and Parikh, "CIDEr: Consensus-based Image Description Evaluation", 2015: the
    cosine similarity of tf-idf weighted n-grams, averaged over n = 1..4 and an image's
    references, times 10. The D stands for two defences against gaming: the hypothesis's weights
    are clipped to the reference's, and a difference in length is penalized.

    Args:
        references: The tokenized captions of each image. Document frequencies count images.

    Raises:
        ValueError: There are no images, or one has no captions.
    """

    SIGMA = 6.0  # of the Gaussian length penalty, in words

    def __init__(self, references: Sequence[Sequence[Tokens]]) -> None:
        _check_references(references)
        counts = [[_ngrams(caption) for caption in captions] for captions in references]
        images = Counter(ngram for captions in counts for ngram in set().union(*captions))
        # An n-gram that no reference has weighs as much as one that a single image has.
        self._unseen = math.log(len(references))
        self._idf = {ngram: self._unseen - math.log(count) for ngram, count in images.items()}
        self._references = [[self._weigh(ngrams) for ngrams in captions] for captions in counts]

    def scores(self, hypotheses: Sequence[Tokens]) -> list[float]:
        """Score one tokenized hypothesis for each image, in the order of the references.

        Raises:
            ValueError: The number of hypotheses differs from that of the images.
        """
        _check_same_length(hypotheses, self._references)
        return [self.score(hypothesis, image) for image, hypothesis in enumerate(hypotheses)]

    def score(self, hypothesis: Tokens, image: int) -> float:
        """Score a tokenized hypothesis against the references of the image with this number."""
        weighted = self._weigh(_ngrams(hypothesis))
        references = self._references[image]
        similarity = sum(self._similarity(weighted, reference) for reference in references)
        return 10 * similarity / len(references)

    def _weigh(self, ngrams: Counter[Ngram]) -> _Weighted:
        weights = {}
        squares, length = [0.0] * MAX_NGRAM, 0
        for ngram, count in ngrams.items():
            weight = count * self._idf.get(ngram, self._unseen)
            weights[ngram] = weight
            squares[len(ngram) - 1] += weight**2
            if len(ngram) == 1:
                length += count
        return _Weighted(weights, [math.sqrt(square) for square in squares], length)

    def _similarity(self, hypothesis: _Weighted, reference: _Weighted) -> float:
        products = [0.0] * MAX_NGRAM
        for ngram, weight in hypothesis.weights.items():
            other = reference.weights.get(ngram, 0.0)
            products[len(ngram) - 1] += min(weight, other) * other
        cosines = (
            product / (norm * other)
            for product, norm, other in zip(
                products, hypothesis.norms, reference.norms, strict=True
            )
            if product
        )
        difference = hypothesis.length - reference.length
        penalty = math.exp(-(difference**2) / (2 * self.SIGMA**2))
        return penalty * sum(cosines) / MAX_NGRAM


def cider_d(hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> float:
    """Compute CIDEr-D of tokenized captions, averaged over the images; see `CiderD`."""
    scores = CiderD(references).scores(hypotheses)
    return sum(scores) / len(scores)


@dataclass(frozen=True)
class Metric:
    """How a score is computed from tokenized captions, and what to know about it.

    The lowest score is 0, and better captions have higher ones.

    Attributes:
        function: Takes hypotheses and references and returns the score of the corpus.
        citation: The paper that defines the metric.
        highest: The highest score.
        needs_java: The function runs a Java program and raises JavaMetricError if it cannot.
        note: What a reader who compares this score with others must know.
    """

    function: Callable[[Sequence[Tokens], Sequence[Sequence[Tokens]]], float]
    citation: str
    highest: float = 1.0
    needs_java: bool = False
    note: str = ""


METRICS: dict[str, Metric] = {
    "BLEU-1": Metric(partial(bleu, n=1), "Papineni et al., 2002"),
    "BLEU-2": Metric(partial(bleu, n=2), "Papineni et al., 2002"),
    "BLEU-3": Metric(partial(bleu, n=3), "Papineni et al., 2002"),
    "BLEU-4": Metric(partial(bleu, n=4), "Papineni et al., 2002"),
    "METEOR": Metric(meteor, "Denkowski and Lavie, 2014", needs_java=True),
    "METEOR (exact+stem)": Metric(
        meteor_exact_stem,
        "Banerjee and Lavie, 2005",
        note="METEOR without synonyms and paraphrases, which needs no Java and scores lower. "
        "Do not compare it with METEOR.",
    ),
    "ROUGE-L": Metric(rouge_l, "Lin, 2004"),
    "CIDEr-D": Metric(cider_d, "Vedantam et al., 2015", highest=10.0),
    "SPICE": Metric(spice, "Anderson et al., 2016", needs_java=True),
}


def _ngrams(words: Tokens, longest: int = MAX_NGRAM) -> Counter[Ngram]:
    """Count the n-grams of every n from 1 to `longest`."""
    return Counter(
        tuple(words[start : start + n])
        for n in range(1, longest + 1)
        for start in range(len(words) - n + 1)
    )


def _longest_common_subsequence(first: Tokens, second: Tokens) -> int:
    """Return the length of the longest sequence of words in both, gaps allowed."""
    # The length for the words of `first` so far and the first 0, 1, 2, ... words of `second`.
    lengths = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0
        for column, other in enumerate(second, start=1):
            above = lengths[column]
            lengths[column] = diagonal + 1 if word == other else max(above, lengths[column - 1])
            diagonal = above
    return lengths[-1]


def _check_references(references: Sequence[Sequence[object]]) -> None:
    if not references:
        raise ValueError("There are no captions to score: give the references of some images.")
    for image, captions in enumerate(references):
        if not captions:
            raise ValueError(f"Image {image} (counted from 0) has no reference captions.")


def _check_same_length(
    hypotheses: Sequence[object], references: Sequence[Sequence[object]]
) -> None:
    if len(hypotheses) != len(references):
        raise ValueError(
            f"There are {len(hypotheses)} hypothesis captions for the references of "
            f"{len(references)} images; give one hypothesis for each image."
        )
