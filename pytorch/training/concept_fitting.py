"""Concepts learned from captions, before the decoder is trained.

A linear layer on the mean of an image's regions predicts which concept words its captions say. The
decoder must see in training what it will see of new pictures. So its training pictures are scored
by layers that did not learn from them: each half of the pictures by the layer of the other half.

Axis letters: B images of a batch, N rows, C channels of the encoder, M concepts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import trange

from pytorch.model.captioner import Captioner
from pytorch.model.concept_weights import detector_of_tensors, detector_tensors
from pytorch.model.concepts import ConceptDetector, ConceptScores, class_word_scores, standardized
from pytorch.model.imagenet_words import imagenet_words
from pytorch.model.tokenization import tokenize
from pytorch.model.vocabulary import Vocabulary
from pytorch.training.concept_words import concept_words
from pytorch.training.train_data import TrainData, tokenized_captions

STEPS, STEPS_OF_HALF = 900, 600
BATCH_SIZE = 256
LEARNING_RATE = 1e-3
# A thousand words are learned from a few thousand pictures: without these, by heart.
WEIGHT_DECAY = 0.3
DROPOUT = 0.5
# No word is certain or impossible from the start.
LEAST_RATE, MOST_RATE = 1e-4, 0.99
LEAST_DEVIATION = 1e-3
# A layer of fewer pictures would know less than the one of the checkpoint that is trained further.
FEWEST_PICTURES = 1000
ROWS_AT_ONCE = 512


def fitted_concepts(
    captioner: Captioner, train: TrainData, *, count: int, seed: int, progress: bool = False
) -> dict[str, Any]:
    """Learn the concepts of a captioner, unless it has a detector already.

    Args:
        captioner: Has the vocabulary, and the encoder that computed the features.
        train: Has the captions, the sentences and the features.
        count: How many concepts to take, besides the names of ImageNet's classes.
        seed: Decides everything that is random.
        progress: Whether to show progress bars on stderr.

    Returns:
        The detector, and what is found in the training pictures, as tensors and plain values for
        `with_concepts`.

    Raises:
        ValueError: The captions say nothing of what is in a picture.
    """
    detector = captioner.concepts
    fit = partial(_Fitting, train, captioner, progress=progress)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if detector is None:
            detector = _new_detector(captioner, train, fit, count=count)
        scores = _honest_scores(captioner, train, detector, fit)
    return {
        "numbers": list(detector.words),
        "detector": detector_tensors(detector),
        "train": {"words": scores.words, "scores": scores.scores},
    }


def with_concepts(captioner: Captioner, train: TrainData, fitted: Mapping[str, Any]) -> TrainData:
    """Give a captioner and its training what `fitted_concepts` returned."""
    captioner.concepts = detector_of_tensors(
        fitted["numbers"],
        {name: tensor.cpu() for name, tensor in fitted["detector"].items()},
        channels=captioner.encoder.channels,
    ).to(captioner.device)
    scores = ConceptScores(**fitted["train"]).to(torch.device("cpu"))
    return dataclasses.replace(train, concepts=scores)


def _new_detector(
    captioner: Captioner, train: TrainData, fit: Callable[..., _Fitting], *, count: int
) -> ConceptDetector:
    """Learn from all pictures."""
    vocabulary = captioner.vocabulary
    classifier = captioner.encoder.published_classifier()
    classes = () if classifier is None else imagenet_words()
    captions = chain(
        tokenized_captions(example for example in train.examples if not example.is_mirrored),
        *(part.data.sentences for part in train.texts),
    )
    words = concept_words(captions, vocabulary, classes, count=count)
    if not words:
        raise ValueError("No word of the captions says what is in a picture, so no concept is one.")
    numbers = vocabulary.encode(words)[1:-1]
    return ConceptDetector(
        numbers,
        layer=fit(numbers).layer(torch.arange(len(train)), STEPS),
        classifier=classifier,
        class_words=None if classifier is None else class_word_scores(words, classes),
    ).to(captioner.device)


def _honest_scores(
    captioner: Captioner,
    train: TrainData,
    detector: ConceptDetector,
    fit: Callable[..., _Fitting],
) -> ConceptScores:
    """What detectors that did not learn from them find in the pictures, for each row.

    Where a checkpoint is trained further on few pictures, its own detector scores them.
    """
    pictures = torch.tensor(_pictures(train))  # (N,)
    count = int(pictures.max()) + 1
    if count < (2 if captioner.concepts is None else FEWEST_PICTURES):
        return _scores(detector, train, torch.arange(len(train)), captioner.device)
    order = torch.randperm(count)
    is_second = order[pictures] % 2 == 1  # (N,)
    halves = [(is_second == second).nonzero().squeeze(1) for second in (False, True)]
    fitting, found = fit(detector.words), []
    for rows, others in (halves, halves[::-1]):
        of_others = ConceptDetector(
            detector.words,
            layer=fitting.layer(others, STEPS_OF_HALF),
            classifier=detector.classifier,
            class_words=detector.class_words,
        )
        found.append(_scores(of_others.to(captioner.device), train, rows, captioner.device))
    words, scores = (torch.cat(both) for both in zip(*found, strict=True))
    return ConceptScores(words, scores).rows(torch.cat(halves).argsort())


class _Fitting:
    """Pictures and what their captions say, from which layers are learned."""

    def __init__(
        self,
        train: TrainData,
        captioner: Captioner,
        numbers: Sequence[int],
        *,
        progress: bool,
    ) -> None:
        device = captioner.device
        every = _regions(train, torch.arange(len(train)))
        pooled = torch.cat([regions.mean(dim=1) for regions in every])  # (N, C)
        self._mean = pooled.mean(dim=0)
        self._deviation = pooled.std(dim=0, correction=0) + LEAST_DEVIATION
        self._inputs = ((pooled - self._mean) / self._deviation).to(device)
        self._targets = _targets(train, captioner.vocabulary, numbers).to(device)  # (N, M)
        weights = [torch.full((len(rows.data),), float(rows.weight)) for rows in train.rows]
        self._weights = torch.cat(weights).to(device)  # (N,)
        self._progress = progress

    def layer(self, rows: Tensor, steps: int) -> nn.Linear:
        """Learn from these rows; the layer reads the mean of the regions."""
        device = self._inputs.device
        rows = rows.to(device)
        layer = nn.Linear(self._inputs.shape[1], self._targets.shape[1], device=device)
        with torch.no_grad():
            nn.init.zeros_(layer.weight)
            weights = self._weights[rows].unsqueeze(1)  # (N, 1)
            rates = (self._targets[rows] * weights).sum(dim=0) / weights.sum()  # (M,)
            layer.bias.copy_(rates.clamp(LEAST_RATE, MOST_RATE).logit())
        groups: list[dict[str, Any]] = [
            {"params": [layer.weight]},
            {"params": [layer.bias], "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        for step in trange(steps, desc="concepts", leave=False, disable=not self._progress):
            batch = rows[torch.randint(len(rows), (BATCH_SIZE,), device=device)]  # (B,)
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * (1 - step / steps)
            optimizer.zero_grad()
            self._loss(layer, batch).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return standardized(layer.cpu(), self._mean, self._deviation)

    def _loss(self, layer: nn.Linear, batch: Tensor) -> Tensor:
        """Binary cross-entropy, summed over the concepts."""
        logits = layer(functional.dropout(self._inputs[batch], DROPOUT))  # (B, M)
        losses = functional.binary_cross_entropy_with_logits(
            logits, self._targets[batch], reduction="none"
        )
        return (losses.sum(dim=1) * self._weights[batch]).mean()


def _regions(train: TrainData, rows: Tensor) -> Iterator[Tensor]:
    """The region features of these rows, some (B, R, C) at a time."""
    return map(train.features.rows, torch.split(rows, ROWS_AT_ONCE))


@torch.no_grad()
def _scores(
    detector: ConceptDetector, train: TrainData, rows: Tensor, device: torch.device
) -> ConceptScores:
    """The strongest concepts of these rows, on the CPU."""
    found = [detector.strongest(detector(regions.to(device))) for regions in _regions(train, rows)]
    return ConceptScores(
        torch.cat([each.words.cpu() for each in found]),
        torch.cat([each.scores.cpu() for each in found]),
    )


def _targets(train: TrainData, vocabulary: Vocabulary, numbers: Sequence[int]) -> Tensor:
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


def _pictures(train: TrainData) -> list[int]:
    """The number of the picture in each row; mirror images have that of the picture."""
    numbers: dict[tuple[int, str], int] = {}
    names = (
        (part, example.image)
        for part, split in enumerate(train.pictures)
        for example in split.data.examples
    )
    return [numbers.setdefault(name, len(numbers)) for name in names]
