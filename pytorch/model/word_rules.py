"""Which words may come next in a caption, whatever the model thinks.

Axis letters: B images, P candidates of an image, T words, n words of an n-gram, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from pytorch.model.constraints import Constraints
from pytorch.model.decoding import DecodingConfig
from pytorch.model.grammar import Grammar
from pytorch.model.vocabulary import Vocabulary


@dataclass(frozen=True)
class WordRules:
    """The rules of one search.

    Attributes:
        max_words: Most words in a caption.
        no_repeat_ngram: Forbid repeated n-grams of this length; 0 allows them.
        grammar: Rules of grammar, if any are to be kept.
        constraints: What captions must say and must not, if anything.
        samples: Whether words are drawn. Then rules alone make captions say what they must, while
            beam search knows by itself.
    """

    max_words: int
    no_repeat_ngram: int = 0
    grammar: Grammar | None = None
    constraints: Constraints | None = None
    samples: bool = False

    @classmethod
    def of(
        cls,
        config: DecodingConfig,
        grammar: Grammar | None = None,
        constraints: Constraints | None = None,
    ) -> Self:
        """The rules that the options ask for, and others."""
        samples = config.top_p is not None
        return cls(config.max_words, config.no_repeat_ngram, grammar, constraints, samples)

    def apply(self, steps: Tensor, captions: Tensor) -> Tensor:
        """Set the log-probability of words that may not come next to minus infinity.

        Constraints come first: where no word would be left, repeats and faults of grammar are
        allowed, and no rule forbids a word that a set still lacks.

        Args:
            steps: Log-probabilities of the next words, (B, P, V).
            captions: The words so far, (B, P, T).
        """
        position, constraints = captions.shape[2], self.constraints
        unmet = None if constraints is None else constraints.unmet(captions)  # (B, P, S)
        if constraints is not None and unmet is not None:
            steps = constraints.allow(steps, unmet)
            if self.samples and self.max_words - position <= unmet.shape[2]:
                steps = constraints.hurry(steps, unmet, self.max_words - position)
        if 0 < self.no_repeat_ngram <= position:
            # It cannot forbid a word that a set lacks, since that has not been said.
            faults = _repeats(captions, self.no_repeat_ngram, steps)
            steps = _without(steps, faults)
        if self.grammar is not None:
            faults = self.grammar.faults(captions, is_last=position == self.max_words - 1)
            if constraints is not None and unmet is not None:
                faults &= ~constraints.wanted(unmet)
            steps = _without(steps, faults)
        return steps


def _without(steps: Tensor, faults: Tensor) -> Tensor:
    """Forbid words that would be faults (B, P, V), unless no other word is left."""
    allowed = steps.masked_fill(faults, -torch.inf)
    return torch.where(allowed.isfinite().any(dim=2, keepdim=True), allowed, steps)


def _repeats(captions: Tensor, size: int, steps: Tensor) -> Tensor:
    """Tell which words would repeat an n-gram from the same caption, (B, P, V).

    Args:
        captions: The words so far, (B, P, T), with T at least `size`.
        size: The n-gram's length, n.
        steps: Log-probabilities of the next words, (B, P, V).
    """
    ngrams = captions.unfold(2, size, 1)  # (B, P, T - n + 1, n)
    # The next word completes an n-gram whose first n - 1 words are the caption's last ones. With
    # n = 1 these are none, and all n-grams match.
    last_words = captions[:, :, captions.shape[2] - size + 1 :].unsqueeze(2)  # (B, P, 1, n - 1)
    same_beginning = (ngrams[..., :-1] == last_words).all(dim=3)  # (B, P, T - n + 1)
    # The same word may end several n-grams; "amax" forbids it if any of them matches.
    repeats = torch.zeros_like(steps)
    repeats.scatter_reduce_(2, ngrams[..., -1], same_beginning.to(steps.dtype), "amax")
    return repeats > 0


def only_padding_after_end(steps: Tensor, ended: Tensor) -> Tensor:
    """Make `<pad>` certain for the candidates that have `ended` (B, P)."""
    padding = torch.full_like(steps[0, 0], -torch.inf)  # (V,)
    padding[Vocabulary.pad] = 0.0
    return torch.where(ended.unsqueeze(2), padding, steps)
