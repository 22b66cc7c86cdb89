"""Teacher forcing: predict every word from the image and the true words before it.

Axis letters: B captions, P those with a picture, T words, R regions, C channels, S side of the
encoder's input, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from pytorch.model.captioner import Captioner
from pytorch.model.concepts import ConceptScores, ImageFeatures
from pytorch.model.imagenet_words import imagenet_words
from pytorch.model.vocabulary import Vocabulary
from pytorch.training.caption_batches import NO_PICTURE, CaptionBatch, CaptionBatches
from pytorch.training.distributed import own_shard, shard_count
from pytorch.training.objective import Objective
from pytorch.training.renamed_objects import RenamedObjects
from pytorch.training.told_concepts import Told, ToldConcepts
from pytorch.training.train_data import TrainData, Weighted
from pytorch.training.training_config import TrainingConfig

Item = TypeVar("Item")


class Shard(NamedTuple):
    """What one process reads of a batch.

    Attributes:
        inputs: The region features (P, R, C) of the captions with a picture, or, while the encoder
            is fine-tuned, their images (P, 3, S, S).
        is_pictured: Which captions have a picture, (B,).
        told: What is told of the captions' images besides their regions; None where the decoder is
            told of no concepts.
        captions: Word numbers, (B, T).
        size: The number of captions in the whole batch.
    """

    inputs: Tensor
    is_pictured: Tensor
    told: Told | None
    captions: Tensor
    size: int


class TeacherForcing(Objective):
    """The first objective: the log-probability of the reference captions.

    While the captioner's encoder is fine-tuned, every batch reads the images themselves and
    encodes them; otherwise it reads their precomputed features.
    """

    def __init__(self, captioner: Captioner, train: TrainData, config: TrainingConfig) -> None:
        super().__init__(captioner)
        self.encodes = bool(captioner.encoder.trainable_parameters())
        self.name = "fine-tuning" if self.encodes else "teacher forcing"
        self.train_data = train
        self.caption_batches = CaptionBatches(
            [Weighted(part.data.examples, part.weight) for part in train.pictures],
            captioner.vocabulary,
            texts=train.texts,
            batch_size=config.batch_size,
            seed=config.seed,
        )
        self.mean_words = self.caption_batches.mean_words
        self.telling: tuple[RenamedObjects, ToldConcepts] | None = None
        if train.concepts is not None and captioner.concepts is not None:
            self.telling = (
                RenamedObjects(captioner.vocabulary, imagenet_words(), seed=config.seed),
                ToldConcepts(
                    train.concepts,
                    captioner.concepts.words,
                    self.caption_batches.word_counts,
                    seed=config.seed,
                ),
            )
        self.label_smoothing = config.label_smoothing
        self.attention_penalty = config.attention_penalty

    def __len__(self) -> int:
        return len(self.caption_batches)

    def batches(self, epoch: int) -> Iterator[Shard]:
        """This process's shard of each batch."""
        return one_ahead(
            self._shard(batch, epoch) for batch in self.caption_batches.of_epoch(epoch)
        )

    def forward(self, batch: Shard) -> Tensor:
        """Loss of one shard, a scalar."""
        device = self.captioner.device
        captions = batch.captions.to(device)
        logits, attention = self.captioner.decoder(self._images(batch), captions[:, :-1])
        return caption_loss(
            logits,
            captions[:, 1:],
            attention,
            mean_words=self.mean_words / shard_count(batch.size),
            mean_captions=batch.size / shard_count(batch.size),
            label_smoothing=self.label_smoothing,
            attention_penalty=self.attention_penalty,
        )

    def _shard(self, batch: CaptionBatch, epoch: int) -> Shard:
        told = None
        if self.telling is not None:
            renamed_objects, told_concepts = self.telling
            batch, renamed = renamed_objects.of_batch(batch, epoch)
            told = own_told(told_concepts.of_batch(batch, epoch, renamed))
        rows = own_shard(batch.rows.tolist())
        pictured = [row for row in rows if row != NO_PICTURE]
        if self.encodes:
            inputs = self.train_data.pixels(pictured, self.captioner.encoder.preprocessing)
        else:
            inputs = self.train_data.features.rows(pictured)
        return Shard(
            inputs=inputs,
            is_pictured=torch.tensor(rows) != NO_PICTURE,
            told=told,
            captions=own_shard(batch.words),
            size=len(batch.rows),
        )

    def _images(self, batch: Shard) -> ImageFeatures:
        """What the decoder is told of the images of a shard."""
        regions = self._regions(batch)
        if batch.told is None:
            return self.captioner.image_features(regions)
        concepts, shown = batch.told
        return ImageFeatures(regions, concepts.to(regions.device), shown.to(regions.device))

    def _regions(self, batch: Shard) -> Tensor:
        """The region features of a shard, (B, R, C); zeros for what has no picture."""
        inputs = batch.inputs.to(self.captioner.device)
        regions: Tensor = self.captioner.encoder(inputs) if self.encodes else inputs  # (P, R, C)
        if len(regions) == len(batch.captions):
            return regions
        every = regions.new_zeros(len(batch.captions), *regions.shape[1:])
        return every.index_put((batch.is_pictured.to(regions.device),), regions)  # (B, R, C)


def own_told(told: Told) -> Told:
    """This process's shard of what is told of a batch."""
    words, scores = map(own_shard, told.concepts)
    return Told(ConceptScores(words, scores), own_shard(told.shown))


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
