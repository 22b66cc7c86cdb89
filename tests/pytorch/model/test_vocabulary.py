import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytorch.model.tokenization import tokenize
from pytorch.model.vocabulary import SPECIAL_TOKENS, Coverage, Vocabulary

CAPTIONS = [["a", "dog", "runs"], ["a", "dog", "sits"], ["a", "cat"]]


def test_words_below_the_minimum_count_are_left_out():
    vocabulary = Vocabulary.build(CAPTIONS, min_count=2)
    assert vocabulary.words == (*SPECIAL_TOKENS, "a", "dog")


@pytest.mark.parametrize("captions", [[], [["a"], ["a", "dog"]]])
def test_a_minimum_count_that_no_word_reaches_is_refused(captions):
    with pytest.raises(ValueError, match="No word occurs at least 3 times"):
        Vocabulary.build(captions, min_count=3)


def test_equally_frequent_words_are_in_alphabetical_order():
    vocabulary = Vocabulary.build(reversed(CAPTIONS), min_count=1)
    assert vocabulary.words[4:] == ("a", "dog", "cat", "runs", "sits")


def test_words_that_are_rare_in_captions_may_be_frequent_with_texts():
    texts = [["a", "tram", "runs"], ["a", "tram"], ["a", "bus"], ["tram"]]
    vocabulary = Vocabulary.build(CAPTIONS, min_count=2, texts=texts, min_text_count=2)
    # dog is in no text, bus too rare.
    assert vocabulary.words[4:] == ("a", "tram", "dog", "runs")
    strict = Vocabulary.build(CAPTIONS, min_count=2, texts=texts, min_text_count=3)
    assert strict.words[4:] == ("a", "tram", "dog")


def test_some_words_are_included_however_rare_they_are():
    vocabulary = Vocabulary.build(CAPTIONS, min_count=3, always=["wombat", "a", "dog"])
    assert vocabulary.words[4:] == ("a", "dog", "wombat")


def test_without_texts_only_the_minimum_count_of_captions_counts():
    assert Vocabulary.build(CAPTIONS, min_count=3, min_text_count=1).words[4:] == ("a",)


def test_unknown_words_become_the_unknown_token():
    vocabulary = Vocabulary.build(CAPTIONS, min_count=2)
    assert vocabulary.encode(["a", "zebra"]) == [
        vocabulary.start,
        4,
        vocabulary.unknown,
        vocabulary.end,
    ]


@pytest.mark.parametrize("token", SPECIAL_TOKENS)
def test_the_text_of_a_special_token_is_an_unknown_word(token):
    captions = [tokenize(f"a dog {token} {token} runs")] * 2
    assert captions[0].count(token) == 2
    vocabulary = Vocabulary.build(captions, min_count=2)
    assert vocabulary.words == (*SPECIAL_TOKENS, "a", "dog", "runs")
    assert token not in vocabulary
    assert vocabulary.encode(captions[0]) == [
        vocabulary.start,
        *(4, 5, vocabulary.unknown, vocabulary.unknown, 6),
        vocabulary.end,
    ]
    assert Coverage.of(vocabulary, captions[:1]) == Coverage(
        tokens=5, known_tokens=3, types=4, known_types=3
    )


def test_captions_of_special_tokens_alone_make_no_vocabulary():
    with pytest.raises(ValueError, match="the most frequent one occurs 0 times"):
        Vocabulary.build([list(SPECIAL_TOKENS)], min_count=1)


def test_decoding_stops_at_the_first_end():
    vocabulary = Vocabulary.build(CAPTIONS, min_count=1)
    assert vocabulary.decode([4, vocabulary.end, 5]) == ["a"]


def test_special_tokens_must_come_first():
    with pytest.raises(ValueError, match=r"begins with <pad> .* but this one with"):
        Vocabulary(["a", *SPECIAL_TOKENS])


def test_a_repeated_word_is_refused():
    with pytest.raises(ValueError, match="'dog' twice"):
        Vocabulary([*SPECIAL_TOKENS, "dog", "cat", "dog"])


@given(st.lists(st.sampled_from(["a", "dog", "runs", "sits", "cat"])))
def test_known_words_survive_a_round_trip(words):
    vocabulary = Vocabulary.build(CAPTIONS, min_count=1)
    assert vocabulary.decode(vocabulary.encode(words)) == words


def test_coverage_counts_words_as_often_as_they_occur_and_once():
    vocabulary = Vocabulary.build(CAPTIONS, min_count=2)
    captions = [["a", "dog", "barks"], ["a", "dog", "barks", "at", "a", "zebra"]]
    assert Coverage.of(vocabulary, captions) == Coverage(
        tokens=9, known_tokens=5, types=5, known_types=2
    )


def test_no_captions_have_no_coverage():
    assert Coverage.of(Vocabulary(SPECIAL_TOKENS), []) == Coverage(0, 0, 0, 0)
