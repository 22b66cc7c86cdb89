"""Fitting a captioner's confidence to how good its captions of the dev splits are.

The dev splits hold nothing but photographs. Pictures that no caption fits are added to them, so
that the confidence is low there too. What is reported was measured by cross-validation: each
caption is judged by a model that was fitted without it. The one that is kept is fitted to all.

Axis letters: N captions, E kinds of evidence, P prototypes, C channels.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from pytorch.data.features import RegionFeatures
from pytorch.data.prepared import PreparedSplit
from pytorch.evaluation.evaluate import BATCH_SIZE, as_text, cider_d_of_images, found_words
from pytorch.evaluation.goodness import GOOD_CIDER_D, is_good
from pytorch.evaluation.reliability import calibration_error, spearman, tenths
from pytorch.model.captioner import Captioner
from pytorch.model.confidence import (
    GUESSING,
    PROTOTYPES,
    ConfidenceModel,
    Familiarity,
    evidence_of,
)
from pytorch.training.negatives import negative_pictures

NEGATIVES = 160
NEGATIVES_WEIGHT = 0.1
"""The share of the negative pictures in the weight of all captions."""

FOLDS = 5
L2_PENALTY = 2.0
LEAST_DEVIATION = 1e-3
ROUNDS = 30  # of k-means
ENCODED_AT_ONCE = 4


class Judged(NamedTuple):
    """Captions, what speaks for and against them, and how good they are."""

    evidence: Tensor
    """(N, E)."""
    cider_d: Tensor
    """(N,)."""
    is_good: Tensor
    """(N,) bool."""


def calibrate(
    captioner: Captioner,
    train: RegionFeatures,
    dev: Mapping[str, PreparedSplit],
    *,
    seed: int = 1,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Give a captioner a confidence, fitted to what its own search finds for the dev splits.

    Args:
        captioner: The captioner; one that has a confidence gets another.
        train: Features of the pictures that it was trained on.
        dev: The dev splits by the names of their data sets.
        seed: Decides the prototypes, the negative pictures and the folds.
        progress: Is told what begins.

    Returns:
        What the checkpoint's metrics say of the confidence, measured by cross-validation.
    """
    progress("Learning which pictures are familiar.")
    familiarity = fitted_familiarity(_pooled(train), seed=seed)
    confidence = ConfidenceModel(evidence_of(captioner.concepts), familiarity)
    captioner.confidence = confidence.to(captioner.device)
    parts = {}
    for name, split in dev.items():
        progress(f"Captioning the dev split of {name}.")
        parts[name] = _judged_split(captioner, split)
    progress("Captioning pictures that no caption fits.")
    negatives = _judged_negatives(captioner, seed=seed)
    columns = zip(*parts.values(), negatives, strict=True)
    every = Judged(*(torch.cat(column) for column in columns))
    weights = _weights([len(part.cider_d) for part in parts.values()], len(negatives.cider_d))
    confidence.cpu()
    held_out = _held_out(confidence, every, weights, seed=seed)
    fit(confidence, every, weights)
    confidence.to(captioner.device)
    return _figures(held_out, parts, confidence)


def fitted_familiarity(pictures: Tensor, *, seed: int) -> Familiarity:
    """Learn which pictures are familiar.

    The prototypes are found by spherical k-means (Dhillon and Modha, "Concept Decompositions for
    Large Sparse Text Data Using Clustering", 2001).

    Args:
        pictures: Pooled features of the training's pictures, (N, C).
        seed: Decides where the search for prototypes begins.
    """
    familiarity = Familiarity(pictures.shape[1], min(PROTOTYPES, len(pictures)))
    familiarity.mean.copy_(pictures.mean(dim=0))
    deviation = pictures.std(dim=0, correction=0)
    familiarity.deviation.copy_(deviation.clamp(min=LEAST_DEVIATION))
    directions = familiarity.directions(pictures)  # (N, C)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(pictures), generator=generator)[: len(familiarity.prototypes)]
    prototypes = directions[chosen]  # (P, C)
    for _ in range(ROUNDS):
        nearest = (directions @ prototypes.T).argmax(dim=1)  # (N,)
        sums = torch.zeros_like(prototypes).index_add_(0, nearest, directions)
        # One that is nearest to no picture stays where it is.
        is_used = sums.any(dim=1, keepdim=True)
        prototypes = functional.normalize(sums, dim=1).where(is_used, prototypes)
    familiarity.prototypes.copy_(prototypes)
    return familiarity


