import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.model.imagenet_words import ClassWords
from pytorch.model.people import PEOPLE
from pytorch.model.vocabulary import SPECIAL_TOKENS, Vocabulary
from pytorch.training.caption_batches import NO_PICTURE, CaptionBatch
from pytorch.training.renamed_objects import RenamedObjects, class_names

ANIMALS = ("dog", "cat", "wombat", "eel", "fly", "owl")
FRUITS = ("apple", "banana")
OTHERS = ("a", "an", "the", "brown", "runs", "in", "grass", "and", "woman")
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *ANIMALS, *FRUITS, *OTHERS])
CLASSES = [
    *(ClassWords("", (name,), ("animal",)) for name in ANIMALS),
    *(ClassWords("", (name,), ("fruit",)) for name in FRUITS),
]
SEED = 1


def batch_of(*sentences, row=NO_PICTURE, number=0):
    encoded = [VOCABULARY.encode(sentence) for sentence in sentences]
    longest = max(map(len, encoded))
    words = torch.tensor([[*e, *[Vocabulary.pad] * (longest - len(e))] for e in encoded])
    return CaptionBatch(number, np.full(len(sentences), row), words)


def renamed(batch, epoch=1):
    return RenamedObjects(VOCABULARY, CLASSES, seed=SEED).of_batch(batch, epoch)


def texts_of(sentence, times=200):
    batch, _ = renamed(batch_of(*[sentence.split()] * times))
    return {" ".join(VOCABULARY.decode(words)) for words in batch.words.tolist()}


SENTENCES = st.lists(
    st.lists(st.sampled_from(VOCABULARY.words[len(SPECIAL_TOKENS) :]), min_size=1, max_size=9),
    min_size=1,
    max_size=8,
)


@settings(deadline=None)
@given(SENTENCES, st.integers(0, 9))
def test_at_most_one_object_of_a_sentence_becomes_another_of_its_kind(sentences, epoch):
    before = batch_of(*sentences)
    after, names = renamed(before, epoch)
    for old, new, name in zip(before.words, after.words, names.tolist(), strict=True):
        changed = [
            (VOCABULARY.words[a], VOCABULARY.words[b])
            for a, b in zip(old.tolist(), new.tolist(), strict=True)
            if a != b
        ]
        objects = [pair for pair in changed if pair[0] not in {"a", "an"}]
        if name == Vocabulary.pad:
            assert not changed
        else:
            [(was, now)] = objects
            assert now == VOCABULARY.words[name]
            assert {was, now} <= set(ANIMALS)


def test_all_others_of_its_kind_come_up():
    texts = texts_of("the brown dog runs", times=400)
    assert texts == {f"the brown {animal} runs" for animal in ANIMALS}


def test_the_article_fits_the_new_name():
    assert texts_of("a dog runs") >= {"an eel runs", "an owl runs", "a wombat runs"}


def test_a_verb_that_is_spelled_as_a_name_stays():
    assert texts_of("dog and cat fly") == {"dog and cat fly"}


def test_a_kind_of_few_classes_is_not_exchanged():
    assert texts_of("a banana in the grass") == {"a banana in the grass"}


def test_captions_of_pictures_stay():
    batch = batch_of(*[["the", "dog", "runs"]] * 100, row=3)
    after, names = renamed(batch)
    assert torch.equal(after.words, batch.words)
    assert not names.any()


def test_the_choice_depends_on_epoch_and_batch_but_not_on_what_came_before():
    batch = batch_of(*[["the", "dog", "runs"]] * 100)
    first, again = (renamed(batch, epoch=2)[0].words for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, renamed(batch, epoch=3)[0].words)
    assert not torch.equal(first, renamed(batch._replace(number=1), epoch=2)[0].words)


@pytest.mark.parametrize("name", ["wombat", "banana", "dog"])
def test_the_names_of_classes_are_everyday_words_but_none_for_people(name):
    assert name in class_names()
    assert not class_names() & PEOPLE
