"""What a search found, in a form that tests can compare."""

from __future__ import annotations

import torch
from torch import Tensor

from pytorch.model.concepts import ImageFeatures
from pytorch.model.decoders import Decoder
from pytorch.model.search import word_log_probabilities
from pytorch.model.vocabulary import Vocabulary


def trimmed(words: Tensor) -> list[int]:
    """Return word numbers without the padding to the longest caption."""
    return [word for word in words.tolist() if word != Vocabulary.pad]


def log_probability(decoder: Decoder, image: ImageFeatures, caption: list[int]) -> float:
    """Compute the total log-probability of a caption by teacher forcing."""
    words = torch.tensor([[Vocabulary.start, *caption]])
    logits, _ = decoder(image, words[:, :-1])
    return sum(
        word_log_probabilities(logits[0, place], first=place == 0)[word].item()
        for place, word in enumerate(caption)
    )
