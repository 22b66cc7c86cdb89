import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.model.decoding import DecodingConfig
from pytorch.model.grammar import NEVER_LAST, Grammar
from pytorch.model.search import search
from pytorch.model.vocabulary import END, SPECIAL_TOKENS, Vocabulary
from tests.pytorch.model.found import trimmed
from tests.tiny import tiny_decoder, tiny_images

WORDS = "a the his and of in with near on over is red white black dog hat shirt runs two some"
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *WORDS.split()])


def numbers(text):
    return VOCABULARY.encode(text.split())[1:-1]


def faults_after(text, *, is_last=False):
    """The words that would be a fault after a caption's beginning."""
    caption = torch.tensor(numbers(text), dtype=torch.long).view(1, 1, -1)
    [[faults]] = Grammar(VOCABULARY).faults(caption, is_last=is_last)
    return {VOCABULARY.words[number] for number in faults.nonzero().flatten().tolist()}


@pytest.mark.parametrize(
    ("beginning", "fault"),
    [
        ("a dog", "dog"),
        ("on", "on"),
        ("a", "the"),
        ("the", "a"),
        ("his", "the"),
        ("a", "his"),
        ("a dog in a", "and"),
        ("the", "of"),
        ("a", "is"),
        ("white and", "white"),
        ("a dog with a hat and", "hat"),
        ("a hat and a", "hat"),
        ("a hat and his", "hat"),
        ("white shirt and white", "shirt"),
        ("in a red shirt and a red", "shirt"),
        ("in a red shirt and a white", "shirt"),
        ("in a shirt and a white", "shirt"),
        ("in shirt and white", "shirt"),
        ("dog in red shirt and white", "shirt"),
    ],
)
def test_a_word_is_a_fault(beginning, fault):
    assert fault in faults_after(beginning)


@pytest.mark.parametrize(
    ("beginning", "word"),
    [
        ("a white and", "black"),
        ("a black dog and a white", "dog"),
        ("a black dog and white", "dog"),
        ("a hat and a", "shirt"),
        ("in a red shirt and a red", "hat"),
        ("in a red shirt and a white", "hat"),
        ("a dog on a red hat and a white", "hat"),
        ("over and", "over"),
        ("on and", "on"),
        ("with a hat", "on"),
        ("a dog runs", "in"),
        ("in a", "dog"),
        ("a dog with a hat and the", "dog"),
        ("some", "of"),
    ],
)
def test_a_word_is_no_fault(beginning, word):
    assert word not in faults_after(beginning)


@pytest.mark.parametrize("word", sorted(NEVER_LAST & set(VOCABULARY.words)))
def test_no_caption_ends_with_a_word_that_needs_another(word):
    assert END in faults_after(f"a dog {word}")
    assert word in faults_after("two dog", is_last=True)


@pytest.mark.parametrize("ending", ["a dog in a red", "near a black"])
def test_no_caption_ends_with_an_adjective_after_an_article(ending):
    assert END in faults_after(ending)
    beginning, _, adjective = ending.rpartition(" ")
    assert adjective in faults_after(beginning, is_last=True)


@pytest.mark.parametrize("ending", ["a dog in red", "a dog runs", "a dog with a hat on"])
def test_a_whole_caption_may_end(ending):
    assert END not in faults_after(ending)
    beginning, _, last = ending.rpartition(" ")
    assert last not in faults_after(beginning, is_last=True)


def test_nothing_but_what_cannot_be_last_is_a_fault_as_the_first_word():
    assert faults_after("") <= {"<pad>"}
    assert faults_after("", is_last=True) - {"<pad>"} == NEVER_LAST & set(VOCABULARY.words)


def test_a_vocabulary_without_the_words_of_the_rules_has_the_other_rules():
    vocabulary = Vocabulary([*SPECIAL_TOKENS, "chien", "noir"])
    faults = Grammar(vocabulary).faults(torch.tensor([[[4, 5]]]), is_last=False)
    assert faults.nonzero().tolist() == [[0, 0, 5]]


@pytest.mark.parametrize("way", [{"beam_size": 1}, {"beam_size": 3}, {"top_p": 0.95}])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), max_words=st.integers(1, 8))
def test_no_caption_that_is_found_has_a_fault(way, seed, max_words):
    decoder = tiny_decoder(seed=seed, vocabulary_size=len(VOCABULARY))
    config = DecodingConfig(max_words=max_words, **way)
    found = search(decoder, tiny_images(seed), config, grammar=Grammar(VOCABULARY))
    for candidates in found.words:
        for caption in map(trimmed, candidates):
            words = [VOCABULARY.words[number] for number in caption]
            for place, word in enumerate(words):
                is_last = place == max_words - 1
                assert word not in faults_after(" ".join(words[:place]), is_last=is_last)


def test_without_the_rules_there_are_faults():
    decoder = tiny_decoder(vocabulary_size=len(VOCABULARY))
    config = DecodingConfig(beam_size=1, max_words=8)
    captions = search(decoder, tiny_images(0), config).words[:, 0]
    words = [[VOCABULARY.words[number] for number in trimmed(caption)] for caption in captions]
    assert any(
        word in faults_after(" ".join(caption[:place]))
        for caption in words
        for place, word in enumerate(caption)
    )


def test_where_every_word_is_a_fault_there_is_still_a_caption():
    vocabulary = Vocabulary([*SPECIAL_TOKENS, "a"])
    decoder = tiny_decoder(vocabulary_size=len(vocabulary))
    config = DecodingConfig(beam_size=1, max_words=3)
    found = search(decoder, tiny_images(0), config, grammar=Grammar(vocabulary))
    assert found.log_probabilities.isfinite().all()
