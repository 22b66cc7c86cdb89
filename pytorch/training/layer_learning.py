"""Layers that learn what the captions of pictures say.

Axis letters: B images of a batch, N rows, R regions, C channels of the encoder, M concepts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import trange

from pytorch.model.concepts import STRONGEST, standardized
from pytorch.model.tokenization import tokenize
from pytorch.model.vocabulary import Vocabulary
from pytorch.training.train_data import TrainData

BATCH_SIZE = 256
LEARNING_RATE = 1e-3
# A thousand words are learned from a few thousand pictures: without these, by heart.
WEIGHT_DECAY = 0.3
DROPOUT = 0.5
# No word is certain or impossible from the start.
LEAST_RATE, MOST_RATE = 1e-4, 0.99
LEAST_DEVIATION = 1e-3
ROWS_AT_ONCE = 512
ENOUGH = 0.399  # two of five captions, in floating point


class LayerLearner:
    """Learns linear layers from what is seen in pictures to what their captions say.

    Args:
        inputs: What is seen in each row, (N, C); it is standardised.
        targets: The share of each row's captions that say each concept, (N, M).
        weights: Of the rows, (N,).
        device: Where to learn.
        weight_decay: Of the layer's weights.
        least_deviation: Inputs that vary less are divided by this.
        progress: Whether to show progress bars on stderr.
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        weights: Tensor,
        *,
        device: torch.device,
        weight_decay: float = WEIGHT_DECAY,
        least_deviation: float = LEAST_DEVIATION,
        progress: bool = False,
    ) -> None:
        self._mean = inputs.mean(dim=0)
        self._deviation = inputs.std(dim=0, correction=0).clamp(min=least_deviation)
        self._inputs = ((inputs - self._mean) / self._deviation).to(device)
        self._targets = targets.to(device)
        self._weights = weights.to(device)
        self._weight_decay = weight_decay
        self._progress = progress

    def layer(self, rows: Tensor, steps: int) -> nn.Linear:
        """Learn from these rows, for inputs that are standardised."""
        device = self._inputs.device
        rows = rows.to(device)
        layer = nn.Linear(self._inputs.shape[1], self._targets.shape[1], device=device)
        with torch.no_grad():
            nn.init.zeros_(layer.weight)
            weights = self._weights[rows].unsqueeze(1)  # (N, 1)
            rates = (self._targets[rows] * weights).sum(dim=0) / weights.sum()  # (M,)
            layer.bias.copy_(rates.clamp(LEAST_RATE, MOST_RATE).logit())
        optimizer = torch.optim.AdamW(
            weights_and_bias(layer), lr=LEARNING_RATE, weight_decay=self._weight_decay
        )
        for step in trange(steps, desc="concepts", leave=False, disable=not self._progress):
            batch = rows[torch.randint(len(rows), (BATCH_SIZE,), device=device)]  # (B,)
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * (1 - step / steps)
            optimizer.zero_grad()
            loss = self._loss(layer, self._inputs[batch], batch)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return layer

    def loss(self, layer: nn.Linear, pooled: Tensor, rows: Tensor) -> Tensor:
        """Compute how badly a layer predicts the concepts of rows.

        Args:
            layer: For inputs that are standardised.
            pooled: The mean of the regions of the B rows' images, (B, C).
            rows: (B,)

        Returns:
            The binary cross-entropy, summed over the concepts; of the rows the mean, weighted as
            their data sets are.
        """
        mean, deviation = self._mean.to(pooled.device), self._deviation.to(pooled.device)
        return self._loss(layer, (pooled - mean) / deviation, rows)

    def folded(self, layer: nn.Linear) -> nn.Linear:
        """Return the layer, on the CPU, that gives the same for inputs as they are."""
        return standardized(layer.cpu(), self._mean, self._deviation)

    def _loss(self, layer: nn.Linear, inputs: Tensor, rows: Tensor) -> Tensor:
        logits = layer(functional.dropout(inputs, DROPOUT))  # (B, M)
        losses = functional.binary_cross_entropy_with_logits(
            logits, self._targets[rows], reduction="none"
        )
        return (losses.sum(dim=1) * self._weights[rows]).mean()


def concept_learner(
    train: TrainData,
    vocabulary: Vocabulary,
    numbers: Sequence[int],
    *,
    device: torch.device,
    weight_decay: float = WEIGHT_DECAY,
    progress: bool = False,
) -> LayerLearner:
    """Learn layers from the mean of an image's regions to the concepts of these numbers."""
    return LayerLearner(
        pooled_regions(train),
        said_concepts(train, vocabulary, numbers),
        row_weights(train),
        device=device,
        weight_decay=weight_decay,
        progress=progress,
    )


def row_weights(train: TrainData) -> Tensor:
    """The weight of each row's data set, (N,)."""
    weights = [torch.full((len(rows.data),), float(rows.weight)) for rows in train.rows]
    return torch.cat(weights)


def weights_and_bias(layer: nn.Linear) -> list[dict[str, Any]]:
    """Parameter groups of a layer: a rare word's bias is its rate, and must not decay."""
    return [{"params": [layer.weight]}, {"params": [layer.bias], "weight_decay": 0.0}]


def regions_of_rows(train: TrainData, rows: Tensor) -> Iterator[Tensor]:
    """The region features of these rows, some (B, R, C) at a time."""
    return map(train.features.rows, torch.split(rows, ROWS_AT_ONCE))


def pooled_regions(train: TrainData) -> Tensor:
    """The mean of each row's regions, (N, C)."""
    every = regions_of_rows(train, torch.arange(len(train)))
    return torch.cat([regions.mean(dim=1) for regions in every])  # (N, C)


def said_concepts(train: TrainData, vocabulary: Vocabulary, numbers: Sequence[int]) -> Tensor:
    """For each row the share of its captions that say each concept, (N, M)."""
    column = {vocabulary.words[number]: place for place, number in enumerate(numbers)}
    targets = torch.zeros(len(train), len(numbers))
    places, shares = [], []
    for row, example in enumerate(train.examples):
        for caption in example.captions:
            said = {column[word] for word in tokenize(caption) if word in column}
            places += [(row, place) for place in said]
            shares += [1 / len(example.captions)] * len(said)
    if places:
        targets.index_put_(tuple(torch.tensor(places).T), torch.tensor(shares), accumulate=True)
    return targets


def recall(layer: nn.Linear, pooled: Tensor, said: Tensor) -> float:
    """Compute which share of what captions say a layer finds.

    Args:
        layer: From the mean of an image's regions to logits of the concepts.
        pooled: The mean of each row's regions, (N, C).
        said: For each row the share of its captions that say each concept, (N, M).

    Returns:
        Of the concepts that are said in at least two of five captions, the share that is among the
        strongest ones, of which a decoder is told.
    """
    with torch.no_grad():
        strongest = layer(pooled).topk(min(STRONGEST, said.shape[1]), dim=1).indices  # (N, 14)
    wanted = said >= ENOUGH
    return float(wanted.gather(1, strongest).sum() / wanted.sum().clamp(min=1))
