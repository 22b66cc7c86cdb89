"""What training tells the decoder of the concepts of pictures and sentences.

For a picture these are the scores of a detector, for a sentence without a picture some of its own
words among random ones. Both are made worse than they are, and some better, so that the decoder
learns how far to trust them.

Axis letters: B captions, T words, N concepts of an image, D words drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pytorch.model.concepts import ConceptScores
from pytorch.model.vocabulary import Vocabulary
from pytorch.training.caption_batches import NO_PICTURE, CaptionBatch

# Of a sentence's own concepts so many are told: a detector misses some too.
SHARE_TOLD = 0.65
# Parameters of the Beta distribution of their scores, and its bounds: anything from a guess to a
# certainty.
TOLD_BETA = (1.6, 1.6)
LEAST_TOLD, MOST_TOLD = 0.05, 1.0
# The other places get concepts that the sentence does not name, as a detector finds wrong ones.
# Their scores are mostly low: WRONG_MOST times a Beta distribution.
WRONG_BETA = (1.2, 9.0)
WRONG_MOST = 0.6
# They are drawn by their frequency to this power, so that rare ones are wrong at times too.
FREQUENCY_POWER = 0.75
# More are drawn than there are places, because some are drawn twice.
DRAWN_PER_PLACE = 2

# Pictures whose regions are hidden, so that concepts alone must do, as they do for sentences; and
# pictures whose concepts are not told, so that regions alone must do.
SHARE_HIDDEN = 0.1
SHARE_UNTOLD = 0.1
# Captions whose own concepts get high scores, so that a strong concept can be trusted to belong
# into the caption; and how many of those that the detector missed are put in place of its weakest.
SHARE_RAISED = 1 / 3
LEAST_RAISED = 0.4
SHARE_ADDED = 0.35

# Stands in arrays of concepts where there is none.
NO_WORD = Vocabulary.pad

Numbers = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Told(NamedTuple):
    """What the decoder is told of the B images of a batch besides their regions.

    Attributes:
        concepts: Their concepts.
        shown: Whether the regions are shown, (B,).
    """

    concepts: ConceptScores
    shown: Tensor


class ToldConcepts:
    """Chooses what is told of each batch, depending on seed, epoch and batch only."""

    def __init__(
        self,
        detected: ConceptScores,
        concepts: Sequence[int],
        word_counts: Numbers,
        *,
        seed: int,
    ) -> None:
        """Prepare the choice.

        Args:
            detected: What a detector finds in the picture of each row.
            concepts: The vocabulary number of each concept.
            word_counts: How often each word of the vocabulary occurs in captions and sentences.
            seed: Decides everything that is random.
        """
        self._words = detected.words.numpy().astype(np.int64)
        self._scores = detected.scores.numpy().astype(np.float64)
        self._places = self._words.shape[1]
        self._is_concept = np.zeros(len(word_counts), dtype=bool)
        self._is_concept[list(concepts)] = True
        self._concepts = np.array(concepts)
        frequencies = np.maximum(word_counts[self._concepts], 1) ** FREQUENCY_POWER
        self._cumulative = np.cumsum(frequencies)
        self._seed = seed

    def of_batch(self, batch: CaptionBatch, epoch: int, renamed: Tensor) -> Told:
        """What is told of the images of a batch.

        Args:
            batch: The captions.
            epoch: The number of the epoch.
            renamed: The name that each caption got from `RenamedObjects`, (B,). It is told with a
                high score, since nothing else gives it away.
        """
        random = np.random.default_rng([self._seed, epoch, batch.number])
        pictured = batch.rows != NO_PICTURE  # (B,)
        captions = batch.words.numpy()  # (B, T)
        own = np.where(self._is_concept[captions], captions, NO_WORD)  # (B, T)
        words = np.full((len(own), self._places), NO_WORD)  # (B, N)
        scores = np.zeros(words.shape)  # (B, N)
        words[~pictured], scores[~pictured] = self._of_sentences(
            own[~pictured], renamed.numpy()[~pictured], random
        )
        words[pictured], scores[pictured] = self._of_pictures(
            batch.rows[pictured], own[pictured], random
        )
        shown = pictured & (random.random(len(pictured)) >= SHARE_HIDDEN)
        return Told(
            ConceptScores(torch.from_numpy(words), torch.from_numpy(scores).float()),
            torch.from_numpy(shown),
        )

    def _of_sentences(
        self, own: Numbers, renamed: Numbers, random: np.random.Generator
    ) -> tuple[Numbers, Scores]:
        """Concepts (B, N) of sentences, whose own ones (B, T) and new names (B,) are given."""
        is_new = (own == renamed[:, None]) & (own != NO_WORD)  # (B, T)
        told = is_first(own) & (is_new | (random.random(own.shape) < SHARE_TOLD))  # (B, T)
        told_scores = random.beta(*TOLD_BETA, own.shape).clip(LEAST_TOLD, MOST_TOLD)
        told_scores = np.where(is_new, random.uniform(LEAST_RAISED, 1.0, own.shape), told_scores)
        drawn = self._draw((len(own), DRAWN_PER_PLACE * self._places), random)  # (B, D)
        wrong = is_first(drawn) & ~is_among(drawn, own)
        wrong_scores = WRONG_MOST * random.beta(*WRONG_BETA, drawn.shape)
        words = np.concatenate([own, drawn], axis=1)  # (B, T + D)
        scores = np.concatenate([told_scores, wrong_scores], axis=1)
        chosen = np.concatenate([told, wrong], axis=1)
        # The first ones chosen, and nothing in the places that remain.
        places = np.argsort(~chosen, axis=1, kind="stable")[:, : self._places]  # (B, N)
        chosen = np.take_along_axis(chosen, places, axis=1)
        return (
            np.where(chosen, np.take_along_axis(words, places, axis=1), NO_WORD),
            np.where(chosen, np.take_along_axis(scores, places, axis=1), 0.0),
        )

    def _of_pictures(
        self, rows: Numbers, own: Numbers, random: np.random.Generator
    ) -> tuple[Numbers, Scores]:
        """Concepts (B, N) of pictures in these rows, whose captions say `own`, (B, T)."""
        words, scores = self._words[rows], self._scores[rows]  # (B, N)
        raised = random.random((len(rows), 1)) < SHARE_RAISED  # (B, 1)
        high = random.uniform(LEAST_RAISED, 1.0, words.shape)
        scores = np.where(raised & is_among(words, own), np.maximum(scores, high), scores)
        added = is_first(own) & ~is_among(own, words) & raised  # (B, T)
        added &= random.random(own.shape) < SHARE_ADDED
        added_scores = np.where(added, random.uniform(LEAST_RAISED, 1.0, own.shape), -1.0)
        words = np.concatenate([words, own], axis=1)  # (B, N + T)
        scores = np.concatenate([scores, added_scores], axis=1)
        places = np.argsort(-scores, axis=1, kind="stable")[:, : self._places]  # (B, N)
        told = random.random((len(rows), 1)) >= SHARE_UNTOLD
        return (
            np.take_along_axis(words, places, axis=1),
            np.take_along_axis(scores, places, axis=1) * told,
        )

    def _draw(self, shape: tuple[int, int], random: np.random.Generator) -> Numbers:
        """Random concepts by frequency."""
        drawn = random.random(shape) * self._cumulative[-1]
        chosen: Numbers = self._concepts[np.searchsorted(self._cumulative, drawn, side="right")]
        return chosen


def is_first(words: Numbers) -> Mask:
    """Where a word (B, T) occurs for the first time in its row."""
    same = words[:, :, None] == words[:, None, :]  # (B, T, T)
    earlier = np.tri(words.shape[1], k=-1, dtype=bool)
    first: Mask = ~(same & earlier).any(axis=2) & (words != NO_WORD)
    return first


def is_among(words: Numbers, others: Numbers) -> Mask:
    """Where a word (B, T) is among the others (B, D) of its row."""
    found: Mask = (words[:, :, None] == others[:, None, :]).any(axis=2) & (words != NO_WORD)
    return found
