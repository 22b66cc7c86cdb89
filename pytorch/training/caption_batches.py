"""Captions as word numbers, in batches of similar length.

Axis letters: B captions, T words.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pytorch.data.caption_dataset import Example
from pytorch.data.formats.sentences import SentenceDataset
from pytorch.model.tokenization import tokenize
from pytorch.model.vocabulary import Vocabulary
from pytorch.training.train_data import Weighted, consecutive, count_drawn, draw

NO_PICTURE = -1
"""The row of a sentence."""

# Captions are sorted by length within so many batches: enough to leave little padding, and few
# enough to keep the batches mixed.
BATCHES_SORTED_TOGETHER = 50


class CaptionBatch(NamedTuple):
    """A batch of captions and sentences.

    Attributes:
        number: Its place in the epoch.
        rows: The row of each caption's picture, or NO_PICTURE, (B,).
        words: Word numbers with `<start>` and `<end>`, and `<pad>` after that, (B, T).
    """

    number: int
    rows: npt.NDArray[np.int64]
    words: Tensor


class CaptionBatches:
    """The captions of all data sets, mixed, in batches.

    The batches of an epoch depend on the seed and the number of the epoch only.

    Attributes:
        word_counts: How often each word of the vocabulary occurs in captions and sentences.
    """

    def __init__(
        self,
        pictures: Sequence[Weighted[Sequence[Example]]],
        vocabulary: Vocabulary,
        *,
        texts: Sequence[Weighted[SentenceDataset]] = (),
        batch_size: int,
        seed: int,
    ) -> None:
        """Encode all captions.

        Args:
            pictures: The captioned pictures of each data set, whose rows have this order.
            vocabulary: Numbers the words.
            texts: Data sets of sentences without pictures.
            batch_size: Captions in a batch.
            seed: Decides the batches of every epoch.
        """
        examples = chain.from_iterable(part.data for part in pictures)
        captions = [
            (row, vocabulary.encode(tokenize(caption)))
            for row, example in enumerate(examples)
            for caption in example.captions
        ]
        sentences = [vocabulary.encode(s) for text in texts for s in text.data.sentences]
        encoded = [words for _, words in captions] + sentences
        self.rows = np.array([row for row, _ in captions] + [NO_PICTURE] * len(sentences))
        # All captions one after another, where each begins, and its length.
        self._words = np.fromiter(chain.from_iterable(encoded), np.int64)
        self._lengths = np.array([len(words) for words in encoded])
        self._starts = np.cumsum(self._lengths) - self._lengths
        self.word_counts = np.bincount(self._words, minlength=len(vocabulary))
        self._parts = consecutive(
            [
                *(sum(len(example.captions) for example in part.data) for part in pictures),
                *(len(part.data.sentences) for part in texts),
            ],
            [part.weight for part in (*pictures, *texts)],
        )
        self.batch_size = batch_size
        self.seed = seed

    def __len__(self) -> int:
        return math.ceil(count_drawn(self._parts) / self.batch_size)

    @property
    def mean_words(self) -> float:
        """Mean number of words to predict in a batch, `<end>` included."""
        words = self._lengths - 1
        total = sum(
            int(words[part.data.start : part.data.stop].sum()) * part.weight for part in self._parts
        )
        return total / len(self)

    def of_epoch(self, epoch: int) -> Iterator[CaptionBatch]:
        """The batches of an epoch."""
        shuffler = random.Random(f"{self.seed}-{epoch}")  # noqa: S311
        drawn = draw(self._parts, shuffler)
        together = self.batch_size * BATCHES_SORTED_TOGETHER
        batches = []
        for start in range(0, len(drawn), together):
            chunk = sorted(drawn[start : start + together], key=self._lengths.__getitem__)
            batches += [
                chunk[first : first + self.batch_size]
                for first in range(0, len(chunk), self.batch_size)
            ]
        shuffler.shuffle(batches)
        for number, batch in enumerate(batches):
            yield CaptionBatch(number, self.rows[batch], self._padded(np.array(batch)))

    def _padded(self, captions: npt.NDArray[np.int64]) -> Tensor:
        """Word numbers of B captions, (B, T)."""
        lengths = self._lengths[captions, None]  # (B, 1)
        places = np.arange(lengths.max())  # (T,)
        words = self._words.take(self._starts[captions, None] + places, mode="clip")  # (B, T)
        return torch.from_numpy(np.where(places < lengths, words, Vocabulary.pad))
