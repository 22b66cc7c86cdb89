"""Concepts learned from captions, before the decoder is trained.

A linear layer on the mean of an image's regions predicts which concept words its captions say. The
decoder must see in training what it will see of new pictures. So its training pictures are scored
by layers that did not learn from them: each half of the pictures by the layer of the other half.

Axis letters: B images of a batch, N rows, C channels of the encoder, M concepts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from pytorch.model.captioner import Captioner
from pytorch.model.concept_weights import detector_of_tensors, detector_tensors
from pytorch.model.concepts import ConceptDetector, ConceptScores, class_word_scores
from pytorch.model.imagenet_words import ClassWords, imagenet_words
from pytorch.model.vocabulary import Vocabulary
from pytorch.training.concept_words import concept_words
from pytorch.training.layer_learning import LayerLearner, concept_learner, regions_of_rows
from pytorch.training.train_data import TrainData, tokenized_captions

STEPS, STEPS_OF_HALF = 900, 600
# A layer of fewer pictures would know less than the one of the checkpoint that is trained further.
FEWEST_PICTURES = 1000


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
    fit = partial(
        concept_learner, train, captioner.vocabulary, device=captioner.device, progress=progress
    )
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


def concepts_of(
    train: TrainData, vocabulary: Vocabulary, classes: Sequence[ClassWords], *, count: int
) -> tuple[str, ...]:
    """Choose the concept words of captions and sentences; see `concept_words`.

    Raises:
        ValueError: The captions say nothing of what is in a picture.
    """
    captions = chain(
        tokenized_captions(example for example in train.examples if not example.is_mirrored),
        *(part.data.sentences for part in train.texts),
    )
    words = concept_words(captions, vocabulary, classes, count=count)
    if not words:
        raise ValueError("No word of the captions says what is in a picture, so no concept is one.")
    return words


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
    captioner: Captioner, train: TrainData, fit: Callable[..., LayerLearner], *, count: int
) -> ConceptDetector:
    """Learn from all pictures."""
    vocabulary = captioner.vocabulary
    classifier = captioner.encoder.published_classifier()
    classes = () if classifier is None else imagenet_words()
    words = concepts_of(train, vocabulary, classes, count=count)
    numbers = vocabulary.encode(words)[1:-1]
    learner = fit(numbers)
    return ConceptDetector(
        numbers,
        layer=learner.folded(learner.layer(torch.arange(len(train)), STEPS)),
        classifier=classifier,
        class_words=None if classifier is None else class_word_scores(words, classes),
    ).to(captioner.device)


def _honest_scores(
    captioner: Captioner,
    train: TrainData,
    detector: ConceptDetector,
    fit: Callable[..., LayerLearner],
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
    learner, found = fit(detector.words), []
    for rows, others in (halves, halves[::-1]):
        of_others = ConceptDetector(
            detector.words,
            layer=learner.folded(learner.layer(others, STEPS_OF_HALF)),
            classifier=detector.classifier,
            class_words=detector.class_words,
        )
        found.append(_scores(of_others.to(captioner.device), train, rows, captioner.device))
    words, scores = (torch.cat(both) for both in zip(*found, strict=True))
    return ConceptScores(words, scores).rows(torch.cat(halves).argsort())


@torch.no_grad()
def _scores(
    detector: ConceptDetector, train: TrainData, rows: Tensor, device: torch.device
) -> ConceptScores:
    """The strongest concepts of these rows, on the CPU."""
    found = [
        detector.strongest(detector(regions.to(device))) for regions in regions_of_rows(train, rows)
    ]
    return ConceptScores(
        torch.cat([each.words.cpu() for each in found]),
        torch.cat([each.scores.cpu() for each in found]),
    )


def _pictures(train: TrainData) -> list[int]:
    """The number of the picture in each row; mirror images have that of the picture."""
    numbers: dict[tuple[int, str], int] = {}
    names = (
        (part, example.image)
        for part, split in enumerate(train.pictures)
        for example in split.data.examples
    )
    return [numbers.setdefault(name, len(numbers)) for name in names]
