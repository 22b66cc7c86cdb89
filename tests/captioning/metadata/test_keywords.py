from hypothesis import given
from hypothesis import strategies as st

from captioning.metadata.keywords import MAX_BYTES, cut, missing

WORDS = st.lists(st.text(alphabet="aAéß ,-", max_size=4))


def test_only_new_keywords_are_missing_each_once_and_in_order():
    assert missing(["Dog", "my cat "], ["cat", "dog", " ", "snow ", "Snow", "my cat"]) == [
        "cat",
        "snow",
    ]


def test_a_keyword_that_iptc_cut_is_the_same():
    whole = "é" * 40
    assert missing([whole], [cut(whole)]) == missing([cut(whole)], [whole]) == []


@given(present=WORDS, offered=WORDS)
def test_nothing_is_missing_once_it_was_added(present, offered):
    found = missing(present, offered)
    assert missing([*present, *found], offered) == []
    assert len({keyword.casefold() for keyword in found}) == len(found)


@given(st.text())
def test_a_keyword_is_cut_between_characters(keyword):
    assert len(cut(keyword).encode(errors="replace")) <= MAX_BYTES