def fit(confidence: ConfidenceModel, judged: Judged, weights: Tensor) -> None:
    """Fit the logistic model to the captions, by L-BFGS.

    Args:
        confidence: Gets the mean and the deviation of the evidence, the weights and the bias.
        judged: The captions.
        weights: Of each caption, (N,).
    """
    confidence.mean.copy_(judged.evidence.nanmean(dim=0))
    squares = (judged.evidence - confidence.mean).square().nanmean(dim=0)
    confidence.deviation.copy_(squares.sqrt().clamp(min=LEAST_DEVIATION))
    standardized = ((judged.evidence - confidence.mean) / confidence.deviation).nan_to_num()
    inputs = torch.cat([standardized, torch.ones(len(standardized), 1)], dim=1).double()
    coefficients = torch.zeros(inputs.shape[1], dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([coefficients], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        losses = functional.binary_cross_entropy_with_logits(
            inputs @ coefficients, judged.is_good.double(), weight=weights.double(), reduction="sum"
        )
        penalized: Tensor = losses + L2_PENALTY * coefficients[:-1].square().sum()
        penalized.backward()  # type: ignore[no-untyped-call]
        return penalized

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    confidence.weight.copy_(coefficients.detach()[:-1])
    confidence.bias.copy_(coefficients.detach()[-1])


def _pooled(features: RegionFeatures) -> Tensor:
    """Average each picture's regions, (N, C)."""
    rows = torch.split(torch.arange(len(features)), BATCH_SIZE)
    return torch.cat([features.rows(batch).mean(dim=1) for batch in rows])


def _judged_split(captioner: Captioner, split: PreparedSplit) -> Judged:
    """Caption a split, gather the evidence, and judge the captions by their references."""
    captions, evidence = [], []
    for regions, words in found_words(captioner, split.features):
        captions += as_text(captioner, words)
        evidence.append(captioner.evidence(regions, words).cpu())
    scores = cider_d_of_images(captions, split.examples)
    good = [
        is_good(caption, example.captions, score)
        for caption, example, score in zip(captions, split.examples, scores, strict=True)
    ]
    return Judged(torch.cat(evidence), torch.tensor(scores), torch.tensor(good))


def _judged_negatives(captioner: Captioner, *, seed: int) -> Judged:
    """Caption pictures that no caption fits."""
    pictures, evidence = negative_pictures(NEGATIVES, seed=seed), []
    for start in range(0, NEGATIVES, ENCODED_AT_ONCE):
        regions = captioner.encode(pictures[start : start + ENCODED_AT_ONCE])  # (B, R, C)
        words = captioner.search(regions).words[:, 0]  # (B, T)
        evidence.append(captioner.evidence(regions, words).cpu())
    nothing = torch.zeros(NEGATIVES)
    return Judged(torch.cat(evidence), nothing, nothing.bool())


def _weights(sizes: list[int], negatives: int) -> Tensor:
    """Weigh the captions of splits of these sizes, and of the negative pictures after them: (N,).

    A split weighs as the square root of its size, so that a large one does not drown a small one.
    The weights of all splits sum to their size.
    """
    total = sum(sizes)
    roots = sum(math.sqrt(size) for size in sizes)
    of_negatives = total * NEGATIVES_WEIGHT / (1 - NEGATIVES_WEIGHT)
    weights = [torch.full((size,), total / roots / math.sqrt(size)) for size in sizes]
    return torch.cat([*weights, torch.full((negatives,), of_negatives / negatives)])


def _held_out(confidence: ConfidenceModel, judged: Judged, weights: Tensor, *, seed: int) -> Tensor:
    """The confidence (N,) in each caption, of a model that was fitted to the other folds."""
    generator = torch.Generator().manual_seed(seed)
    folds = torch.randperm(len(weights), generator=generator) % FOLDS  # (N,)
    held_out = torch.zeros(len(weights))
    for fold in range(FOLDS):
        others = copy.deepcopy(confidence)
        is_other = folds != fold
        fit(others, Judged(*(column[is_other] for column in judged)), weights[is_other])
        held_out[~is_other] = others(judged.evidence[~is_other])
    return held_out


def _figures(
    held_out: Tensor, parts: Mapping[str, Judged], confidence: ConfidenceModel
) -> dict[str, Any]:
    """What metrics say of a confidence."""
    sizes = [len(part.cider_d) for part in parts.values()]
    *of_parts, of_negatives = torch.split(held_out, [*sizes, len(held_out) - sum(sizes)])
    good = torch.cat([part.is_good for part in parts.values()]).tolist()
    photographs = held_out[: sum(sizes)].tolist()
    datasets = {
        name: {
            "images": len(part.cider_d),
            "good": round(part.is_good.float().mean().item(), 4),
            "confidence": round(own.mean().item(), 4),
            "Spearman with CIDEr-D": round(spearman(own.tolist(), part.cider_d.tolist()), 4),
            "calibration error": round(calibration_error(own.tolist(), part.is_good.tolist()), 4),
        }
        for (name, part), own in zip(parts.items(), of_parts, strict=True)
    }
    return {
        "good CIDEr-D": GOOD_CIDER_D,
        "folds": FOLDS,
        "datasets": datasets,
        "calibration error": round(calibration_error(photographs, good), 4),
        "tenths": [
            {name: round(value, 4) for name, value in each._asdict().items()}
            for each in tenths(photographs, good)
        ],
        "negatives": {
            "images": len(of_negatives),
            "confidence": round(of_negatives.mean().item(), 4),
            "guessed": round((of_negatives < GUESSING).float().mean().item(), 4),
        },
        "weights": {
            name: round(weight, 4)
            for name, weight in zip(confidence.names, confidence.weight.tolist(), strict=True)
        },
    }
