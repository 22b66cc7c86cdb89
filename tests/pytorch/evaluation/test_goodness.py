from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytorch.evaluation.goodness import GOOD_CIDER_D, is_good, main_noun, main_noun_is_right
from pytorch.model.people import PEOPLE


@pytest.mark.parametrize(
    ("caption", "noun"),
    [
        ("two small dogs play", "dogs"),
        ("a black and white cat", "cat"),
        ("a group of young people are standing", "people"),
        ("a close-up of a banana", "banana"),
        ("a smiling woman", "woman"),
        ("a baseball player", "baseball"),
        ("a red and white", None),
        ("", None),
    ],
)
def test_the_main_noun_is_the_first_word_that_only_a_noun_can_be(caption, noun):
    assert main_noun(caption.split()) == noun


@pytest.mark.parametrize(
    ("caption", "reference"),
    [
        ("a dog on a bed", "Three dogs are asleep."),
        ("two dogs on a bed", "A dog is asleep."),
        ("two men", "A man and his bicycle."),
        ("a person on a horse", "A woman rides."),
        ("people at a table", "Women eat."),
        ("a child with a kite", "A boy runs."),
        ("a person with a kite", "Some boys run."),
    ],
)
def test_a_noun_is_right_in_either_number_and_in_neutral_words(caption, reference):
    assert main_noun_is_right(caption, [reference])


@pytest.mark.parametrize(
    ("caption", "reference"),
    [
        ("a dog on a bed", "A cat on a bed."),
        ("a man on a bed", "A woman on a bed."),
        ("a boy on a bed", "A person on a bed."),
        ("a person on a bed", "A dog on a bed."),
        ("red and white", "A red and white flag."),
    ],
)
def test_another_noun_a_wrong_gender_or_no_noun_are_wrong(caption, reference):
    assert not main_noun_is_right(caption, [reference])


@given(st.sampled_from(sorted(PEOPLE)))
def test_every_word_for_people_makes_person_right(word):
    assert main_noun_is_right("a person", [f"the {word}"])


def test_a_good_caption_has_a_high_score_and_the_right_noun():
    references = ["A dog runs through the grass."]
    assert is_good("a dog runs", references, GOOD_CIDER_D)
    assert not is_good("a dog sleeps", references, GOOD_CIDER_D - 0.01)
    assert not is_good("a cat runs through the grass", references, GOOD_CIDER_D)
