import dataclasses
import itertools

import pytest
import torch

from pytorch.datasets import Example
from pytorch.features import RegionFeatures
from pytorch.training import (
    CaptionBatches,
    SplitData,
    Trainer,
    TrainingConfig,
    TrainingError,
    caption_loss,
)
from pytorch.vocabulary import Vocabulary
from tests.tiny import tiny_captioner

EXAMPLES = tuple(
    Example(f"{first}{second}.jpg", (f"a {first} {second}", f"the {second} is {first}"))
    for first, second in itertools.product(["red", "black", "small"], ["dog", "cat", "person"])
)
CONFIG = TrainingConfig(epochs=2, batch_size=4, patience=9)


def split_data() -> SplitData:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(len(EXAMPLES), 4, 1280, generator=generator).half().numpy()
    return SplitData(EXAMPLES, RegionFeatures([example.image for example in EXAMPLES], features))


def trainer(config: TrainingConfig = CONFIG) -> Trainer:
    return Trainer(tiny_captioner(), train=split_data(), dev=split_data(), config=config)


def losses_of(config: TrainingConfig) -> list[float]:
    results = []
    trainer(config).run(results.append)
    return [result.loss for result in results]


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

    def test_epochs_are_shuffled_differently_but_reproducibly(self):
        assert self.pairs(epoch=1) == self.pairs(epoch=1)
        assert self.pairs(epoch=1) != self.pairs(epoch=2)

    def test_the_length_is_the_number_of_batches(self):
        assert len(list(self.batches.of_epoch(1))) == len(self.batches) == 5

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
        expected = caption_loss(logits, targets, attention, CONFIG)
        attention[0, 3:] += 1
        torch.testing.assert_close(caption_loss(changed, targets, attention, CONFIG), expected)

    def test_looking_at_every_region_once_costs_nothing(self):
        logits, targets = torch.rand(1, 2, 18), torch.tensor([[4, 2]])
        even = torch.full((1, 2, 2), 0.5)
        one_sided = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
        plain = caption_loss(logits, targets, None, CONFIG)
        torch.testing.assert_close(caption_loss(logits, targets, even, CONFIG), plain)
        torch.testing.assert_close(caption_loss(logits, targets, one_sided, CONFIG), plain + 1)


def test_the_learning_rate_is_halved_every_second_epoch_after_the_fifth():
    rates = [TrainingConfig(learning_rate=8).rate_in(epoch) for epoch in range(1, 11)]
    assert rates == [8, 8, 8, 8, 8, 4, 4, 2, 2, 1]


def test_the_same_seed_gives_the_same_losses():
    config = dataclasses.replace(CONFIG, seed=3)
    assert losses_of(config) == losses_of(config)
    assert losses_of(config) != losses_of(CONFIG)


def test_it_stops_once_the_dev_score_has_not_risen_for_some_epochs():
    config = dataclasses.replace(CONFIG, learning_rate=0.0, epochs=10, patience=2)
    results = []
    best = trainer(config).run(results.append)
    assert [result.is_best for result in results] == [True, False, False]
    assert best.epoch == 1


def test_a_loss_that_is_not_finite_stops_with_the_batch_named():
    broken = trainer()
    with torch.no_grad():
        broken.captioner.decoder.bias[7] = torch.nan
    with pytest.raises(TrainingError, match="became nan in batch 1 of epoch 1"):
        broken.run(lambda result: None)


@pytest.mark.parametrize("name", ["epochs", "batch_size", "patience"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        TrainingConfig(**{name: 0})
