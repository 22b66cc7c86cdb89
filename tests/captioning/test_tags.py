import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.tags import MOST_SEEN, also_seen, is_same, seen, tag_words, unsaid


def caption(sentence, **scores):
    tags = [{"word": word, "score": score} for word, score in scores.items()]
    return {"sentence": sentence, "tags": tags}


def test_of_a_singular_and_its_plural_only_the_first_is_told():
    tagged = caption("A bowl.", bananas=0.9, leaf=0.8, banana=0.7, leaves=0.6)
    assert tag_words(tagged) == ["bananas", "leaf"]


def test_captions_of_before_have_no_tags():
    assert tag_words({"sentence": "A bowl."}) == also_seen({"sentence": "A bowl."}) == []


def test_what_the_caption_says_is_not_also_seen():
    tagged = caption("A bowl of Bananas, on a T-shirt.", banana=0.9, table=0.8, **{"t-shirt": 0.7})
    assert also_seen(tagged) == ["table"]


def test_only_a_few_words_are_told():
    words = {f"word{chr(97 + number)}": 0.9 for number in range(MOST_SEEN + 2)}
    tagged = caption("A worda.", **words)
    assert seen(tagged) == list(words)[:MOST_SEEN]
    assert also_seen(tagged) == list(words)[1 : MOST_SEEN + 1]


def test_of_a_sentence_about_people_no_other_words_for_people_are_told():
    words = ["woman", "people", "bike", "skier"]
    assert unsaid(words, "A man rides.") == ["bike"]
    assert unsaid(words, "A bus.") == words


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("dog", "dogs", True),
        ("women", "woman", True),
        ("person", "people", True),
        ("knives", "knife", True),
        ("horse", "horses", True),
        ("bus", "buses", True),
        ("sheep", "sheep", True),
        ("plane", "plan", False),
        ("cars", "care", False),
    ],
)
def test_a_noun_is_the_same_in_singular_and_plural(one, other, same):
    assert is_same(one, other) is is_same(other, one) is same


@given(st.lists(st.sampled_from(["dog", "dogs", "cat", "leaf", "leaves", "man", "people"])))
def test_no_word_is_told_twice(words):
    told = tag_words({"tags": [{"word": word, "score": 0.5} for word in words]})
    assert [word for word in told if sum(is_same(word, other) for other in told) > 1] == []
    assert all(any(is_same(word, other) for other in told) for word in words)
