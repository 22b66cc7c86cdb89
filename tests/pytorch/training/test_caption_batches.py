import itertools
from pathlib import Path

import pytest

from pytorch.data.datasets import Example
from pytorch.data.formats.sentences import SentenceDataset
from pytorch.model.vocabulary import SPECIAL_TOKENS, Vocabulary
from pytorch.training.caption_batches import NO_PICTURE, CaptionBatches
from pytorch.training.train_data import Weighted
from tests.tiny import WORDS

EXAMPLES = tuple(
    Example(f"{first}{second}.jpg", (f"a {first} {second}", f"the {second} is {first}"))
    for first, second in itertools.product(["red", "black", "small"], ["dog", "cat", "person"])
)
OTHERS = tuple(Example(f"{word}.jpg", (f"a {word} in snow",)) for word in WORDS)
SENTENCES = tuple(("a", word, "sits", "on", "the", "grass") for word in WORDS)
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *WORDS])


def batches_of(pictures, texts=(), batch_size=4):
    return CaptionBatches(pictures, VOCABULARY, texts=texts, batch_size=batch_size, seed=1)


def pairs(batches, epoch):
    return [
        (row, tuple(word for word in words if word != Vocabulary.pad))
        for batch in batches.of_epoch(epoch)
        for row, words in zip(batch.rows.tolist(), batch.words.tolist(), strict=True)
    ]


def expected_pairs(examples, start=0):
    return [
        (row, tuple(VOCABULARY.encode(caption.split())))
        for row, example in enumerate(examples, start)
        for caption in example.captions
    ]


class TestOfOneDataSet:
    batches = batches_of([Weighted(EXAMPLES)])

    def test_an_epoch_holds_every_caption_with_its_image_once(self):
        assert sorted(pairs(self.batches, epoch=1)) == sorted(expected_pairs(EXAMPLES))

    def test_each_epoch_has_an_order_of_its_own_which_is_reproducible(self):
        assert pairs(self.batches, epoch=1) == pairs(self.batches, epoch=1)
        assert pairs(self.batches, epoch=1) != pairs(self.batches, epoch=2)

    def test_the_length_is_the_number_of_batches(self):
        assert len(list(self.batches.of_epoch(1))) == len(self.batches) == 5

    def test_batches_are_numbered(self):
        assert [batch.number for batch in self.batches.of_epoch(2)] == [0, 1, 2, 3, 4]

    def test_the_mean_words_are_those_to_predict_in_a_batch(self):
        words = [(batch.words[:, 1:] != Vocabulary.pad).sum() for batch in self.batches.of_epoch(1)]
        assert self.batches.mean_words == sum(words) / 5

    def test_captions_of_similar_length_are_batched_together(self):
        for batch in self.batches.of_epoch(1):
            lengths = (batch.words != Vocabulary.pad).sum(dim=1)
            assert lengths.max() - lengths.min() <= 1


class TestOfSeveralDataSets:
    pictures = (Weighted(EXAMPLES), Weighted(OTHERS, 2.0))
    texts = (Weighted(SentenceDataset("sentences", Path("x"), SENTENCES, {"x": len(WORDS)}), 0.5),)
    batches = batches_of(pictures, texts)

    def test_an_epoch_holds_captions_as_often_as_their_weights_say(self):
        seen = sorted(pair for pair in pairs(self.batches, 1) if pair[0] != NO_PICTURE)
        others = expected_pairs(OTHERS, start=len(EXAMPLES))
        assert seen == sorted(expected_pairs(EXAMPLES) + others * 2)

    def test_each_epoch_draws_its_own_share_of_the_sentences(self):
        every = {tuple(VOCABULARY.encode(sentence)) for sentence in SENTENCES}
        drawn = [
            {words for row, words in pairs(self.batches, epoch) if row == NO_PICTURE}
            for epoch in (1, 2)
        ]
        assert [len(words) for words in drawn] == [len(SENTENCES) // 2] * 2
        assert drawn[0] != drawn[1]
        assert drawn[0] | drawn[1] <= every

    def test_batches_mix_all_data_sets(self):
        [batch] = batches_of(self.pictures, self.texts, batch_size=999).of_epoch(1)
        assert batch.rows.tolist().count(NO_PICTURE) == 7
        assert set(batch.rows.tolist()) == {NO_PICTURE, *range(len(EXAMPLES) + len(OTHERS))}

    def test_the_length_and_the_mean_words_follow_the_weights(self):
        words = sum((batch.words[:, 1:] != 0).sum() for batch in self.batches.of_epoch(1))
        assert len(self.batches) == len(list(self.batches.of_epoch(1)))
        assert self.batches.mean_words == pytest.approx(words / len(self.batches))

    def test_the_words_of_captions_and_sentences_are_counted_once(self):
        counts = self.batches.word_counts
        assert counts[VOCABULARY.encode(["snow"])[1]] == len(WORDS) + 2
        assert counts[VOCABULARY.encode(["sits"])[1]] == len(WORDS) + 2
