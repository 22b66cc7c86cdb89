from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.model.concepts import ConceptScores
from pytorch.training.caption_batches import NO_PICTURE, CaptionBatch
from pytorch.training.told_concepts import ToldConcepts, is_among, is_first

PLACES, WORDS = 14, 200
CONCEPTS = range(50, WORDS)
COUNTS = np.arange(WORDS)
GENERATOR = torch.Generator().manual_seed(1)
DETECTED = ConceptScores(
    torch.rand(300, len(CONCEPTS), generator=GENERATOR).argsort(dim=1)[:, :PLACES] + 50,
    torch.rand(300, PLACES, generator=GENERATOR).mul(0.3).sort(descending=True).values,
)


def told_concepts(detected=DETECTED, concepts=CONCEPTS):
    return ToldConcepts(detected, concepts, COUNTS, seed=1)


def batch_of(rows, seed=1, length=12, number=0):
    words = np.random.default_rng(seed).integers(4, WORDS, (len(rows), length))
    words[:, 0], words[:, -1] = 1, 2
    return CaptionBatch(number, np.array(rows), torch.from_numpy(words))


def told(batch, epoch=1, renamed=None):
    renamed = torch.zeros(len(batch.rows), dtype=torch.int64) if renamed is None else renamed
    concepts, shown = told_concepts().of_batch(batch, epoch, renamed)
    return concepts.words.numpy(), concepts.scores.numpy(), shown.numpy()


def own_of(batch):
    return [{w for w in words if w >= 50} for words in batch.words.tolist()]


ROWS = st.lists(st.integers(NO_PICTURE, 299), min_size=1, max_size=12)


@settings(deadline=None)
@given(ROWS, st.integers(0, 9), st.integers(2, 40))
def test_any_batch_is_told_different_concepts_with_scores_from_0_to_1(rows, seed, length):
    batch = batch_of(rows, seed=seed, length=length)
    words, scores, shown = told(batch)
    assert words.shape == scores.shape == (len(rows), PLACES)
    assert (scores >= 0).all()
    assert (scores <= 1).all()
    for own in words:
        there = own[own > 0].tolist()
        assert len(set(there)) == len(there)
        assert set(there) <= set(CONCEPTS)
    assert (scores[words == 0] == 0).all()
    assert not shown[batch.rows == NO_PICTURE].any()


def test_what_is_told_depends_on_seed_epoch_and_batch_only():
    rows = [*range(40), *[NO_PICTURE] * 40]
    first = told(batch_of(rows))
    assert all(np.array_equal(*pair) for pair in zip(first, told(batch_of(rows)), strict=True))
    for other in (told(batch_of(rows), epoch=2), told(batch_of(rows, number=1))):
        assert not np.array_equal(first[1], other[1])


class TestSentences:
    batch = batch_of([NO_PICTURE] * 2000)
    words, scores, shown = told(batch)
    is_own = np.array(
        [[w in own for w in row] for row, own in zip(words, own_of(batch), strict=True)]
    )

    def test_no_picture_is_shown(self):
        assert not self.shown.any()

    def test_about_two_thirds_of_their_own_concepts_are_told(self):
        share = self.is_own.sum() / sum(map(len, own_of(self.batch)))
        assert share == pytest.approx(0.65, abs=0.02)

    def test_the_rest_are_others_with_mostly_lower_scores(self):
        assert (self.words > 0).mean() > 0.99
        assert self.scores[self.is_own].mean() == pytest.approx(0.5, abs=0.02)
        assert self.scores[self.is_own].min() >= 0.05
        assert self.scores[~self.is_own].mean() == pytest.approx(0.6 * 1.2 / 10.2, abs=0.01)

    def test_frequent_concepts_are_wrong_more_often_than_rare_ones(self):
        wrong = self.words[~self.is_own]
        assert (wrong >= 175).sum() > 1.5 * (wrong < 75).sum() > 0

    def test_without_enough_concepts_places_remain_empty(self):
        few = told_concepts(ConceptScores(*(t[:, :5] for t in DETECTED)), concepts=range(195, 200))
        batch = batch_of([NO_PICTURE] * 50)
        concepts, _ = few.of_batch(batch, epoch=1, renamed=torch.zeros(50, dtype=torch.int64))
        assert concepts.words.shape == (50, 5)
        assert set(concepts.words.flatten().tolist()) <= {0, *range(195, 200)}


class TestPictures:
    batch = batch_of([*range(300)] * 10)
    words, scores, shown = told(batch)
    detected = DETECTED.scores.numpy()[batch.rows]

    def test_a_tenth_are_not_shown(self):
        assert 1 - self.shown.mean() == pytest.approx(0.1, abs=0.02)

    def test_of_a_tenth_no_concept_is_told(self):
        untold = (self.scores == 0).all(axis=1)
        assert untold.mean() == pytest.approx(0.1, abs=0.02)

    def test_for_a_third_the_concepts_of_the_caption_have_high_scores(self):
        own = own_of(self.batch)
        is_own = np.array([[w in o for w in row] for row, o in zip(self.words, own, strict=True)])
        high = self.scores >= 0.4  # above all that was detected
        assert not (high & ~is_own).any()
        untold = (self.scores == 0).all(axis=1)
        raised = high.any(axis=1)
        found = is_own.any(axis=1) & ~untold
        assert raised[found].mean() > 0.3
        assert raised.mean() == pytest.approx(0.3, abs=0.04)

    def test_what_is_added_takes_the_place_of_the_weakest(self):
        before, own = DETECTED.words[self.batch.rows].tolist(), own_of(self.batch)
        some_added = 0
        for words, detected, said in zip(self.words.tolist(), before, own, strict=True):
            added = set(words) - set(detected)
            assert added <= said
            some_added += bool(added)
            # The strongest come first, and those that the caption says stay.
            rest = [word for word in detected if word not in said]
            assert [word for word in rest if word in words] == rest[: len(rest) - len(added)]
        assert some_added > 500

    def test_the_others_are_told_as_they_were_detected(self):
        unchanged = (self.words == DETECTED.words.numpy()[self.batch.rows]).all(
            axis=1
        ) & np.isclose(self.scores, self.detected).all(axis=1)
        assert unchanged.mean() > 0.55


def test_firsts_are_found():
    words = np.array([[5, 0, 5, 7, 0], [6, 7, 7, 6, 6]])
    assert is_first(words).tolist() == [
        [True, False, False, True, False],
        [True, True, False, False, False],
    ]


def test_words_among_others_are_found():
    words, others = np.array([[5, 0, 7]]), np.array([[7, 8, 0, 9]])
    assert list(chain(*is_among(words, others).tolist())) == [False, False, True]


@settings(deadline=None)
@given(st.integers(0, 99), st.integers(0, 9))
def test_the_new_name_of_a_sentence_is_told_with_a_high_score(seed, epoch):
    batch = batch_of([NO_PICTURE] * 4, seed=seed)
    renamed = torch.tensor([max(own, default=0) for own in own_of(batch)])
    words, scores, _ = told(batch, epoch, renamed)
    for row, name in enumerate(renamed.tolist()):
        if name:
            assert scores[row, words[row] == name].item() >= 0.4
