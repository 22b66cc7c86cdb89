"""Self-critical sequence training: captions are rewarded for being better than greedy ones.

Rennie et al., "Self-critical Sequence Training for Image Captioning", 2017. The model samples
captions and is scored by CIDEr-D against the references; the score of its own greedy caption is
the baseline. Words of samples above it become more probable, those of samples below it less.

Axis letters: B images, K samples of an image, N = B * K, T words, R regions, C channels.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from pytorch.datasets import Example
from pytorch.decoders import Decoder
from pytorch.distributed import mean_over_processes, own_share
from pytorch.metrics import CiderD
from pytorch.search import DecodingConfig, read_captions, sample, search
from pytorch.split_data import SplitData
from pytorch.tokenization import tokenize
from pytorch.vocabulary import END, Vocabulary


class CaptionReward:
    """CIDEr-D of generated captions against the references of their images.

    `<end>` counts as a word on both sides: without it, captions that break off after "in a" are
    rewarded as well as whole ones. Words that are not in the vocabulary stay what they are, as
    in the evaluation.
    """

    def __init__(self, examples: Sequence[Example], vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.cider = CiderD(
            [[[*tokenize(caption), END] for caption in example.captions] for example in examples]
        )

    def __call__(self, rows: Sequence[int], captions: Tensor) -> Tensor:
        """Rewards (B, K) of word numbers (B, K, T), generated for the images in `rows`."""
        rewards = [
            [self.cider.score(self._words(numbers), row) for numbers in candidates]
            for row, candidates in zip(rows, captions.tolist(), strict=True)
        ]
        return torch.tensor(rewards, device=captions.device)

    def _words(self, numbers: list[int]) -> list[str]:
        ended = [END] if Vocabulary.end in numbers else []
        return [*self.vocabulary.decode(numbers), *ended]


class SelfCritical:
    """The training objective of the second phase: the reward of captions of its own."""

    name = "self-critical"

    def __init__(
        self,
        data: SplitData,
        vocabulary: Vocabulary,
        *,
        batch_size: int,
        seed: int,
        samples: int,
        max_words: int,
    ) -> None:
        self.features = data.features
        self.reward = CaptionReward(data.examples, vocabulary)
        self.batch_size = batch_size
        self.seed = seed
        self.samples = samples
        self.max_words = max_words

    def __len__(self) -> int:
        return math.ceil(len(self.features) / self.batch_size)

    def batches(self, epoch: int) -> Iterator[list[int]]:
        """Rows of the images of one batch after another, or of this process's share of it."""
        rows = list(range(len(self.features)))
        random.Random(f"{self.seed}-{epoch}").shuffle(rows)  # noqa: S311
        for start in range(0, len(rows), self.batch_size):
            yield own_share(rows[start : start + self.batch_size])

    def loss(self, decoder: Decoder, batch: list[int]) -> Tensor:
        """Loss of one batch."""
        regions = self.features.rows(batch).to(decoder.bias.device)  # (B, R, C)
        return self_critical_loss(
            decoder, regions, batch, self.reward, samples=self.samples, max_words=self.max_words
        )


def self_critical_loss(
    decoder: Decoder,
    regions: Tensor,
    rows: Sequence[int],
    reward: CaptionReward,
    *,
    samples: int,
    max_words: int,
) -> Tensor:
    """Loss of one batch of images, from their region features (B, R, C) and rows in the split.

    Dropout is off throughout. The samples must come from the very distribution whose gradient is
    taken: with dropout in one of them only, the baseline no longer cancels out, and the model
    unlearnt within two epochs.
    """
    decoder.eval()
    greedy = DecodingConfig(beam_size=1, max_words=max_words)
    baseline = reward(rows, search(decoder, regions, greedy).words)  # (B, 1)
    drawn = DecodingConfig(beam_size=samples, max_words=max_words)
    captions = sample(decoder, regions, drawn).clone()  # (B, K, T)
    advantage = (reward(rows, captions) - baseline).flatten()  # (N,)

    words = captions.flatten(0, 1)  # (N, T)
    steps, _ = read_captions(decoder, regions.repeat_interleave(samples, dim=0), words)
    is_word = words != Vocabulary.pad
    # Padding has no probability; its place is taken by any word that has one, and not counted.
    places = words.masked_fill(~is_word, Vocabulary.end).unsqueeze(2)  # (N, T, 1)
    chosen = steps.gather(2, places).squeeze(2)[is_word]
    weights = advantage.unsqueeze(1).expand_as(words)[is_word]
    # The mean over the processes is then that of the words of the whole batch.
    return -(weights * chosen).sum() / mean_over_processes(is_word.sum())
