"""What a training learns from: the pictures of one or more data sets, and sentences without.

Pictures have rows: first those of the first data set, then those of the next. A weight says how
often the captions of a data set are seen in an epoch.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import accumulate, chain
from typing import Generic, TypeVar

import torch
from torch import Tensor

from pytorch.data.caption_dataset import Example
from pytorch.data.features import RegionFeatures
from pytorch.data.formats.sentences import SentenceDataset
from pytorch.data.prepared import PreparedSplit
from pytorch.model.concepts import ConceptScores
from pytorch.model.encoders import Encoder
from pytorch.model.tokenization import tokenize
from pytorch.model.transforms import Preprocessing

Data_co = TypeVar("Data_co", covariant=True)


@dataclass(frozen=True)
class Weighted(Generic[Data_co]):
    """A data set, or a part of one, and its weight.

    Attributes:
        data: The data set.
        weight: How often its captions are seen in an epoch: 1 for each once, 3 for each three
            times, 0.3 for a random 30 percent of them.

    Raises:
        ValueError: The weight is not a positive number.
    """

    data: Data_co
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.weight < math.inf:
            raise ValueError(
                f"A data set's weight must be above 0 and finite, not {self.weight:g}."
            )


@dataclass(frozen=True)
class TrainData:
    """The train splits of all data sets.

    Attributes:
        pictures: The splits with pictures, at least one.
        texts: Data sets of sentences without pictures.
        concepts: For each row, the concepts that a detector finds which has not seen the picture
            in its own training; None where the decoder is not told of any.
    """

    pictures: tuple[Weighted[PreparedSplit], ...]
    texts: tuple[Weighted[SentenceDataset], ...] = ()
    concepts: ConceptScores | None = None

    def __len__(self) -> int:
        return len(self.examples)

    @cached_property
    def examples(self) -> tuple[Example, ...]:
        """The example of each row."""
        return tuple(chain.from_iterable(part.data.examples for part in self.pictures))

    @cached_property
    def features(self) -> RegionFeatures:
        """The region features of each row."""
        return reduce(RegionFeatures.followed_by, (part.data.features for part in self.pictures))

    @cached_property
    def rows(self) -> tuple[Weighted[range], ...]:
        """The rows of each data set."""
        sizes = [len(part.data.examples) for part in self.pictures]
        return consecutive(sizes, [part.weight for part in self.pictures])

    def pixels(self, rows: Sequence[int], preprocessing: Preprocessing) -> Tensor:
        """The images of B rows, preprocessed for an encoder, (B, 3, S, S).

        Raises:
            ImageError: An image can no longer be read.
        """
        if not rows:
            return torch.empty(0, 3, preprocessing.size, preprocessing.size)
        images: dict[int, Tensor] = {}
        for part, split in zip(self.rows, self.pictures, strict=True):
            here = [row for row in rows if row in part.data]
            if here:
                places = [row - part.data.start for row in here]
                images |= zip(here, split.data.pixels(places, preprocessing), strict=True)
        return torch.stack([images[row] for row in rows])  # (B, 3, S, S)

    def encoded_by(
        self, encoder: Encoder, *, cached: bool, device: torch.device, progress: bool = False
    ) -> TrainData:
        """The same with the features of another encoder; see `PreparedSplit.encoded_by`."""
        pictures = (
            dataclasses.replace(
                part,
                data=part.data.encoded_by(encoder, cached=cached, device=device, progress=progress),
            )
            for part in self.pictures
        )
        return dataclasses.replace(self, pictures=tuple(pictures))


def tokenized_captions(examples: Iterable[Example]) -> Iterator[list[str]]:
    """The words of all captions."""
    return (tokenize(caption) for example in examples for caption in example.captions)


def consecutive(sizes: Sequence[int], weights: Sequence[float]) -> tuple[Weighted[range], ...]:
    """Number the items of several parts, one part after another."""
    ends = list(accumulate(sizes))
    ranges = (range(end - size, end) for size, end in zip(sizes, ends, strict=True))
    return tuple(map(Weighted, ranges, weights))


def count_drawn(parts: Iterable[Weighted[range]]) -> int:
    """How many numbers `draw` returns, which is the same in every epoch."""
    return sum(round(len(part.data) * part.weight) for part in parts)


def draw(parts: Iterable[Weighted[range]], shuffler: random.Random) -> list[int]:
    """Draw the numbers of an epoch, in random order, each as often as its weight says.

    Of a weight of 2.3, all are drawn twice, and a random 30 percent once more.
    """
    drawn: list[int] = []
    for part in parts:
        times, more = divmod(round(len(part.data) * part.weight), len(part.data) or 1)
        drawn += [*part.data] * times
        if more:
            drawn += shuffler.sample(part.data, more)
    return shuffler.sample(drawn, len(drawn))
