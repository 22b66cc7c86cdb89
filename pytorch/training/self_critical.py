"""Self-critical sequence training: reward sampled captions for beating the greedy caption.

Rennie et al., "Self-critical Sequence Training for Image Captioning", 2017. Captions sampled from
the model are scored by CIDEr-D against the references, and the score of the model's own greedy
caption is the baseline. Samples above the baseline become more probable, samples below it less.

Axis letters: B images, K samples of an image, T words.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from pytorch.data.datasets import Example
from pytorch.evaluation.metrics import CiderD
from pytorch.model.captioner import Captioner
from pytorch.model.concepts import ImageFeatures
from pytorch.model.decoders import Decoder
from pytorch.model.decoding import DecodingConfig
from pytorch.model.search import sample, search
from pytorch.model.tokenization import tokenize
from pytorch.model.vocabulary import END, Vocabulary
from pytorch.training.distributed import mean_over_ranks, own_shard
from pytorch.training.objective import Objective
from pytorch.training.train_data import TrainData, count_drawn, draw
from pytorch.training.training_config import TrainingConfig

Reward = Callable[[Sequence[int], Tensor], Tensor]
"""Scores captions (B, K, T) of the images in B rows; the rewards are (B, K)."""


class CaptionReward:
    """CIDEr-D of generated captions against the references of their images.

    `<end>` counts as a word on both sides. Without it, captions that break off after "in a" would
    be rewarded as much as whole ones. As in evaluation, words of the references that the vocabulary
    lacks are kept.
    """

    def __init__(self, examples: Sequence[Example], vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.cider = CiderD(
            [[[*tokenize(caption), END] for caption in example.captions] for example in examples]
        )

    def __call__(self, rows: Sequence[int], captions: Tensor) -> Tensor:
        """Reward generated captions.

        Args:
            rows: The images' places in `examples`, B of them.
            captions: Word numbers (B, K, T).

        Returns:
            CIDEr-D of each caption, (B, K).
        """
        rewards = [
            [self.cider.score(self._words(numbers), row) for numbers in candidates]
            for row, candidates in zip(rows, captions.tolist(), strict=True)
        ]
        return torch.tensor(rewards, device=captions.device)

    def _words(self, numbers: list[int]) -> list[str]:
        ended = [END] if Vocabulary.end in numbers else []
        return [*self.vocabulary.decode(numbers), *ended]


class SplitRewards:
    """The rewards of the pictures of several data sets.

    How much a word is worth depends on how rare it is among the references of its own data set.
    """

    def __init__(self, data: TrainData, vocabulary: Vocabulary) -> None:
        self._rewards = [
            (rows.data, CaptionReward(part.data.examples, vocabulary))
            for rows, part in zip(data.rows, data.pictures, strict=True)
        ]

    def __call__(self, rows: Sequence[int], captions: Tensor) -> Tensor:
        """Reward generated captions (B, K, T) of the pictures in these rows, (B, K)."""
        rewards = captions.new_zeros(captions.shape[:2], dtype=torch.float32)
        for own, reward in self._rewards:
            places = [place for place, row in enumerate(rows) if row in own]
            if places:
                mine = [rows[place] - own.start for place in places]
                rewards[places] = reward(mine, captions[places])
        return rewards


class SelfCritical(Objective):
    """The last objective: the reward of captions that the model samples itself."""

    name = "self-critical"

    def __init__(self, captioner: Captioner, train: TrainData, config: TrainingConfig) -> None:
        super().__init__(captioner)
        self.train_data = train
        self.reward = SplitRewards(train, captioner.vocabulary)
        self.batch_size = config.batch_size
        self.seed = config.seed
        self.samples = config.self_critical_samples

    def __len__(self) -> int:
        return math.ceil(count_drawn(self.train_data.rows) / self.batch_size)

    def batches(self, epoch: int) -> Iterator[list[int]]:
        """The rows of this process's shard of each batch of images."""
        rows = draw(self.train_data.rows, random.Random(f"{self.seed}-{epoch}"))  # noqa: S311
        for start in range(0, len(rows), self.batch_size):
            yield own_shard(rows[start : start + self.batch_size])

    def forward(self, batch: list[int]) -> Tensor:
        """Loss of one shard, a scalar."""
        return self_critical_loss(
            self.captioner.decoder,
            self._images(batch),
            batch,
            self.reward,
            samples=self.samples,
            max_words=self.captioner.decoding.max_words,
        )

    def _images(self, rows: list[int]) -> ImageFeatures:
        """What the decoder is told of the images in these rows."""
        device = self.captioner.device
        regions = self.train_data.features.rows(rows).to(device)  # (B, R, C)
        concepts = self.train_data.concepts
        if concepts is None:
            return self.captioner.image_features(regions)
        return ImageFeatures(regions, concepts.rows(torch.tensor(rows)).to(device))


def self_critical_loss(
    decoder: Decoder,
    image: ImageFeatures,
    rows: Sequence[int],
    reward: Reward,
    *,
    samples: int,
    max_words: int,
) -> Tensor:
    """Loss of one batch of images.

    Dropout is as in teacher forcing, and applies to the greedy captions too: they should not beat
    the samples only because nothing was dropped. (On Flickr8k this made little difference: CIDEr-D
    on dev after an epoch was 0.547 with it and 0.543 without.) Gradients flow through the same
    pass that drew the samples, because another pass would drop other units and so have another
    distribution.

    Args:
        decoder: The decoder, in training mode.
        image: The images, B of them.
        rows: The images' places among the examples of `reward`.
        reward: Scores captions.
        samples: K, the number of captions to sample per image.
        max_words: T, the most words of a caption.

    Returns:
        A scalar; its mean over all processes is that of the whole batch.
    """
    greedy = DecodingConfig(beam_size=1, max_words=max_words)
    baseline = reward(rows, search(decoder, image, greedy).words)  # (B, 1)
    drawn = sample(decoder, image, DecodingConfig(beam_size=samples, max_words=max_words))
    advantage = reward(rows, drawn.words) - baseline  # (B, K)
    is_word = drawn.words != Vocabulary.pad
    # Divided by the mean over the processes, so that every word of the batch has the same weight.
    return -(advantage * drawn.log_probabilities).sum() / mean_over_ranks(is_word.sum())
