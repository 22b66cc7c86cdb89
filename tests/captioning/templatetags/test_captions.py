import math

import pytest

from captioning.templatetags.captions import (
    doubtful_below,
    doubtful_words,
    in_a_hundred,
    is_doubtful,
    is_guess,
    odds,
    percent,
    shown_word,
)
from pytorch.model.confidence import GUESSING


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (1.0, "100%"),
        (0.9999, "over 99%"),
        (0.99, "99%"),
        (0.434, "43%"),
        (0.0996, "10%"),
        (0.0213, "2.1%"),
        (0.0003, "0.03%"),
        (0.00009, "under 0.01%"),
        (0.0, "0%"),
    ],
)
def test_a_probability_is_written_as_a_percentage(probability, expected):
    assert percent(probability) == expected


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (1, "1 in 1"),
        (4.23, "1 in 4.2"),
        (18_730, "1 in 19,000"),
        (996_000, "1 in 1 million"),
        (2_140_000, "1 in 2.1 million"),
        (380e9, "1 in 380 billion"),
        (7e14, "1 in 700 trillion"),
        (2e15, "less than 1 in a thousand trillion"),
        (1e300, "less than 1 in a thousand trillion"),
    ],
)
def test_the_probability_of_a_caption_is_written_as_odds(times, expected):
    assert odds(-math.log(times)) == expected


def test_words_under_the_threshold_are_doubtful():
    assert doubtful_below() == "20%"
    sure, unsure = {"text": "a", "probability": 0.2}, {"text": "cat", "probability": 0.19}
    assert not is_doubtful(sure)
    assert is_doubtful(unsure)
    assert doubtful_words({"words": [sure, unsure]}) == ["cat"]


def test_a_caption_with_little_confidence_is_a_guess():
    assert is_guess({"confidence": 0.0})
    assert is_guess({"confidence": GUESSING - 0.001})
    assert not is_guess({"confidence": GUESSING})


def test_without_a_confidence_no_caption_is_a_guess():
    assert not is_guess({"confidence": None})
    assert not is_guess({})  # stored before there were confidences


@pytest.mark.parametrize(
    ("confidence", "expected"), [(0.0, 1), (0.004, 1), (0.824, 82), (0.996, 99), (1.0, 99)]
)
def test_a_confidence_is_written_as_a_part_of_a_hundred_without_certainty(confidence, expected):
    assert in_a_hundred(confidence) == expected


def test_the_end_of_a_caption_is_written_in_words():
    assert shown_word("<end>") == "(the end)"
    assert shown_word("dog") == "dog"
