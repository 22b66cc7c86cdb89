"""METEOR (exact+stem): METEOR without Java, synonyms and paraphrases.

Banerjee and Lavie, "METEOR: An Automatic Metric for MT Evaluation with Improved Correlation with
Human Judgments", 2005, with the weights and parameters of version 1.5 for English (Denkowski and
Lavie, "Meteor Universal", 2014). That version also matches synonyms and paraphrases, and so scores
a little higher; `meteor.py` runs it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from nltk.stem.snowball import SnowballStemmer

ALPHA = 0.85  # the weight of recall against precision
BETA = 0.2  # how fast the penalty grows with fragmentation
GAMMA = 0.6  # the largest penalty
CONTENT_WEIGHT, FUNCTION_WEIGHT = 3, 1  # delta = 0.75
STEM_WEIGHT = 0.6  # of words with the same stem; the same word weighs 1
BEAM_SIZE = 40  # partial alignments kept after each word, as in version 1.5

# Version 1.5 uses all words that make up more than a thousandth of English text. Nearly the same
# are the commonest articles, pronouns, prepositions, conjunctions and auxiliary verbs:
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

# All that matters of a partial alignment for going on with it: which words of the reference are
# matched (bit i for word i), and which of them the hypothesis's latest word matches, if any.
_State = tuple[int, int | None]
# Weight of the inexact matches, number of chunks, summed distance. Tuples compare in this order.
_Cost = tuple[int, int, int]


class Alignment(NamedTuple):
    """How the words of a caption match those of a reference; or the sums of this over many.

    Words are weighed by `CONTENT_WEIGHT` and `FUNCTION_WEIGHT`.

    Attributes:
        weight: The caption's words.
        reference_weight: The reference's words.
        matched_weight: The caption's words that match.
        inexact_weight: Those among them that match by their stem only.
        matches: The number of matches.
        chunks: The number of runs of matches that are adjacent in both captions; 0 if the two
            captions match word by word.
    """

    weight: int
    reference_weight: int
    matched_weight: int
    inexact_weight: int
    matches: int
    chunks: int

    @property
    def score(self) -> float:
        """The weighted harmonic mean of precision and recall, less a penalty for fragments."""
        if not self.matches:
            return 0.0
        matched = self.matched_weight - (1 - STEM_WEIGHT) * self.inexact_weight
        precision, recall = matched / self.weight, matched / self.reference_weight
        mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
        penalty: float = GAMMA * (self.chunks / self.matches) ** BETA
        return mean * (1 - penalty)


def meteor_exact_stem(
    hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]
) -> float:
    """Compute METEOR (exact+stem) of tokenized captions over the whole corpus.

    Args:
        hypotheses: One caption for each image.
        references: One list of captions, not empty, for each image.

    Returns:
        The score, from 0 to 1. Each hypothesis is aligned with the reference that gives it the
        highest score. As in the COCO tools, the alignments are summed and the sum is scored.
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
    then the least distance between matched words. Only if very many words are repeated may the
    beam search miss it.
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
    """Search for the best alignment that matches as many words as possible.

    A beam search over the hypothesis, word by word: each word may match any free word of the
    reference with the same stem, or stay unmatched if there are not enough of these.

    Args:
        hypothesis: The words to align.
        stems: Their stems.
        reference: The words to align them with.
        places: Each stem of the reference, with the places of its words.

    Returns:
        The weight of the inexact matches and the number of chunks.
    """
    # How many of the hypothesis's words of each stem find no partner in any case. The number of
    # matches is the same in all alignments that are considered, so it is no part of their cost.
    spare = Counter(stems)
    spare.subtract({stem: len(found) for stem, found in places.items()})
    seen: Counter[str] = Counter()  # words of each stem so far
    # The cheapest way to each state. Two ways to one state can only be continued in the same ways,
    # so nothing is lost by keeping the cheaper one.
    beam: dict[_State, _Cost] = {(0, None): (0, 0, 0)}
    for position, (word, stem) in enumerate(zip(hypothesis, stems, strict=True)):
        weight = _weight(stem)
        longer: dict[_State, _Cost] = {}
        for (taken, last), (inexact, chunks, distance) in beam.items():
            free = [place for place in places.get(stem, ()) if not taken >> place & 1]
            options: dict[_State, _Cost] = {
                (taken | 1 << place, place): (
                    inexact + weight * (reference[place] != word),
                    # A chunk goes on only where the word before matched the place before.
                    chunks + (last is None or place != last + 1),
                    distance + abs(place - position),
                )
                for place in free
            }
            # The word may stay unmatched as long as fewer than the spare ones have so far.
            matched = len(places.get(stem, ())) - len(free)
            if seen[stem] - matched < spare[stem]:
                options[taken, None] = (inexact, chunks, distance)
            for state, cost in options.items():
                longer[state] = min(cost, longer.get(state, cost))
        beam = dict(sorted(longer.items(), key=lambda item: item[1])[:BEAM_SIZE])
        seen[stem] += 1
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
    # NLTK is large and serving never scores, so it is imported only when needed.
    from nltk.stem.snowball import SnowballStemmer  # noqa: PLC0415

    return SnowballStemmer("english")
