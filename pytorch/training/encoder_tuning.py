"""Tuning: the encoder's last layers learn what captions say, before there is a decoder.

A classifier of ImageNet's classes knows a thousand things that few captions name, and must go on
knowing them. So what it says of each picture may not move far from what it said before (Li and
Hoiem, "Learning without Forgetting", 2016).

Axis letters: B images of a batch, N rows, C channels of the encoder, S side of its input.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from pytorch.model.bounds import check_at_least
from pytorch.model.encoder_weights import EncoderError
from pytorch.model.encoders import Encoder
from pytorch.model.imagenet_words import imagenet_words
from pytorch.model.options import option
from pytorch.model.vocabulary import Vocabulary
from pytorch.training.concept_fitting import concepts_of
from pytorch.training.data_sets import DataSets
from pytorch.training.layer_learning import (
    concept_learner,
    pooled_regions,
    recall,
    said_concepts,
    weights_and_bias,
)
from pytorch.training.run_config import ModelConfig, StartConfig
from pytorch.training.schedules import cosine, warm_up
from pytorch.training.start import new_vocabulary
from pytorch.training.teacher_forcing import one_ahead
from pytorch.training.train_data import TrainData, Weighted

# A layer that knows the training pictures by heart has nothing left to teach the encoder.
HEAD_STEPS, HEAD_DECAY_AT_FIRST = 300, 3.0
HEAD_LEARNING_RATE = 3e-4
WEIGHT_DECAY, HEAD_WEIGHT_DECAY = 0.01, 1.0
MAX_GRAD_NORM = 20.0
WARM_UP_STEPS = 50
STEPS_BETWEEN_REPORTS = 50


@dataclass(frozen=True)
class TuningConfig:
    """Options of tuning an encoder.

    Raises:
        ValueError: A number is out of range.
    """

    tune_from: str = option("layer4", "first layer of the encoder to tune")
    tuning_epochs: int = option(1, "how often to see each picture, and each mirror image")
    batch_size: int = option(24, "pictures in a batch")
    learning_rate: float = option(2e-4, "the encoder's highest learning rate")
    faithfulness: float = option(
        4.0, "weight of the divergence from the probabilities of ImageNet's classes before"
    )
    seed: int = option(1, "seed of the order of the pictures and of dropout")

    def __post_init__(self) -> None:
        check_at_least(self, 1, "tuning_epochs", "batch_size")
        check_at_least(self, 0, "learning_rate", "faithfulness")


class _Batch(NamedTuple):
    rows: Tensor
    pixels: Tensor


def tuned_encoder(
    datasets: DataSets,
    model: ModelConfig,
    config: TuningConfig,
    start: StartConfig,
    *,
    cache_dir: Path,
    device: torch.device,
    report: Callable[[str], None],
    progress: bool = False,
) -> Encoder:
    """Get an encoder with published weights, tune it, and report what that brought on dev.

    Args:
        datasets: What to learn from.
        model: Names the encoder.
        config: The options of the tuning.
        start: Says which words are learned; its other options have no effect.
        cache_dir: The folder of the feature cache.
        device: Where to compute.
        report: Told how far the tuning is, and what it brought.
        progress: Whether to show progress bars on stderr.

    Raises:
        DatasetError, EncoderError, OSError: See `DataSets.prepared` and `tune_encoder`.
    """
    encoder = Encoder(model.encoder, grid_size=model.grid_size)
    encoder.load_pretrained()
    encoder.layers_from(config.tune_from)  # refuses an unknown layer early
    usable, train, dev = datasets.prepared(
        encoder, cache_dir, device=device, flip=True, progress=progress
    )
    vocabulary = new_vocabulary(start, usable)
    concepts = concepts_of(train, vocabulary, imagenet_words(), count=start.concepts)
    before, after = tune_encoder(
        encoder, train, vocabulary, concepts, config, device=device, report=report
    )
    numbers = vocabulary.encode(list(concepts))[1:-1]
    for name, split in dev.items():
        old = TrainData((Weighted(split),))
        new = old.encoded_by(encoder, cached=False, device=device, progress=progress)
        said = said_concepts(old, vocabulary, numbers)  # (N, M)
        report(
            f"{name}  recall of what is said {recall(before, pooled_regions(old), said):.3f} before"
            f"  {recall(after, pooled_regions(new), said):.3f} after"
        )
    return encoder


def tune_encoder(
    encoder: Encoder,
    train: TrainData,
    vocabulary: Vocabulary,
    concepts: tuple[str, ...],
    config: TuningConfig,
    *,
    device: torch.device,
    report: Callable[[str], None] = lambda _: None,
) -> tuple[nn.Linear, nn.Linear]:
    """Tune an encoder's last layers, in place.

    Args:
        encoder: With published weights.
        train: Has the captions, the pictures, and the features of the encoder as it is.
        vocabulary: The decoder's words.
        concepts: The words to learn, all in the vocabulary.
        config: The options.
        device: Where to compute.
        report: Told how far the tuning is.

    Returns:
        The layers from the mean of an image's regions to logits of the concepts that were learned
        before the tuning and in it.

    Raises:
        EncoderError: There is no such layer, or the weights have no classifier.
        ImageError: An image can no longer be read.
    """
    classifier = _classifier(encoder).to(device)
    torch.manual_seed(config.seed)
    numbers = vocabulary.encode(list(concepts))[1:-1]
    learner = concept_learner(
        train, vocabulary, numbers, device=device, weight_decay=HEAD_DECAY_AT_FIRST
    )
    head = learner.layer(torch.arange(len(train)), HEAD_STEPS)
    untuned = learner.folded(copy.deepcopy(head))
    before = pooled_regions(train)  # (N, C)
    encoder.to(device).fine_tune_from(config.tune_from)
    optimizer = _optimizer(encoder, head, config)
    rates = [group["lr"] for group in optimizer.param_groups]
    steps = config.tuning_epochs * -(-len(train) // config.batch_size)
    for step, batch in enumerate(one_ahead(_batches(train, encoder, config))):
        factor = cosine(done=step, epochs=steps) * warm_up(done=step, warm_up_epochs=WARM_UP_STEPS)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        rows = batch.rows.to(device)
        pooled = encoder(batch.pixels.to(device)).mean(dim=1)  # (B, C)
        missed = learner.loss(head, pooled, rows)
        moved = _divergence(classifier, pooled, before[batch.rows].to(device))
        optimizer.zero_grad()
        loss = missed + config.faithfulness * moved
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(encoder.trainable_parameters(), MAX_GRAD_NORM)
        optimizer.step()
        if (step + 1) % STEPS_BETWEEN_REPORTS == 0 or step + 1 == steps:
            report(f"step {step + 1} of {steps}  loss {missed:.3f}  divergence {moved:.3f}")
    encoder.requires_grad_(requires_grad=False)
    return untuned, learner.folded(head)


def _classifier(encoder: Encoder) -> nn.Linear:
    """The published classifier, frozen."""
    classifier = encoder.published_classifier()
    if classifier is None:
        raise EncoderError(
            f"The weights of {encoder.name} have no linear classifier of ImageNet's classes, so "
            "tuning could not keep what it knows. Choose another encoder."
        )
    return classifier.requires_grad_(requires_grad=False)


def _divergence(classifier: nn.Linear, pooled: Tensor, before: Tensor) -> Tensor:
    """How far the probabilities of the classes are from those before, both from (B, C)."""
    return functional.kl_div(
        classifier(pooled).log_softmax(dim=1),
        classifier(before).softmax(dim=1),
        reduction="batchmean",
    )


def _optimizer(encoder: Encoder, head: nn.Linear, config: TuningConfig) -> torch.optim.Optimizer:
    """AdamW for the encoder's trainable layers and the layer that learns the words."""
    groups: list[dict[str, Any]] = [
        {"params": encoder.trainable_parameters(), "weight_decay": WEIGHT_DECAY},
        *(
            {"lr": HEAD_LEARNING_RATE, "weight_decay": HEAD_WEIGHT_DECAY, **group}
            for group in weights_and_bias(head)
        ),
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def _batches(train: TrainData, encoder: Encoder, config: TuningConfig) -> Iterator[_Batch]:
    """All rows in random order, as often as there are epochs."""
    generator = torch.Generator().manual_seed(config.seed)
    for _ in range(config.tuning_epochs):
        order = torch.randperm(len(train), generator=generator)  # (N,)
        for rows in torch.split(order, config.batch_size):
            pixels = train.pixels(rows.tolist(), encoder.preprocessing)  # (B, 3, S, S)
            yield _Batch(rows, pixels.contiguous(memory_format=torch.channels_last))
