import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytorch.evaluation.faults import (
    FAULTS,
    OPPOSITES,
    count_faults,
    dangling_end,
    phrase_twice,
    repeated,
    same_around_and,
    two_articles,
)

WORDS = st.lists(st.sampled_from(["a", "the", "man", "red", "shirt", "and", "in", "of"]))


@pytest.mark.parametrize(
    ("fault", "caption"),
    [
        (same_around_and, "a white and white dog"),
        (same_around_and, "a dog and a dog"),
        (phrase_twice, "a man in a red shirt and a red shirt"),
        (phrase_twice, "a man in a red shirt and a blue shirt"),
        (phrase_twice, "a man wearing a red shirt and black shirt runs"),
        (repeated, "a dog dog runs"),
        (repeated, "a dog on the on the beach"),
        (dangling_end, "a dog runs with a"),
        (dangling_end, "a dog in front of"),
        (two_articles, "a dog on a the beach"),
        (two_articles, "a dog with a his toy"),
    ],
)
def test_faults_are_found(fault, caption):
    assert fault(caption.split())


@pytest.mark.parametrize(
    "caption",
    [
        "a black and white dog",
        "a black dog and a brown dog run",
        "a dog chases another dog",
        "a man in a red shirt and a woman in a blue shirt",
        "a man in a red shirt and blue jeans",
        "a boy jumps while others look on",
        "a man throws a ball to him",
        "",
    ],
)
def test_good_captions_have_none(caption):
    assert [name for name, fault in FAULTS.items() if fault(caption.split())] == []


def test_one_word_around_and_is_not_counted_as_a_phrase():
    assert not phrase_twice(["a", "man", "in", "a", "white", "and", "white", "uniform"])


@given(WORDS)
def test_words_said_twice_in_a_row_are_always_found(words):
    if words:
        assert repeated(["it", *words, *words, "it"])


@pytest.mark.parametrize(
    ("caption", "references", "faults"),
    [
        ("a man runs", ["a woman runs", "a runner"], ["wrong gender"]),
        ("women run", ["a man runs with his dog"], ["wrong gender"]),
        ("a woman runs", ["a runner in his shoes"], ["wrong gender"]),
        ("a boy runs", ["a man runs"], ["wrong age"]),
        ("a man runs", ["a child runs", "a girl runs"], ["wrong gender", "wrong age"]),
        ("a man runs", ["a man runs", "a woman runs"], []),
        ("a person runs", ["a woman runs"], []),
        ("a man runs", ["a runner", "a dog"], []),
        ("a dog in his bed", ["a dog in her bed"], []),
    ],
)
def test_a_gender_and_an_age_that_references_contradict_are_counted(caption, references, faults):
    counts = count_faults([caption], [references])
    assert [name for name in OPPOSITES if counts[name]] == faults


def test_every_kind_is_counted_also_where_there_is_none():
    counts = count_faults(["A dog, and a dog.", "a cat"], [["two dogs"], ["a cat"]])
    assert list(counts) == [*FAULTS, *OPPOSITES]
    assert counts["same around and"] == 1
    assert sum(counts.values()) == 1


def test_captions_without_references_are_refused():
    with pytest.raises(ValueError, match="zip"):
        count_faults(["a dog"], [])
