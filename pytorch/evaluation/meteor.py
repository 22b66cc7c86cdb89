"""METEOR without Java, from exact and stemmed matches alone.

Banerjee and Lavie, "METEOR: An Automatic Metric for MT Evaluation with Improved Correlation with
Human Judgments", 2005, with the weights and parameters that version 1.5 has for English (Denkowski
and Lavie, "Meteor Universal", 2014). That version, a Java program, also matches synonyms and
paraphrases, from tables of many megabytes, and so scores a little higher.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from nltk.stem.snowball import SnowballStemmer

ALPHA = 0.85  # how much recall counts for more than precision
BETA = 0.2  # how the penalty grows with fragmentation
GAMMA = 0.6  # the penalty at most
CONTENT_WEIGHT, FUNCTION_WEIGHT = 3, 1  # delta = 0.75
STEM_WEIGHT = 0.6  # of a match that only the stems make; an exact match weighs 1
BEAM_SIZE = 40  # partial alignments kept at every word, as in version 1.5

# Version 1.5 takes the words that are more than a thousandth of English text. These are much the
# same: its most common articles, pronouns, prepositions, conjunctions and auxiliary verbs.
FUNCTION_WORDS = frozenset(
    """
    a an the this that these those some no not n't 's
    i me my we us our you your he him his she her it its they them their there who which what
    of in on at to from by with for into up
    and or but if as than so when
    am is are was were be been being does did have has had will would can could
    """.split()  # noqa: SIM905
)

Tokens = Sequence[str]

# A partial alignment: the reference's words that are taken (as bits) and the place of the one that
# the last word took, if it did. It costs weight of inexact matches, chunks and distance, in this
# order.
_State = tuple[int, int | None]
_Cost = tuple[int, int, int]


class Alignment(NamedTuple):
    """How the words of a caption, or of many, match those of a reference each."""

    weight: int
    """Of the caption's words, by `CONTENT_WEIGHT` and `FUNCTION_WEIGHT`; so are the next three."""
    reference_weight: int
    matched_weight: int
    inexact_weight: int
    """Of the matched words, those that only their stems match."""
    matches: int
    chunks: int
    """Runs of matches that are adjacent in both captions; 0 where these are the same throughout."""

    @property
    def score(self) -> float:
        """METEOR: the harmonic mean of precision and recall, less a penalty for fragments."""
        if not self.matches:
            return 0.0
        matched = self.matched_weight - (1 - STEM_WEIGHT) * self.inexact_weight
        precision, recall = matched / self.weight, matched / self.reference_weight
        mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
        penalty: float = GAMMA * (self.chunks / self.matches) ** BETA
        return mean * (1 - penalty)


def meteor(hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> float:
    """Give METEOR (exact+stem) of tokenized captions over the whole corpus, between 0 and 1.

    Each hypothesis is aligned with that of its references which gives it the highest score. As in
    the COCO tools the counts of all these alignments are summed, and scored as one. `references`
    holds one list of captions, not empty, for each hypothesis.
    """
    best = [
        max((align(hypothesis, reference) for reference in captions), key=lambda each: each.score)
        for hypothesis, captions in zip(hypotheses, references, strict=True)
    ]
    total = Alignment(*(sum(counts) for counts in zip(*best, strict=True)))
    return total.score


def align(hypothesis: Tokens, reference: Tokens) -> Alignment:
    """Match as many words as possible, each with one other at most.

    Of all such alignments this is the one with the most exact matches, then the fewest chunks,
    then the least distance between matched words, unless so many words are repeated that the
    beam misses it.
    """
    stems = [_stem(word) for word in hypothesis]
    places: dict[str, list[int]] = {}
    for place, word in enumerate(reference):
        places.setdefault(_stem(word), []).append(place)
    matches = {
        stem: min(count, len(places.get(stem, ()))) for stem, count in Counter(stems).items()
    }
    inexact_weight, chunks = _best_cost(hypothesis, stems, reference, places)
    if chunks == 1 and sum(matches.values()) == len(hypothesis) == len(reference):
        chunks = 0
    return Alignment(
        weight=sum(_weight(stem) for stem in stems),
        reference_weight=sum(_weight(stem) * len(found) for stem, found in places.items()),
        matched_weight=sum(_weight(stem) * count for stem, count in matches.items()),
        inexact_weight=inexact_weight,
        matches=sum(matches.values()),
        chunks=chunks,
    )


def _best_cost(
    hypothesis: Tokens, stems: Tokens, reference: Tokens, places: dict[str, list[int]]
) -> tuple[int, int]:
    """Weight of inexact matches, and chunks, of the best alignment of as many words as possible."""
    # Only where the reference has fewer words of a stem may some of the hypothesis's go unmatched.
    spare = Counter(stems)
    spare.subtract({stem: len(found) for stem, found in places.items()})
    met: Counter[str] = Counter()
    beam: dict[_State, _Cost] = {(0, None): (0, 0, 0)}
    for position, (word, stem) in enumerate(zip(hypothesis, stems, strict=True)):
        weight = _weight(stem)
        longer: dict[_State, _Cost] = {}
        for (taken, last), (inexact, chunks, distance) in beam.items():
            free = [place for place in places.get(stem, ()) if not taken >> place & 1]
            options: dict[_State, _Cost] = {
                (taken | 1 << place, place): (
                    inexact + weight * (reference[place] != word),
                    chunks + (last is None or place != last + 1),
                    distance + abs(place - position),
                )
                for place in free
            }
            matched = len(places.get(stem, ())) - len(free)
            if met[stem] - matched < spare[stem]:
                options[taken, None] = (inexact, chunks, distance)
            for state, cost in options.items():
                longer[state] = min(cost, longer.get(state, cost))
        beam = dict(sorted(longer.items(), key=lambda item: item[1])[:BEAM_SIZE])
        met[stem] += 1
    inexact, chunks, _ = min(beam.values())
    return inexact, chunks


def _weight(stem: str) -> int:
    return FUNCTION_WEIGHT if stem in _function_stems() else CONTENT_WEIGHT


@cache
def _function_stems() -> frozenset[str]:
    return frozenset(_stem(word) for word in FUNCTION_WORDS)


@cache
def _stem(word: str) -> str:
    stem: str = _stemmer().stem(word)
    return stem


@cache
def _stemmer() -> SnowballStemmer:
    # NLTK is large, and serving never scores: imported when needed.
    from nltk.stem.snowball import SnowballStemmer  # noqa: PLC0415

    return SnowballStemmer("english")
