"""Teacher forcing: predict every word from the image and the true words before it.

Axis letters: B captions, T words, R regions, C channels, V vocabulary.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from pytorch.data.datasets import Example
from pytorch.data.prepared import PreparedSplit
from pytorch.model.captioner import Captioner
from pytorch.model.tokenization import tokenize
from pytorch.model.vocabulary import Vocabulary
from pytorch.training.distributed import own_shard, shard_count
from pytorch.training.objective import Objective
from pytorch.training.training_config import TrainingConfig

# Captions are sorted by length within so many batches: enough to leave little padding, and few
# enough to keep the batches mixed.
BATCHES_SORTED_TOGETHER = 50

Item = TypeVar("Item")


class CaptionBatches:
    """Captions as word numbers, in batches of similar length.

    The batches of an epoch depend on the seed and the number of the epoch only.
    """

    def __init__(
        self, examples: Sequence[Example], vocabulary: Vocabulary, *, batch_size: int, seed: int
    ) -> None:
        self.pairs = [
            (row, torch.tensor(vocabulary.encode(tokenize(caption))))
            for row, example in enumerate(examples)
            for caption in example.captions
        ]
        self.batch_size = batch_size
        self.seed = seed

    def __len__(self) -> int:
        return math.ceil(len(self.pairs) / self.batch_size)

    @property
    def mean_words(self) -> float:
        """Mean number of words to predict in a batch, `<end>` included."""
        return sum(len(caption) - 1 for _, caption in self.pairs) / len(self)

    def of_epoch(self, epoch: int) -> Iterator[tuple[list[int], Tensor]]:
        """The rows of a batch's images, and its captions (B, T) with `<pad>` at the end."""
        shuffler = random.Random(f"{self.seed}-{epoch}")  # noqa: S311
        pairs = shuffler.sample(self.pairs, len(self.pairs))
        together = self.batch_size * BATCHES_SORTED_TOGETHER
        batches = []
        for start in range(0, len(pairs), together):
            chunk = sorted(pairs[start : start + together], key=lambda pair: len(pair[1]))
            batches += [
                chunk[first : first + self.batch_size]
                for first in range(0, len(chunk), self.batch_size)
            ]
        shuffler.shuffle(batches)
        for batch in batches:
            rows = [row for row, _ in batch]
            captions = [caption for _, caption in batch]
            yield rows, pad_sequence(captions, batch_first=True, padding_value=Vocabulary.pad)


class TeacherForcing(Objective):
    """The first objective: the log-probability of the reference captions.

    While the captioner's encoder is fine-tuned, every batch reads the images themselves and
    encodes them; otherwise it reads their precomputed features.
    """

    def __init__(self, captioner: Captioner, train: PreparedSplit, config: TrainingConfig) -> None:
        super().__init__(captioner)
        self.encodes = bool(captioner.encoder.trainable_parameters())
        self.name = "fine-tuning" if self.encodes else "teacher forcing"
        self.train_split = train
        self.caption_batches = CaptionBatches(
            train.examples,
            captioner.vocabulary,
            batch_size=config.batch_size,
            seed=config.seed,
        )
        self.mean_words = self.caption_batches.mean_words
        self.label_smoothing = config.label_smoothing
        self.attention_penalty = config.attention_penalty

    def __len__(self) -> int:
        return len(self.caption_batches)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, int]]:
        """This process's shard of each batch, and how many captions the whole batch has.

        A shard is features (B, R, C), or images (B, 3, S, S), and word numbers (B, T).
        """
        return one_ahead(
            (self._read(own_shard(rows)), own_shard(captions), len(rows))
            for rows, captions in self.caption_batches.of_epoch(epoch)
        )

    def forward(self, batch: tuple[Tensor, Tensor, int]) -> Tensor:
        """Loss of one shard, a scalar."""
        inputs, captions, size = batch
        device = self.captioner.device
        inputs, captions = inputs.to(device), captions.to(device)
        regions = self.captioner.encoder(inputs) if self.encodes else inputs  # (B, R, C)
        image = self.captioner.image_features(regions)
        logits, attention = self.captioner.decoder(image, captions[:, :-1])
        return caption_loss(
            logits,
            captions[:, 1:],
            attention,
            mean_words=self.mean_words / shard_count(size),
            mean_captions=size / shard_count(size),
            label_smoothing=self.label_smoothing,
            attention_penalty=self.attention_penalty,
        )

    def _read(self, rows: Sequence[int]) -> Tensor:
        if self.encodes:
            return self.train_split.pixels(rows, self.captioner.encoder.preprocessing)
        return self.train_split.features.rows(rows)


def one_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The items; while one is in use, a thread makes the next."""
    remaining = iter(items)
    with ThreadPoolExecutor(max_workers=1) as pool:
        upcoming = pool.submit(next, remaining, None)
        while (item := upcoming.result()) is not None:
            upcoming = pool.submit(next, remaining, None)
            yield item


def caption_loss(
    logits: Tensor,
    targets: Tensor,
    attention: Tensor | None,
    *,
    mean_words: float,
    mean_captions: float,
    label_smoothing: float,
    attention_penalty: float,
) -> Tensor:
    """Cross-entropy per word, plus the doubly stochastic attention term.

    The term encourages the attention to each region to sum to 1 over the caption (Xu et al.,
    "Show, Attend and Tell", 2015, section 4.2.1).

    The sum over the words is divided by the words of an average batch, not of this one. The
    captions of a batch are about equally long, so a division by its own words would give the words
    of short captions more weight, and the model would learn to end too early.

    Args:
        logits: (B, T, V).
        targets: The words to predict, (B, T), with `<pad>` at the end.
        attention: Attention weights (B, T, R), if the injection has them.
        mean_words: Words to predict in an average batch.
        mean_captions: Captions in the batch.
        label_smoothing: Probability spread evenly over all words.
        attention_penalty: Weight of the attention term.

    Returns:
        A scalar.
    """
    loss = functional.cross_entropy(
        logits.flatten(0, 1),
        targets.flatten(),
        ignore_index=Vocabulary.pad,
        label_smoothing=label_smoothing,
        reduction="sum",
    )
    loss = loss / mean_words
    if attention is None:
        return loss
    is_word = (targets != Vocabulary.pad).unsqueeze(2)  # (B, T, 1)
    received = (attention * is_word).sum(dim=1)  # (B, R)
    unevenness = (1 - received).square().mean(dim=1).sum() / mean_captions
    return loss + attention_penalty * unevenness
