"""Faults of captions that no metric shows: nonsense, and the wrong gender or age of people.

The first kinds are seen in a caption alone. The last two are seen against its references: the
caption says man, boy or the like, and of the references none says a word for a man or boy, but some
say one for a woman or girl; or the other way round; and the same for children and adults.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise, takewhile

from pytorch.model.people import ADULTS, CHILDREN, FEMALE, MALE, PEOPLE
from pytorch.model.tokenization import tokenize

Words = list[str]

ARTICLES = frozenset(["a", "an", "the"])
DETERMINERS = ARTICLES | {"his", "her", "its", "their", "another", "this", "these", "those"}
# Nothing that ends in one of these is whole. People do end captions in most other prepositions:
# "as others look on", "with a dog running behind", "the street below".
UNFINISHED = DETERMINERS - {"another", "this", "these", "those", "her"} | {
    *("and", "or", "but", "as", "while", "is", "are", "that", "which", "who", "very"),
    *("of", "with", "to", "from", "at", "for", "into", "onto", "between", "beside", "during"),
    *("towards", "toward", "against", "among", "wearing", "near", "in"),
}
# A phrase ends before these.
FUNCTION_WORDS = (
    DETERMINERS
    | UNFINISHED
    | {
        *("on", "by", "through", "over", "under", "up", "down", "out", "off", "behind", "across"),
        *("along", "around", "above", "below", "inside", "outside", "next", "front", "it", "he"),
        *("she", "they", "him", "them", "one", "two", "three", "four", "some", "several", "many"),
        *("other", "has", "have", "being", "be", "was", "were", "not", "there", "'s"),
    }
)


def count_faults(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, int]:
    """How many captions have each fault.

    Args:
        captions: One caption for each image.
        references: The reference captions of each image.

    Raises:
        ValueError: There are not as many captions as images.
    """
    hypotheses = [tokenize(caption) for caption in captions]
    counts = {name: sum(map(fault, hypotheses)) for name, fault in FAULTS.items()}
    sets = [{word for text in texts for word in tokenize(text)} for texts in references]
    for name, (one, other) in OPPOSITES.items():
        counts[name] = sum(
            _contradicts(words, said, one, other) or _contradicts(words, said, other, one)
            for words, said in zip(hypotheses, sets, strict=True)
        )
    return counts


def same_around_and(words: Words) -> bool:
    """A white and white dog; a dog and a dog."""
    without = [word for word in words if word not in ARTICLES]
    return any(
        before == after and between in ("and", "or")
        for before, between, after in zip(without, without[1:], without[2:], strict=False)
    )


def phrase_twice(words: Words) -> bool:
    """A man in a red shirt and a red shirt; in a red shirt and a blue shirt.

    People say the second of dogs, but not of what one person wears: it counts only after "in" and
    "wearing".
    """
    pairs = [pair for pair in pairwise(words) if FUNCTION_WORDS.isdisjoint(pair)]
    return len(set(pairs)) < len(pairs) or any(
        word == "and" and _worn_twice(words[:place], words[place + 1 :])
        for place, word in enumerate(words[:-1])
    )


def repeated(words: Words) -> bool:
    """A dog dog runs; on the on the beach."""
    return any(
        words[place : place + length] == words[place + length : place + 2 * length]
        for length in range(1, len(words) // 2 + 1)
        for place in range(len(words) - 2 * length + 1)
    )


def dangling_end(words: Words) -> bool:
    """A dog runs with a."""
    return bool(words) and words[-1] in UNFINISHED


def two_articles(words: Words) -> bool:
    """A dog on a the beach."""
    return any(
        before in ARTICLES and after in DETERMINERS - {"these", "those"}
        for before, after in pairwise(words)
    )


def _worn_twice(before: Words, after: Words) -> bool:
    """Whether someone wears what stands before "and", and its noun comes again in what follows."""
    first = list(takewhile(_is_content, reversed(before)))
    second = list(takewhile(_is_content, after[1:] if after[0] in ARTICLES else after))
    worn = [word for word in before[: len(before) - len(first)] if word not in ARTICLES][-1:]
    return bool(first) and first[0] in second[1:] and worn in (["in"], ["wearing"])


def _is_content(word: str) -> bool:
    return word not in FUNCTION_WORDS


def _contradicts(words: Words, said: set[str], one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether a caption has a word for one kind of people and the references only for the other."""
    return not one.isdisjoint(PEOPLE.intersection(words)) and not said & one and bool(said & other)


FAULTS: dict[str, Callable[[Words], bool]] = {
    "same around and": same_around_and,
    "phrase twice": phrase_twice,
    "repeated words": repeated,
    "dangling end": dangling_end,
    "two articles": two_articles,
}
OPPOSITES = {"wrong gender": (MALE, FEMALE), "wrong age": (CHILDREN, ADULTS)}
