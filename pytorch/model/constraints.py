"""Constraints: words that a caption must say, and words that it must not.

Axis letters: B images, S sets of words, P candidates of an image, T words, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pytorch.model.vocabulary import SPECIAL_TOKENS, Vocabulary

MOST_SETS = 3
"""Beam search keeps candidates for each of the 2^S states of S sets said and not said."""


@dataclass(frozen=True)
class Constraints:
    """What the captions of B images must say, and must not.

    Attributes:
        required: (B, S, V) bool. Of each set, at least one of the words that are True must occur;
            an all-False set asks nothing.
        forbidden: (B, V) bool. These words never occur.

    Raises:
        ValueError: There are too many sets, a word is required and forbidden, a special token is
            required, or all words are forbidden.
    """

    required: Tensor
    forbidden: Tensor

    def __post_init__(self) -> None:
        if self.required.shape[1] > MOST_SETS:
            raise ValueError(
                f"A caption can be asked for at most {MOST_SETS} sets of words, "
                f"not {self.required.shape[1]}, because the search takes twice as long with each."
            )
        contradictions = (self.required & self.forbidden.unsqueeze(1)).nonzero().tolist()
        if contradictions:
            image, _, word = contradictions[0]
            raise ValueError(
                f"Word number {word} is both required and forbidden for image number {image}. "
                "Leave out one of the two."
            )
        if self.required[..., : len(SPECIAL_TOKENS)].any():
            raise ValueError(f"A caption cannot be asked for {', '.join(SPECIAL_TOKENS)}.")
        if self.forbidden[:, len(SPECIAL_TOKENS) :].all(dim=1).any():
            raise ValueError("All words are forbidden for an image. Leave some for its caption.")

    @property
    def counts(self) -> Tensor:
        """How many sets ask something of each image, (B,)."""
        return self.required.any(dim=2).sum(dim=1)

    def of(self, images: Tensor) -> Constraints:
        """Return those of some images (B,), which have equally many sets, without sets for nothing.

        Args:
            images: Numbers of the images.
        """
        required = self.required[images]
        asks = required.any(dim=2)  # (B, S)
        order = asks.to(torch.uint8).argsort(dim=1, descending=True, stable=True)  # (B, S)
        order = order[:, : int(asks[0].sum())].unsqueeze(2)  # (B, S, 1)
        required = required.gather(1, order.expand(-1, -1, required.shape[2]))  # (B, S, V)
        return Constraints(required, self.forbidden[images])

    def unmet(self, captions: Tensor) -> Tensor:
        """Tell which sets the captions (B, P, T) have no word of; (B, P, S)."""
        sets = self.required.shape[1]
        words = captions.flatten(1).unsqueeze(1).expand(-1, sets, -1)  # (B, S, P * T)
        said = self.required.gather(2, words)  # (B, S, P * T)
        said = said.view(len(captions), sets, *captions.shape[1:]).any(dim=3)  # (B, S, P)
        return ~said.transpose(1, 2)

    def wanted(self, unmet: Tensor) -> Tensor:
        """Return the words of the sets that are `unmet` (B, P, S), as (B, P, V) bool."""
        return (unmet.unsqueeze(3) & self.required.unsqueeze(1)).any(dim=2)

    def allow(self, steps: Tensor, unmet: Tensor) -> Tensor:
        """Forbid the words (B, P, V) that are forbidden, and ending while a set is `unmet`.

        There is always a word left.
        """
        steps = steps.masked_fill(self.forbidden.unsqueeze(1), -torch.inf)
        steps[..., Vocabulary.end].masked_fill_(unmet.any(dim=2), -torch.inf)
        return steps

    def hurry(self, steps: Tensor, unmet: Tensor, words_left: int) -> Tensor:
        """Leave only words of unmet sets where no more words than unmet sets are left.

        Args:
            steps: Log-probabilities of the next words, (B, P, V).
            unmet: The result of `unmet`, (B, P, S).
            words_left: How many words may still come.
        """
        late = unmet.any(dim=2) & (unmet.sum(dim=2) >= words_left)  # (B, P)
        return steps.masked_fill(late.unsqueeze(2) & ~self.wanted(unmet), -torch.inf)
