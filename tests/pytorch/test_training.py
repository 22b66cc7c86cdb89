import dataclasses
import itertools

import pytest
import torch

from pytorch.datasets import Example
from pytorch.features import RegionFeatures
from pytorch.teacher_forcing import SplitData
from pytorch.training import Trainer, TrainingError, WeightAverage
from pytorch.training_config import TrainingConfig
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


def test_the_optimizer_gathers_batches():
    for accumulate, steps in ((1, 5), (2, 3), (9, 1)):
        learner = trainer(dataclasses.replace(CONFIG, epochs=1, accumulate=accumulate))
        learner.run(lambda result: None)
        assert learner.average.updates == steps


def test_gathered_gradients_are_those_of_the_mean_loss():
    def gradients_of(accumulate):
        config = dataclasses.replace(
            CONFIG, epochs=1, accumulate=accumulate, batch_size=6, learning_rate=0.0
        )
        learner = trainer(config)
        gradients = []
        learner.optimizer.register_step_pre_hook(
            lambda *_: gradients.append(learner.decoder.bias.grad.clone())
        )
        learner.config = dataclasses.replace(config, gradient_norm=1e9)
        for module in learner.decoder.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        learner.run(lambda result: None)
        return torch.stack(gradients)

    torch.testing.assert_close(gradients_of(3)[0], gradients_of(1).mean(dim=0))


def test_mixed_precision_gives_nearly_the_same_losses():
    mixed = losses_of(dataclasses.replace(CONFIG, mixed_precision=True))
    assert mixed == pytest.approx(losses_of(CONFIG), rel=0.02)
    assert mixed != losses_of(CONFIG)


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


def test_a_self_critical_phase_follows_from_the_best_weights():
    config = dataclasses.replace(
        CONFIG, self_critical_epochs=2, self_critical_learning_rate=0.0, average_decay=0.0
    )
    learner = trainer(config)
    results = []
    best = learner.run(results.append)
    assert [(result.epoch, result.objective) for result in results] == [
        (1, "teacher forcing"),
        (2, "teacher forcing"),
        (3, "self-critical"),
        (4, "self-critical"),
    ]
    # At a rate of zero the second phase scores what it began with.
    assert results[2].scores == results[3].scores == best.scores


def test_the_weights_to_begin_with_may_be_the_best():
    learner = trainer(dataclasses.replace(CONFIG, learning_rate=0.0))
    results = []
    best = learner.run(results.append, score_first=True)
    assert [result.epoch for result in results] == [0, 1, 2]
    assert best.epoch == 0


class TestWeightAverage:
    def test_it_goes_towards_the_weights(self):
        decoder = tiny_captioner().decoder
        average = WeightAverage(decoder, decay=0.9)
        with torch.no_grad():
            decoder.bias.fill_(5.0)
        for _ in range(200):
            average.update(decoder)
        torch.testing.assert_close(average.decoder.bias, decoder.bias, rtol=1e-3, atol=1e-3)

    def test_without_decay_it_is_the_weights(self):
        decoder = tiny_captioner().decoder
        average = WeightAverage(decoder, decay=0.0)
        with torch.no_grad():
            decoder.bias.fill_(5.0)
        average.update(decoder)
        assert torch.equal(average.decoder.bias, decoder.bias)

    def test_it_moves_less_the_higher_its_decay(self):
        def moved(decay):
            decoder = tiny_captioner().decoder
            average = WeightAverage(decoder, decay=decay)
            before = decoder.bias.detach().clone()
            with torch.no_grad():
                decoder.bias.add_(1.0)
            for _ in range(50):
                average.update(decoder)
            return (average.decoder.bias - before).mean().item()

        assert moved(0.999) < moved(0.5)


def test_a_loss_that_is_not_finite_stops_with_the_batch_named():
    broken = trainer()
    with torch.no_grad():
        broken.decoder.bias[7] = torch.nan
    with pytest.raises(TrainingError, match="became nan in batch 1 of epoch 1"):
        broken.run(lambda result: None)
