"""Teacher-forced training of a decoder on the region features of a frozen encoder.

Axis letters: B captions, T words, R regions, C channels, V vocabulary.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from pytorch.captioner import Captioner
from pytorch.datasets import Example
from pytorch.evaluation import evaluate
from pytorch.features import RegionFeatures
from pytorch.tokenization import tokenize
from pytorch.vocabulary import Vocabulary

# How many batches are sorted by length together: enough that little padding is left, few enough
# that batches stay mixed.
BATCHES_SORTED_TOGETHER = 50


class TrainingError(Exception):
    """Training cannot go on; the message says why and what to do."""


@dataclass(frozen=True)
class TrainingConfig:
    """The recipe, apart from the model's own shape.

    The learning rate is `learning_rate` for the first `full_rate_epochs`, and is then halved
    every second epoch. Training stops after `epochs`, or once the dev score has not risen for
    `patience` epochs.
    """

    epochs: int = 15
    batch_size: int = 64
    learning_rate: float = 1e-3
    full_rate_epochs: int = 5
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    gradient_norm: float = 5.0
    attention_penalty: float = 1.0
    patience: int = 3
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}.")

    def rate_in(self, epoch: int) -> float:
        """Learning rate in `epoch`, counted from 1."""
        halvings = max(0, math.ceil((epoch - self.full_rate_epochs) / 2))
        return self.learning_rate * 0.5**halvings


@dataclass(frozen=True)
class SplitData:
    """A split's examples with the region features of their images, in the same order."""

    examples: tuple[Example, ...]
    features: RegionFeatures


@dataclass(frozen=True)
class EpochResult:
    """What one epoch cost and brought."""

    epoch: int
    loss: float
    scores: dict[str, float]
    training_seconds: float
    evaluation_seconds: float
    is_best: bool


class CaptionBatches:
    """Encoded captions in batches of similar length, shuffled anew but reproducibly each epoch."""

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

    def of_epoch(self, epoch: int) -> Iterator[tuple[list[int], Tensor]]:
        """Rows of the images, and their captions as word numbers (B, T), `<pad>` at the end."""
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


def caption_loss(
    logits: Tensor, targets: Tensor, attention: Tensor | None, config: TrainingConfig
) -> Tensor:
    """Mean cross-entropy per word, plus the doubly stochastic attention term.

    `logits` (B, T, V), `targets` (B, T), `attention` (B, T, R) or None. The term asks that every
    region be looked at over the whole caption (Xu et al. 2015, section 4.2.1).
    """
    loss = functional.cross_entropy(
        logits.flatten(0, 1),
        targets.flatten(),
        ignore_index=Vocabulary.pad,
        label_smoothing=config.label_smoothing,
    )
    if attention is None:
        return loss
    is_word = (targets != Vocabulary.pad).unsqueeze(2)  # (B, T, 1)
    looked = (attention * is_word).sum(dim=1)  # (B, R)
    return loss + config.attention_penalty * (1 - looked).square().mean()


class Trainer:
    """Runs the epochs of one training, evaluating on the dev split after each."""

    def __init__(
        self, captioner: Captioner, *, train: SplitData, dev: SplitData, config: TrainingConfig
    ) -> None:
        self.captioner = captioner
        self.train_data = train
        self.dev_data = dev
        self.config = config
        self.batches = CaptionBatches(
            train.examples, captioner.vocabulary, batch_size=config.batch_size, seed=config.seed
        )
        self.optimizer = torch.optim.AdamW(
            captioner.decoder.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )

    def run(
        self, on_epoch: Callable[[EpochResult], None], *, progress: bool = False
    ) -> EpochResult:
        """Train to the end and return the best epoch by CIDEr-D on dev.

        `on_epoch` is called after each, while the captioner holds that epoch's weights. Raises
        TrainingError where the loss is not finite.
        """
        torch.manual_seed(self.config.seed)
        best: EpochResult | None = None
        epoch = 0
        while best is None or (
            epoch < self.config.epochs and epoch - best.epoch < self.config.patience
        ):
            epoch += 1
            result = self._run_epoch(epoch, best, progress=progress)
            best = result if best is None or result.is_best else best
            on_epoch(result)
        return best

    def _run_epoch(self, epoch: int, best: EpochResult | None, *, progress: bool) -> EpochResult:
        start = time.perf_counter()
        loss = self.train_one_epoch(epoch, progress=progress)
        trained = time.perf_counter()
        scores = evaluate(
            self.captioner, self.dev_data.features, self.dev_data.examples, progress=progress
        ).scores
        return EpochResult(
            epoch=epoch,
            loss=loss,
            scores=scores,
            training_seconds=trained - start,
            evaluation_seconds=time.perf_counter() - trained,
            is_best=best is None or scores["CIDEr-D"] > best.scores["CIDEr-D"],
        )

    def train_one_epoch(self, epoch: int, *, progress: bool = False) -> float:
        """One pass over the captions; returns the mean loss of its batches."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate_in(epoch)
        self.captioner.decoder.train()
        total = 0.0
        batches = tqdm(
            self.batches.of_epoch(epoch),
            f"epoch {epoch}",
            total=len(self.batches),
            leave=False,
            disable=not progress,
        )
        for number, (rows, captions) in enumerate(batches, start=1):
            loss = self._train_on(rows, captions.to(self.captioner.device))
            if not math.isfinite(loss):
                raise TrainingError(
                    f"The loss became {loss} in batch {number} of epoch {epoch}. "
                    "Try a lower learning rate."
                )
            total += loss
            batches.set_postfix(loss=f"{total / number:.3f}", refresh=False)
        self.captioner.decoder.eval()
        return total / len(self.batches)

    def _train_on(self, rows: list[int], captions: Tensor) -> float:
        """One step of the optimizer on captions (B, T) of the images in `rows`."""
        decoder = self.captioner.decoder
        regions = self.train_data.features.rows(rows).to(captions.device)  # (B, R, C)
        logits, attention = decoder(regions, captions[:, :-1])
        loss = caption_loss(logits, captions[:, 1:], attention, self.config)
        self.optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(decoder.parameters(), self.config.gradient_norm)
        self.optimizer.step()
        return loss.item()
