import pytest

from pytorch.model.people import (
    ADULTS,
    AS_THEY_STAND,
    CHILDREN,
    FEMALE,
    MALE,
    NEUTRAL,
    OF_ANYTHING,
    PEOPLE,
    says_people,
)
from pytorch.model.tokenization import tokenize


@pytest.mark.parametrize(
    "caption",
    [
        "A man in a red shirt.",
        "Two women's bicycles.",
        "The surfers wait for a wave.",
        "Somebody's hand holds a cup.",
        "A couple on a bench.",
        "A couple of men on a bench.",
        "A crowd of people.",
        "Three kids and a dog.",
    ],
)
def test_captions_with_people_say_people(caption):
    assert says_people(tokenize(caption))


@pytest.mark.parametrize(
    "caption",
    [
        "A dog on a bed.",
        "A couple of birds.",
        "A family of ducks.",
        "A police car beside a passenger train.",
        "A group of zebras.",
        "A cowboy hat and a butcher shop.",
        "",
    ],
)
def test_captions_without_people_say_none(caption):
    assert not says_people(tokenize(caption))


def test_words_of_people_are_single_words_in_lower_case():
    assert all(tokenize(word) == [word] for word in PEOPLE)


def test_a_word_counted_as_it_stands_is_not_counted_already():
    words = AS_THEY_STAND.split()
    assert len(PEOPLE - set(words)) == len(PEOPLE) - len(words)


def test_a_group_is_a_word_of_people_itself():
    assert OF_ANYTHING <= PEOPLE


def test_a_neutral_word_is_another_word_of_people():
    assert NEUTRAL["man"] == "person"
    assert NEUTRAL["women"] == "people"
    assert NEUTRAL["girls"] == "children"
    for word, neutral in NEUTRAL.items():
        assert word != neutral
        assert {word, neutral} <= PEOPLE


def test_a_neutral_word_takes_the_article_of_the_word_that_it_replaces():
    assert all((word[0] in "aeiou") == (neutral[0] in "aeiou") for word, neutral in NEUTRAL.items())


def test_neutral_words_end_at_the_word_person():
    ends = set()
    for word in NEUTRAL:
        while word in NEUTRAL:
            word = NEUTRAL[word]  # noqa: PLW2901
        ends.add(word)
    assert {"man", "child", "boys"}.isdisjoint(ends)
    assert {"person", "people"} <= ends


def test_words_of_a_gender_or_an_age_are_of_one_alone_and_of_people():
    assert MALE.isdisjoint(FEMALE)
    assert CHILDREN.isdisjoint(ADULTS)
    pronouns = {"he", "him", "his", "himself", "she", "her", "hers", "herself"}
    assert (MALE | FEMALE | CHILDREN | ADULTS) - pronouns <= PEOPLE


def test_a_neutral_word_says_no_gender():
    assert (MALE | FEMALE).isdisjoint(NEUTRAL.values())
