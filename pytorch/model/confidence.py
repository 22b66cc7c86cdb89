"""Confidence: how probable it is that a whole caption is good.

A logistic model reads a few numbers that speak for or against a caption: how probable its words
are, whether it says what the concept detector sees, and how far the picture lies from those of the
training. What makes a caption good, and how the model is fitted to it, is not known here.

Tried too, and left out because they added nothing on two dev splits: the number of words, the least
probable word, how far a caption leads the other candidates and how many words it shares with them,
the least probable concept, the strongest one that is not said, and how sure the classifier is.

Axis letters: B images, T words, V vocabulary, R regions, C channels, P prototypes, E kinds of
evidence, M concepts, N strongest concepts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytorch.model.concepts import ConceptDetector
from pytorch.model.vocabulary import Vocabulary

GUESSING = 0.3
"""A caption with less confidence than this is mostly guessed."""

PROTOTYPES = 64
LEAST_SCORE = 1e-4  # of a concept: the logarithm of nearly nothing would outweigh all else

# Log-probability of a word, on average; distance from the nearest prototype; how much the regions
# differ.
ALWAYS = ("mean word", "distance", "contrast")
# Log-score of a concept that the caption says, on average; its share of what the strongest concepts
# score together; their mean score.
WITH_CONCEPTS = ("mean concept", "said", "seen")


def evidence_of(detector: ConceptDetector | None) -> tuple[str, ...]:
    """Name the kinds of evidence that there are with this detector."""
    return ALWAYS if detector is None else ALWAYS + WITH_CONCEPTS


class Familiarity(nn.Module):
    """How far pictures lie from those that a captioner was trained on.

    Args:
        channels: C, the size of a region's feature vector.
        prototypes: P, the number of typical pictures that stand for those of the training.

    Attributes:
        mean: Of each channel of the training's pictures, (C,).
        deviation: The standard deviation of each channel, (C,).
        prototypes: Directions of typical pictures, (P, C), in half precision to save space.
    """

    mean: Tensor
    deviation: Tensor
    prototypes: Tensor

    def __init__(self, channels: int, prototypes: int = PROTOTYPES) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))
        self.register_buffer("prototypes", torch.zeros(prototypes, channels, dtype=torch.half))

    def directions(self, pictures: Tensor) -> Tensor:
        """Standardize every channel of pooled features (B, C), and scale them to length 1."""
        return functional.normalize((pictures - self.mean) / self.deviation, dim=1)

    def forward(self, regions: Tensor) -> Tensor:
        """Compute the cosine distance (B,) of images (B, R, C) from the nearest prototype."""
        directions = self.directions(regions.mean(dim=1))  # (B, C)
        prototypes = functional.normalize(self.prototypes.to(directions.dtype), dim=1)  # (P, C)
        return 1 - (directions @ prototypes.T).amax(dim=1)


class ConfidenceModel(nn.Module):
    """Judges captions from evidence, by a logistic model.

    Fitting fills in the buffers; until then every caption has the confidence 0.5.

    Args:
        evidence: The names of the E kinds of evidence that it reads; see `evidence_of`.
        familiarity: Knows the training's pictures.

    Attributes:
        mean: Of each kind of evidence where it was fitted, (E,). Stands for what is unknown.
        deviation: The standard deviation, (E,).
        weight: Of the standardized evidence, (E,).
        bias: Scalar.

    Raises:
        ValueError: There is no such evidence.
    """

    mean: Tensor
    deviation: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, evidence: Sequence[str], familiarity: Familiarity) -> None:
        super().__init__()
        for name in evidence:
            if name not in ALWAYS + WITH_CONCEPTS:
                raise ValueError(f"There is no evidence {name!r} of a caption.")
        self.names = tuple(evidence)
        self.familiarity = familiarity
        for name in ("mean", "weight"):
            self.register_buffer(name, torch.zeros(len(evidence)))
        self.register_buffer("deviation", torch.ones(len(evidence)))
        self.register_buffer("bias", torch.zeros(()))

    def evidence(
        self, regions: Tensor, words: Tensor, steps: Tensor, detector: ConceptDetector | None
    ) -> Tensor:
        """Gather what speaks for and against one caption of each image.

        Args:
            regions: Region features, (B, R, C).
            words: The captions, (B, T), as in `SearchResult`.
            steps: Log-probabilities of all words at each of their places, (B, T, V).
            detector: The captioner's own.

        Returns:
            (B, E), a column for each of `names`; not a number where nothing is known.

        Raises:
            ValueError: Some of the evidence would need another detector.
        """
        columns = {**_of_words(words, steps), **_of_pictures(regions, self.familiarity)}
        if detector is not None:
            columns |= _of_concepts(words, regions, detector)
        if missing := [name for name in self.names if name not in columns]:
            raise ValueError(f"The detector gives no evidence {missing[0]!r} of a caption.")
        return torch.stack([columns[name] for name in self.names], dim=1)

    def forward(self, evidence: Tensor) -> Tensor:
        """Compute the confidence (B,), 0 to 1, from evidence (B, E)."""
        standardized = (evidence - self.mean) / self.deviation
        logits: Tensor = standardized.nan_to_num() @ self.weight + self.bias
        return logits.sigmoid()


def _of_words(words: Tensor, steps: Tensor) -> dict[str, Tensor]:
    """How probable the words (B, T) of captions are, `<end>` included."""
    is_word = words != Vocabulary.pad
    chosen = steps.gather(2, words.unsqueeze(2)).squeeze(2)  # (B, T)
    return {"mean word": chosen.where(is_word, 0.0).sum(dim=1) / is_word.sum(dim=1)}


def _of_pictures(regions: Tensor, familiarity: Familiarity) -> dict[str, Tensor]:
    """How strange the images (B, R, C) are, and how much their regions differ."""
    return {"distance": familiarity(regions), "contrast": regions.std(dim=1).mean(dim=1)}


def _of_concepts(words: Tensor, regions: Tensor, detector: ConceptDetector) -> dict[str, Tensor]:
    """How well captions (B, T) say what a detector sees in their images, and how sure it is."""
    scores = detector(regions)  # (B, M)
    concepts = torch.tensor(detector.words, device=words.device)
    is_said = (words.unsqueeze(2) == concepts).any(dim=1)  # (B, M)
    logarithms = scores.clamp(min=LEAST_SCORE).log()
    strongest = detector.strongest(scores)
    is_found = (strongest.words.unsqueeze(2) == words.unsqueeze(1)).any(dim=2)  # (B, N)
    found = strongest.scores.where(is_found, 0.0).sum(dim=1)
    return {
        # Unknown for a caption that says no concept at all.
        "mean concept": logarithms.where(is_said, logarithms.new_tensor(torch.nan)).nanmean(dim=1),
        "said": found / strongest.scores.sum(dim=1),
        "seen": strongest.scores.mean(dim=1),
    }
