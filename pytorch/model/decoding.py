"""Options for generating captions."""

from __future__ import annotations

from dataclasses import dataclass

from pytorch.model.bounds import check_at_least
from pytorch.model.options import option


@dataclass(frozen=True)
class DecodingConfig:
    """Options for generating captions; a checkpoint carries those that it was tuned with.

    A candidate's score is its log-probability divided by its number of words, `<end>` included,
    to the power `length_normalization`: 0 favours short captions, 1 compares the mean
    log-probability of a word.

    With `top_p`, candidates are sampled: every word is drawn from the nucleus, the smallest set of
    most probable words that together reach that probability (Holtzman et al., "The Curious Case of
    Neural Text Degeneration", 2020). The same `sampling_seed` gives an image the same captions,
    whatever else is in the batch.

    Raises:
        ValueError: A number is out of range.
    """

    beam_size: int = option(3, "candidates that beam search keeps at every word")
    max_words: int = option(24, "most words in a caption")
    length_normalization: float = option(
        0.0, "power of the number of words that divides a candidate's log-probability"
    )
    no_repeat_ngram: int = option(0, "forbid repeated n-grams of this length; 0 allows them")
    top_p: float | None = option(
        None, "sample from the most probable words that together reach this, without beam search"
    )
    sampling_seed: int = option(0, "seed of the sampling with top_p")

    def __post_init__(self) -> None:
        check_at_least(self, 1, "beam_size", "max_words")
        check_at_least(self, 0, "length_normalization", "no_repeat_ngram")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, not {self.top_p}.")
