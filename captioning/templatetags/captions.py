"""Filters for the data of a caption; see `captioning.caption_data`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from django import template

from captioning import engine
from captioning.caption_data import DOUBTFUL_BELOW
from captioning.tags import also_seen, seen

LARGE_NUMBERS = {10**12: "trillion", 10**9: "billion", 10**6: "million"}

FEWEST = 10**15

register = template.Library()
register.filter(also_seen)
register.filter(seen)


@register.filter
def percent(probability: float) -> str:
    """Write a word's probability for a reader: `43%`, `2.1%`, `0.03%`.

    Only a certain word gets 100%, and only an impossible one 0%.
    """
    value = 100 * probability
    if value > 99:
        return "100%" if probability == 1 else "over 99%"
    if value < 0.01:
        return "0%" if probability == 0 else "under 0.01%"
    return f"{value:.0f}%" if value >= 10 else f"{value:.2g}%"


@register.filter
def odds(log_probability: float) -> str:
    """Write a caption's probability for a reader: `1 in 4.2`, `1 in 19 million`.

    As a percentage it would be too small to read.
    """
    if log_probability < -math.log(FEWEST):
        return "less than 1 in a thousand trillion"
    times = float(f"{math.exp(-log_probability):.2g}")
    for size, name in LARGE_NUMBERS.items():
        if times >= size:
            return f"1 in {times / size:g} {name}"
    return f"1 in {times:,g}"


@register.filter
def is_doubtful(word: Mapping[str, Any]) -> bool:
    """Tell whether the word's probability is so low that the reader should know."""
    probability: float = word["probability"]
    return probability < DOUBTFUL_BELOW


@register.filter
def doubtful_words(caption: Mapping[str, Any]) -> list[str]:
    """List the doubtful words of a caption."""
    return [word["text"] for word in caption["words"] if is_doubtful(word)]


@register.filter
def is_guess(caption: Mapping[str, Any]) -> bool:
    """Tell whether a caption is mostly guessed; see `engine.is_guess`."""
    return engine.is_guess(caption.get("confidence"))  # captions of before have none


@register.filter
def in_a_hundred(confidence: float) -> int:
    """Write a confidence as a number of captions in a hundred: never none and never all."""
    return min(max(round(100 * confidence), 1), 99)


@register.simple_tag
def doubtful_below() -> str:
    """Write the probability below which a word is doubtful."""
    return percent(DOUBTFUL_BELOW)


@register.filter
def shown_word(text: str) -> str:
    """Write a word of the vocabulary for a reader, who cannot know what `<end>` is."""
    return "(the end)" if text == "<end>" else text
