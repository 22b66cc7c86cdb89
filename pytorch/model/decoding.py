"""Options for generating captions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pytorch.model.bounds import check_at_least
from pytorch.model.constraints import MOST_SETS
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

    `name_above`, `no_people_below` and `gender_above` need a model that knows what is in a picture;
    `guidance` says how they work.
    Entries of `must_say` and `must_not_say` are words in lower case; of those of a `must_say`
    entry, joined by `|`, a caption says at least one.

    Raises:
        ValueError: A number is out of range, too much must be said, or a word must be said that
            must not.
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

    grammar_rules: bool = option(
        False, "keep to simple rules of grammar, such as no word twice in a row"
    )
    name_above: float | None = option(
        None, "make captions name what the ImageNet classifier gives a probability above this"
    )
    no_people_below: float | None = option(
        None, "let captions say no word for people where people are less probable than this"
    )
    gender_above: float | None = option(
        None, "let captions say a person's gender only where it is more probable than this"
    )
    must_say: tuple[str, ...] = option(
        (), "word that captions must say, or words joined by |, any of which will do"
    )
    must_not_say: tuple[str, ...] = option((), "word that captions must not say")

    def __post_init__(self) -> None:
        check_at_least(self, 1, "beam_size", "max_words")
        check_at_least(self, 0, "length_normalization", "no_repeat_ngram")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, not {self.top_p}.")
        for name in ("name_above", "no_people_below", "gender_above"):
            threshold = getattr(self, name)
            if threshold is not None and not 0 <= threshold <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {threshold}.")
        # JSON has lists in place of tuples.
        for name in ("must_say", "must_not_say"):
            object.__setattr__(self, name, _tidy(getattr(self, name)))
        if len(self.must_say) > MOST_SETS:
            raise ValueError(
                f"must_say may have at most {MOST_SETS} entries, not {len(self.must_say)}, because "
                "the search takes twice as long with each."
            )
        for word in self.words_to_say:
            if word in self.must_not_say:
                raise ValueError(f"{word!r} is in must_say and in must_not_say. Leave out one.")

    @property
    def words_to_say(self) -> tuple[str, ...]:
        """The words of all entries of `must_say`."""
        return tuple(word for entry in self.must_say for word in entry.split("|"))


def _tidy(entries: Iterable[str]) -> tuple[str, ...]:
    """Write words joined by `|` in lower case, without spaces around them."""
    return tuple("|".join(word.strip().lower() for word in entry.split("|")) for entry in entries)
