"""How well confidences foretell the quality of captions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

BINS = 10


class Bin(NamedTuple):
    """The captions whose confidence lies in one tenth of 0 to 1.

    Attributes:
        least: The lower end of the tenth.
        captions: How many there are.
        confidence: Their confidence on average; 0 if there are none.
        good: The share of good ones; 0 if there are none.
    """

    least: float
    captions: int
    confidence: float
    good: float


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Compute the rank correlation of paired values; 0 if one of them is the same everywhere.

    Spearman, "The Proof and Measurement of Association between Two Things", 1904: the correlation
    of the ranks. Equal values share the mean of their ranks.

    Raises:
        ValueError: The numbers of values differ.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values cannot be paired.")
    ranks = [_ranks(values) for values in (first, second)]
    centred = [values - values.mean() for values in ranks if len(values)]
    if not all(values.any() for values in centred) or not centred:
        return 0.0
    norms = [math.sqrt(values @ values) for values in centred]
    return float(centred[0] @ centred[1]) / (norms[0] * norms[1])


def tenths(confidences: Sequence[float], good: Sequence[bool]) -> list[Bin]:
    """Count the captions and the good ones among them by tenths of the confidence."""
    bins = []
    places = [min(int(confidence * BINS), BINS - 1) for confidence in confidences]
    for number in range(BINS):
        rows = [row for row, place in enumerate(places) if place == number]
        count = len(rows) or 1
        confidence = sum(confidences[row] for row in rows) / count
        bins.append(
            Bin(number / BINS, len(rows), confidence, sum(good[row] for row in rows) / count)
        )
    return bins


def calibration_error(confidences: Sequence[float], good: Sequence[bool]) -> float:
    """Compute the expected calibration error with ten bins; 0 if there are no captions.

    Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015: how far
    the share of good captions in a bin lies from their mean confidence, averaged over captions.
    """
    errors = (
        each.captions * abs(each.confidence - each.good) for each in tenths(confidences, good)
    )
    return sum(errors) / max(1, len(confidences))


def _ranks(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """The rank of each value, counted from 0; equal values have the mean of theirs."""
    _, places, counts = np.unique(
        np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True
    )
    ends = counts.cumsum()
    means = (ends - counts + ends - 1) / 2
    ranks: npt.NDArray[np.float64] = means[places]
    return ranks
