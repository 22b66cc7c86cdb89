import threading

import pytest
import torch

from pytorch.data.formats.sentences import SentenceDataset
from pytorch.training.teacher_forcing import TeacherForcing, caption_loss, one_ahead
from pytorch.training.train_data import TrainData, Weighted
from pytorch.training.training_config import TrainingConfig
from tests.tiny import tiny_shapes

TERMS = {
    "mean_words": 3.0,
    "mean_captions": 1.0,
    "label_smoothing": 0.05,
    "attention_penalty": 1.0,
}


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


@pytest.mark.slow
class TestObjective:
    def objective(self, folder, *, fine_tuned):
        captioner, train, _ = tiny_shapes(folder)
        if fine_tuned:
            captioner.encoder.fine_tune_from("19")
        words = captioner.vocabulary.words[4:]
        sentences = tuple((word, *words[:3]) for word in words)
        texts = SentenceDataset("sentences", folder, sentences, {"x": len(sentences)})
        data = TrainData((Weighted(train, 0.2),), (Weighted(texts),))
        return TeacherForcing(captioner, data, TrainingConfig(batch_size=3))

    @pytest.mark.parametrize("fine_tuned", [False, True])
    def test_a_batch_may_have_any_number_of_pictures(self, tmp_path, fine_tuned):
        objective = self.objective(tmp_path, fine_tuned=fine_tuned)
        counts = set()
        for batch in objective.batches(epoch=1):
            counts.add(int(batch.is_pictured.sum()))
            loss = objective(batch)
            loss.backward()
            assert loss.isfinite()
        assert {0, 1} <= counts

    def test_what_has_no_picture_has_no_features(self, tmp_path):
        objective = self.objective(tmp_path, fine_tuned=False)
        for batch in objective.batches(epoch=1):
            is_there = objective._regions(batch).abs().sum(dim=(1, 2)) > 0
            assert is_there.equal(batch.is_pictured)


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
