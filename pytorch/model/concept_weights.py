"""The tensors in which a checkpoint keeps a concept detector.

Weights are in half precision. Of the words of ImageNet's classes, nearly all zeros, only the others
are kept.

Axis letters: C channels of the encoder, M concepts, K classes, P pairs of a class and its word.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pytorch.model.concepts import ConceptDetector

PREFIX = "concepts."
PLACES, VALUES = "class_words.places", "class_words.values"


def detector_tensors(detector: ConceptDetector) -> dict[str, Tensor]:
    """Return the tensors of a detector, by name."""
    tensors = {name: weights.half() for name, weights in detector.named_parameters()}
    if detector.class_words is not None:
        places = detector.class_words.nonzero()  # (P, 2)
        tensors[PLACES] = places.int()
        tensors[VALUES] = detector.class_words[places[:, 0], places[:, 1]].half()  # (P,)
    return {PREFIX + name: tensor.contiguous() for name, tensor in tensors.items()}


def detector_of_tensors(
    words: Sequence[int], tensors: dict[str, Tensor], *, channels: int
) -> ConceptDetector:
    """Build a detector from the tensors under its prefix, and remove them from `tensors`.

    Args:
        words: The vocabulary number of each concept.
        tensors: Those of a checkpoint.
        channels: Size of the encoder's region features.

    Raises:
        ValueError: A tensor is missing, or they do not fit the words, the encoder or each other.
    """
    own = {
        name.removeprefix(PREFIX): tensors.pop(name)
        for name in list(tensors)
        if name.startswith(PREFIX)
    }
    layer = _linear("layer", own, channels)
    if layer.out_features != len(words):
        raise ValueError(
            f"the weights score {layer.out_features} concepts, "
            f"the configuration names {len(words)}."
        )
    classifier, class_words = None, None
    if own:
        classifier = _linear("classifier", own, channels)
        class_words = _class_words(own, (classifier.out_features, len(words)))
    if own:
        raise ValueError(f"the weights hold {PREFIX}{next(iter(own))}, which nothing here uses.")
    return ConceptDetector(words, layer=layer, classifier=classifier, class_words=class_words)


def _taken(name: str, own: dict[str, Tensor], shape: tuple[int | None, ...]) -> Tensor:
    """Take a tensor of this shape out of `own`; None stands for any size."""
    if name not in own:
        raise ValueError(f"the weights lack {PREFIX}{name}.")
    tensor = own.pop(name)
    if len(tensor.shape) != len(shape) or any(
        wanted not in (None, size) for wanted, size in zip(shape, tensor.shape, strict=True)
    ):
        needed = ", ".join("any" if wanted is None else str(wanted) for wanted in shape)
        raise ValueError(f"{PREFIX}{name} has the shape {tuple(tensor.shape)}, not ({needed}).")
    return tensor


def _linear(name: str, own: dict[str, Tensor], channels: int) -> nn.Linear:
    weight = _taken(f"{name}.weight", own, (None, channels))
    layer = nn.Linear(channels, len(weight))
    bias = _taken(f"{name}.bias", own, (len(weight),))
    layer.load_state_dict({"weight": weight, "bias": bias})
    return layer


def _class_words(own: dict[str, Tensor], shape: tuple[int, int]) -> Tensor:
    places = _taken(PLACES, own, (None, 2)).long()  # (P, 2)
    values = _taken(VALUES, own, (len(places),))
    if not ((places >= 0) & (places < torch.tensor(shape))).all():
        raise ValueError(
            f"{PREFIX}{PLACES} points outside of {shape[0]} classes, {shape[1]} words."
        )
    class_words = torch.zeros(shape)
    class_words[places[:, 0], places[:, 1]] = values.float()
    return class_words
