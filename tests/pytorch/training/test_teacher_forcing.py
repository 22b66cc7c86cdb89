import itertools
import threading

import pytest
import torch

from pytorch.data.datasets import Example
from pytorch.model.vocabulary import Vocabulary
from pytorch.training.teacher_forcing import CaptionBatches, caption_loss, one_ahead
from tests.tiny import tiny_captioner

EXAMPLES = tuple(
    Example(f"{first}{second}.jpg", (f"a {first} {second}", f"the {second} is {first}"))
    for first, second in itertools.product(["red", "black", "small"], ["dog", "cat", "person"])
)
TERMS = {
    "mean_words": 3.0,
    "mean_captions": 1.0,
    "label_smoothing": 0.05,
    "attention_penalty": 1.0,
}


class TestBatches:
    vocabulary = tiny_captioner().vocabulary
    batches = CaptionBatches(EXAMPLES, vocabulary, batch_size=4, seed=1)

    def pairs(self, epoch):
        return [
            (row, tuple(word for word in caption.tolist() if word != Vocabulary.pad))
            for rows, captions in self.batches.of_epoch(epoch)
            for row, caption in zip(rows, captions, strict=True)
        ]

    def test_an_epoch_holds_every_caption_with_its_image_once(self):
        expected = [
            (row, tuple(self.vocabulary.encode(caption.split())))
            for row, example in enumerate(EXAMPLES)
            for caption in example.captions
        ]
        assert sorted(self.pairs(epoch=1)) == sorted(expected)

    def test_each_epoch_has_an_order_of_its_own_which_is_reproducible(self):
        assert self.pairs(epoch=1) == self.pairs(epoch=1)
        assert self.pairs(epoch=1) != self.pairs(epoch=2)

    def test_the_length_is_the_number_of_batches(self):
        assert len(list(self.batches.of_epoch(1))) == len(self.batches) == 5

    def test_the_mean_words_are_those_to_predict_in_a_batch(self):
        words = [
            (captions[:, 1:] != Vocabulary.pad).sum() for _, captions in self.batches.of_epoch(1)
        ]
        assert self.batches.mean_words == sum(words) / 5

    def test_captions_of_similar_length_are_batched_together(self):
        for _, captions in self.batches.of_epoch(1):
            lengths = (captions != Vocabulary.pad).sum(dim=1)
            assert lengths.max() - lengths.min() <= 1


class TestLoss:
    def test_padding_does_not_count(self):
        logits = torch.rand(2, 5, 18, generator=torch.Generator().manual_seed(0))
        targets = torch.tensor([[4, 5, 2, 0, 0], [6, 7, 8, 9, 2]])
        changed = logits.clone()
        changed[0, 3:] += 100 * torch.rand(2, 18)
        attention = torch.rand(2, 5, 4)
        expected = caption_loss(logits, targets, attention, **TERMS)
        attention[0, 3:] += 1
        torch.testing.assert_close(caption_loss(changed, targets, attention, **TERMS), expected)

    def test_a_word_has_the_same_weight_in_short_and_long_captions(self):
        logits = torch.rand(2, 5, 18, generator=torch.Generator().manual_seed(0))
        targets = torch.tensor([[4, 2, 0, 0, 0], [6, 7, 8, 9, 2]])
        together = caption_loss(logits, targets, None, **TERMS)
        short = caption_loss(logits[:1, :2], targets[:1, :2], None, **TERMS)
        long = caption_loss(logits[1:], targets[1:], None, **TERMS)
        torch.testing.assert_close(short + long, together)

    def test_looking_at_every_region_once_costs_nothing(self):
        logits, targets = torch.rand(1, 2, 18), torch.tensor([[4, 2]])
        even = torch.full((1, 2, 2), 0.5)
        one_sided = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
        plain = caption_loss(logits, targets, None, **TERMS)
        torch.testing.assert_close(caption_loss(logits, targets, even, **TERMS), plain)
        torch.testing.assert_close(caption_loss(logits, targets, one_sided, **TERMS), plain + 1)


class TestOneAhead:
    def test_it_gives_the_items_in_order(self):
        assert list(one_ahead(iter(range(5)))) == [0, 1, 2, 3, 4]
        assert list(one_ahead(iter([]))) == []

    def test_only_the_next_item_is_made_while_one_is_in_use(self):
        made = [threading.Event() for _ in range(4)]

        def items():
            for number, event in enumerate(made):
                event.set()
                yield number

        ahead = one_ahead(items())
        assert next(ahead) == 0
        assert made[1].wait(timeout=10)
        assert not made[2].wait(timeout=0.1)
        ahead.close()

    def test_an_error_in_an_item_is_raised_in_its_turn(self):
        def items():
            yield 1
            raise RuntimeError("unreadable")

        ahead = one_ahead(items())
        assert next(ahead) == 1
        with pytest.raises(RuntimeError, match="unreadable"):
            next(ahead)
