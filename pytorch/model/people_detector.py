"""Whether people are in a picture: a layer that was learned from captions.

The concept detector scores each word for people by itself; a person is a man to one, a player to
the next, and where nothing is known each of a hundred words is a little probable. One layer that
learns whether captions say any of them knows better.

Axis letters: B images, R regions, C channels of the encoder, K ImageNet classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pytorch.model.concepts import ConceptDetector


class PeopleDetector(nn.Module):
    """Scores how probable it is that a caption of an image says people.

    Args:
        channels: C, size of the encoder's region features.
        classes: K, how many classes the classifier of the concept detector knows; 0 without one.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.layer = nn.Linear(channels + classes, 1)
        self.requires_grad_(requires_grad=False)

    def forward(self, regions: Tensor, concepts: ConceptDetector | None) -> Tensor:
        """Compute the probability (B,) for images (B, R, C)."""
        logits: Tensor = self.layer(seen_in(regions, concepts))
        return logits.squeeze(1).sigmoid()


def seen_in(regions: Tensor, concepts: ConceptDetector | None) -> Tensor:
    """Compute what the layer reads: the mean of the regions, and what the classifier sees.

    Of the probabilities of classes, the roots: a class of one percent says something, too.

    Args:
        regions: Of B images, (B, R, C).
        concepts: Has the classifier, if there is one.

    Returns:
        (B, C + K)
    """
    pooled = regions.mean(dim=1)
    if concepts is None or concepts.classifier is None:
        return pooled
    return torch.cat([pooled, concepts.class_probabilities(regions).sqrt()], dim=1)


def class_count(concepts: ConceptDetector | None) -> int:
    """Count the classes that `seen_in` adds."""
    if concepts is None or concepts.classifier is None:
        return 0
    return concepts.classifier.out_features
