"""Faults of grammar that a search can prevent, since the last words of a caption show them.

The rules are few, and each forbids what hardly ever stands in captions by people: of 37,679 from
Flickr8k, Flickr30k and COCO, 3 in 1,000 break one, mostly by a slip. What needs more than the last
words, such as whether a noun fits its verb, is left to the model.

Axis letters: B images, P candidates of an image, T words, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytorch.model.vocabulary import Vocabulary


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


INDEFINITE = _words("a an")
# Without "her", which may be an object as well: beside her a dog.
DETERMINERS = INDEFINITE | _words("the his its their my your our")
CONJUNCTIONS = _words("and or but while as than that which who because")
VERBS = _words("is are was were has have being")
PREPOSITIONS = _words("of in at with from into onto for to")
# Captions do end with others: with a hat on, walking by, standing around, a house behind.
MORE_PREPOSITIONS = _words(
    """near beside through across along over under underneath beneath between against toward
    towards during"""
)
# What stands between these and "and" is worn by one person.
WEARING = _words("in wearing")
AMOUNTS = _words("some several many every very")
ADJECTIVES = _words(
    """red blue green yellow black white brown gray grey pink purple large big small long tall
    young old"""
)
# With "and" between, they mean something: over and over, on and on, more and more.
ADVERBS = _words("on up down by round around off out more")

NEVER_AFTER_DETERMINER = DETERMINERS | CONJUNCTIONS | VERBS | PREPOSITIONS
NEVER_LAST = NEVER_AFTER_DETERMINER | MORE_PREPOSITIONS | AMOUNTS
REPEATABLE = NEVER_LAST | ADVERBS

# The rules look at so many words before the next.
WINDOW = 7

MARKS = {
    "_is_and": _words("and"),
    "_is_indefinite": INDEFINITE,
    "_is_determiner": DETERMINERS,
    "_is_adjective": ADJECTIVES,
    "_is_wearing": WEARING,
    "_is_never_after_determiner": NEVER_AFTER_DETERMINER,
    "_is_never_last": NEVER_LAST,
    "_is_repeatable": REPEATABLE,
}


class Grammar(nn.Module):
    """The rules, for the words of a vocabulary.

    - No word comes twice in a row.
    - After an article or a possessive comes no other one, nor a conjunction, a verb such as "is" or
      a preposition such as "of": not "a the", not "in a and".
    - No caption ends with any of these, with another preposition that lacks its noun, or with an
      adjective after "a": not "on a beach with", not "in a red".
    - "And" does not join the same words: not "white and white", not "a hat and a hat", not "a red
      shirt and a red shirt". It may join "a black dog and a white dog", but not what one person
      wears: not "in a red shirt and a blue shirt".
    """

    _is_and: Tensor
    _is_indefinite: Tensor
    _is_determiner: Tensor
    _is_adjective: Tensor
    _is_wearing: Tensor
    _is_never_after_determiner: Tensor
    _is_never_last: Tensor
    _is_repeatable: Tensor

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        for name, words in MARKS.items():
            marks = torch.tensor([word in words for word in vocabulary.words])  # (V,)
            self.register_buffer(name, marks, persistent=False)

    def faults(self, captions: Tensor, *, is_last: bool) -> Tensor:
        """Tell which words would be a fault after captions.

        Args:
            captions: The words so far, (B, P, T).
            is_last: Whether no word can follow the next one.

        Returns:
            (B, P, V) bool.
        """
        recent = functional.pad(captions, (WINDOW, 0), value=Vocabulary.pad)[..., -WINDOW:]
        words = recent.unbind(dim=2)  # (B, P) each, the last word last
        after_determiner = self._is_determiner[words[-1]].unsqueeze(2)  # (B, P, 1)
        faults = after_determiner & self._is_never_after_determiner  # (B, P, V)
        faults.scatter_(2, self._repeats(recent), value=True)
        faults[..., Vocabulary.pad] = False  # which stands for no repetition
        cut_short = self._is_indefinite[words[-2]] & self._is_adjective[words[-1]]  # (B, P)
        faults[..., Vocabulary.end] = cut_short | self._is_never_last[words[-1]]
        if is_last:
            after_a = self._is_indefinite[words[-1]].unsqueeze(2)
            faults |= self._is_never_last | (after_a & self._is_adjective)
        return faults

    def _repeats(self, recent: Tensor) -> Tensor:
        """Tell which words would be repetitions after the last ones (B, P, T).

        Returns:
            The words, (B, P, 6), or padding in their places.
        """
        *_, fifth, fourth, third, second, last = recent.unbind(dim=2)  # (B, P) each
        is_and, is_determiner = self._is_and, self._is_determiner
        joined = [
            (second, is_and[last]),
            (third, is_and[second] & (is_determiner[last] | (last == fourth))),
            (fourth, is_and[third] & is_determiner[second] & (last == fifth)),
            *self._worn(recent),
        ]
        repeated = torch.stack([last, *(word for word, _ in joined)], dim=2)  # (B, P, 6)
        is_fault = torch.stack(
            [torch.ones_like(last, dtype=torch.bool)]
            + [fault & ~self._is_repeatable[word] for word, fault in joined],
            dim=2,
        )
        return repeated.where(is_fault, Vocabulary.pad)

    def _worn(self, recent: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Tell what is worn, (B, P), and whether it would be a repetition after an adjective."""
        words, is_and, determiner, adjective, wearing = (
            marks.unbind(dim=2)
            for marks in (
                recent,
                self._is_and[recent],
                self._is_determiner[recent],
                self._is_adjective[recent],
                self._is_wearing[recent],
            )
        )

        def is_worn(noun: int) -> Tensor:
            bare = wearing[noun - 1] | (determiner[noun - 1] & wearing[noun - 2])
            described = wearing[noun - 2] | (determiner[noun - 2] & wearing[noun - 3])
            return bare | (adjective[noun - 1] & described)

        without_article = adjective[-1] & is_and[-2] & is_worn(-3)
        with_article = adjective[-1] & determiner[-2] & is_and[-3] & is_worn(-4)
        return [(words[-3], without_article), (words[-4], with_article)]
