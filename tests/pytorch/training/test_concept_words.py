import pytest

from pytorch.model.imagenet_words import ClassWords
from pytorch.model.vocabulary import SPECIAL_TOKENS, Vocabulary
from pytorch.training.concept_words import STOP_WORDS, concept_words

CAPTIONS = [text.split() for text in ("a dog and two dogs", "the dog on a t-shirt", "a 7-up can")]
CLASSES = [ClassWords("n1", ("ox", "kangaroo"), ("animal",)), ClassWords("n2", ("can", "dog"), ())]


def vocabulary(*words):
    return Vocabulary([*SPECIAL_TOKENS, *words])


def test_frequent_content_words_come_first_and_then_names_of_classes():
    words = "a dog dogs and t-shirt ox animal can 7-up two -lrb-"
    known = vocabulary(*words.split())
    chosen = concept_words(CAPTIONS, known, CLASSES, count=2)
    assert chosen == ("dog", "dogs", "ox")
    assert concept_words(CAPTIONS, known, [], count=9) == ("dog", "dogs", "t-shirt", "animal")


def test_words_that_the_decoder_cannot_say_are_no_concepts():
    assert concept_words(CAPTIONS, vocabulary("dogs"), CLASSES, count=5) == ("dogs",)


@pytest.mark.parametrize("word", ["the", "two", "left", "photo", "something"])
def test_words_that_name_nothing_are_stop_words(word):
    assert word in STOP_WORDS
