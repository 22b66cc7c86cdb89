"""Concepts: the words for what is in a picture, with scores; and what a decoder is told of images.

A detector reads the mean of an image's region features. A layer that was learned from captions and
the ImageNet classifier that comes with the encoder's weights both score the same words.

Axis letters: B images, R regions, C channels of the encoder, M concepts, N strongest concepts of an
image, K ImageNet classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pytorch.model.imagenet_words import ClassWords

STRONGEST = 14
"""Concepts of an image that a decoder is told of."""

GENERAL_WORD = 0.45
"""What a more general word of a class gets of the class's probability; its names get all of it."""


class ConceptScores(NamedTuple):
    """The strongest concepts of images."""

    words: Tensor
    """Vocabulary numbers, (B, N)."""

    scores: Tensor
    """0 to 1, (B, N); 0 where there is none."""

    def rows(self, chosen: Tensor) -> ConceptScores:
        """Return those of the images whose numbers or mask is `chosen`."""
        return ConceptScores(self.words[chosen], self.scores[chosen])

    def to(self, device: torch.device) -> ConceptScores:
        """Return them on a device."""
        return ConceptScores(self.words.to(device), self.scores.to(device))


class ImageFeatures(NamedTuple):
    """What a decoder is told of images."""

    regions: Tensor
    """Region features, (B, R, C)."""

    concepts: ConceptScores | None = None
    """None where nothing detects concepts."""

    shown: Tensor | None = None
    """(B,) bool: False where there is no picture but only its concepts, as in training on sentences
    alone. None: all are shown."""

    def rows(self, chosen: Tensor) -> ImageFeatures:
        """Return those of the images whose numbers or mask is `chosen`."""
        return ImageFeatures(
            self.regions[chosen],
            None if self.concepts is None else self.concepts.rows(chosen),
            None if self.shown is None else self.shown[chosen],
        )


class ConceptDetector(nn.Module):
    """Scores concept words of images from their region features.

    Its weights are data: training a decoder does not change them. They are rounded to half
    precision, in which checkpoints keep them, so that training sees the scores that are served.

    Args:
        words: The vocabulary number of each of the M concepts.
        layer: Learned from captions, C channels to M logits.
        classifier: The encoder's published classifier, C channels to K logits, if there is one.
        class_words: (K, M): 1 for a name of the class, less for a more general word of it, 0 for
            all other words. Goes with the classifier.

    Raises:
        ValueError: The parts do not fit together.
    """

    class_words: Tensor | None
    _numbers: Tensor

    def __init__(
        self,
        words: Sequence[int],
        *,
        layer: nn.Linear,
        classifier: nn.Linear | None = None,
        class_words: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.words = tuple(words)
        self.layer = layer
        self.classifier = classifier
        self.register_buffer("class_words", None if class_words is None else class_words.clone())
        self.register_buffer("_numbers", torch.tensor(self.words), persistent=False)
        self._check_sizes()
        self.requires_grad_(requires_grad=False)
        for weights in (*self.parameters(), *self.buffers()):
            if weights.is_floating_point():
                weights.copy_(weights.half())

    def _check_sizes(self) -> None:
        if len(set(self.words)) != len(self.words):
            raise ValueError("A concept word is named twice.")
        if self.layer.out_features != len(self.words):
            raise ValueError(
                f"There are {len(self.words)} concept words, "
                f"but the layer scores {self.layer.out_features}."
            )
        if self.classifier is None or self.class_words is None:
            if self.classifier is not None or self.class_words is not None:
                raise ValueError("A classifier needs class_words, and class_words a classifier.")
            return
        if self.classifier.in_features != self.layer.in_features:
            raise ValueError(
                f"The layer reads {self.layer.in_features} channels, "
                f"but the classifier {self.classifier.in_features}."
            )
        expected = (self.classifier.out_features, len(self.words))
        if self.class_words.shape != expected:
            raise ValueError(
                f"class_words has the shape {tuple(self.class_words.shape)}, not {expected}."
            )

    def forward(self, regions: Tensor) -> Tensor:
        """Compute the probability (B, M) that each concept is in the images (B, R, C)."""
        learned = self.learned(regions)
        if self.class_words is None:
            return learned
        through_classes = self.class_probabilities(regions) @ self.class_words  # (B, M)
        return 1 - (1 - learned) * (1 - through_classes)

    def learned(self, regions: Tensor) -> Tensor:
        """Compute what the learned layer alone says, (B, M)."""
        logits: Tensor = self.layer(regions.mean(dim=1))
        return logits.sigmoid()

    def class_probabilities(self, regions: Tensor) -> Tensor:
        """Compute the probabilities (B, K) of the ImageNet classes.

        Raises:
            ValueError: There is no classifier.
        """
        if self.classifier is None:
            raise ValueError("This detector has no classifier of ImageNet's classes.")
        logits: Tensor = self.classifier(regions.mean(dim=1))
        return logits.softmax(dim=1)

    def strongest(self, probabilities: Tensor, count: int = STRONGEST) -> ConceptScores:
        """Choose the `count` most probable concepts of each image, the most probable first.

        Args:
            probabilities: Of each concept, (B, M).
            count: N; all if there are fewer concepts.
        """
        scores, places = probabilities.topk(min(count, len(self.words)), dim=1)  # (B, N)
        return ConceptScores(self._numbers[places], scores)


def class_word_scores(words: Sequence[str], classes: Sequence[ClassWords]) -> Tensor:
    """Score how well each concept word names each class, for `ConceptDetector.class_words`.

    Args:
        words: The M concept words; the words of classes that are not among them are left out.
        classes: The K classes.

    Returns:
        (K, M): 1 for a name of the class, `GENERAL_WORD` for a more general word, else 0.
    """
    places = {word: place for place, word in enumerate(words)}
    scores = torch.zeros(len(classes), len(words))
    for row, class_words in enumerate(classes):
        # A word that is both counts as a name.
        for group, score in ((class_words.general, GENERAL_WORD), (class_words.names, 1.0)):
            scores[row, [places[word] for word in group if word in places]] = score
    return scores


def standardized(layer: nn.Linear, mean: Tensor, deviation: Tensor) -> nn.Linear:
    """Fold the standardisation of a layer's inputs into its weights.

    Args:
        layer: Learned on (x - mean) / deviation.
        mean: Of each channel, (C,).
        deviation: Standard deviation of each channel, (C,), above 0.

    Returns:
        The layer that gives the same for x itself.
    """
    folded = nn.Linear(layer.in_features, layer.out_features)
    with torch.no_grad():
        folded.weight.copy_(layer.weight / deviation)
        folded.bias.copy_(layer.bias - folded.weight @ mean)
    return folded
