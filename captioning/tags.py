"""The words of a caption's tags, as pages tell them and searches and files have them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from captioning.engine import PEOPLE, plural

MOST_SEEN = 6
"""So many words a page tells; more would be a list to read."""


def tag_words(caption: Mapping[str, Any]) -> list[str]:
    """List the words of a caption's tags, the most probable first.

    Of a singular and its plural there is only one.

    Args:
        caption: A caption as `caption_data` makes it.
    """
    words: list[str] = []
    for tag in caption.get("tags", ()):  # captions of before have no tags
        if not any(is_same(tag["word"], word) for word in words):
            words.append(tag["word"])
    return words


def seen(caption: Mapping[str, Any]) -> list[str]:
    """List a few words, for a caption that is mostly a guess."""
    return tag_words(caption)[:MOST_SEEN]


def also_seen(caption: Mapping[str, Any]) -> list[str]:
    """List a few words that the caption does not say itself."""
    return unsaid(tag_words(caption), caption["sentence"])[:MOST_SEEN]


def unsaid(words: Iterable[str], sentence: str) -> list[str]:
    """Leave out words that the sentence says, in the singular or the plural.

    Of a sentence about people all words for people are left out: most likely they tell of the same
    ones, and "a man" with "woman" beside it helps nobody.
    """
    said = re.findall(r"[\w-]+", sentence.lower())
    left_out = PEOPLE if PEOPLE.intersection(said) else ()
    return [
        word
        for word in words
        if word not in left_out and not any(is_same(word, other) for other in said)
    ]


def is_same(one: str, other: str) -> bool:
    """Tell whether both are the same noun, in the singular or the plural."""
    return one == other or plural(one) == other or one == plural(other)
