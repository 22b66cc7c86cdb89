import dataclasses
import io
import itertools
from pathlib import Path

import pytest
import torch

from pytorch.data.datasets import Example
from pytorch.data.features import RegionFeatures
from pytorch.data.images import ImageFiles
from pytorch.data.prepared import PreparedSplit
from pytorch.evaluation.evaluate import evaluate
from pytorch.model.checkpoint import load_captioner, save_checkpoint
from pytorch.training.epoch import TrainingError
from pytorch.training.train_data import TrainData, Weighted
from pytorch.training.trainer import Trainer
from pytorch.training.training_config import TrainingConfig
from tests.tiny import FROZEN, tiny_captioner, tiny_shapes

EXAMPLES = tuple(
    Example(f"{first}{second}.jpg", (f"a {first} {second}", f"the {second} is {first}"))
    for first, second in itertools.product(["red", "black", "small"], ["dog", "cat", "person"])
)
CONFIG = TrainingConfig(epochs=2, batch_size=4, patience=9)


def prepare_split() -> PreparedSplit:
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(len(EXAMPLES), 4, 1280, generator=generator).half().numpy()
    features = RegionFeatures([example.image for example in EXAMPLES], features)
    return PreparedSplit(EXAMPLES, features, ImageFiles([]), cache_dir=Path("unused"))


def trainer(config: TrainingConfig = CONFIG) -> Trainer:
    train, dev = TrainData((Weighted(prepare_split()),)), {"mine": prepare_split()}
    return Trainer(tiny_captioner(), train=train, dev=dev, config=config)


def losses_of(config: TrainingConfig) -> list[float]:
    results = []
    trainer(config).run(results.append)
    return [result.loss for result in results]


def test_gradients_of_several_batches_make_one_step():
    for accumulation_steps, steps in ((1, 5), (2, 3), (9, 1)):
        learner = trainer(
            dataclasses.replace(CONFIG, epochs=1, accumulation_steps=accumulation_steps)
        )
        learner.run(lambda result: None)
        assert learner.optimization.ema.updates == steps


def test_gathered_gradients_are_those_of_the_mean_loss():
    def gradients_of(accumulation_steps):
        config = dataclasses.replace(
            CONFIG,
            epochs=1,
            accumulation_steps=accumulation_steps,
            batch_size=6,
            learning_rate=0.0,
            max_grad_norm=1e9,
        )
        learner = trainer(config)
        gradients = []
        learner.optimization.optimizer.register_step_pre_hook(
            lambda *_: gradients.append(learner.captioner.decoder.bias.grad.clone())
        )
        for module in learner.captioner.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        learner.run(lambda result: None)
        return torch.stack(gradients)

    torch.testing.assert_close(gradients_of(3)[0], gradients_of(1).mean(dim=0))


@pytest.mark.slow
def test_mixed_precision_gives_nearly_the_same_losses():
    mixed = losses_of(dataclasses.replace(CONFIG, mixed_precision=True))
    assert mixed == pytest.approx(losses_of(CONFIG), rel=0.02)
    assert mixed != losses_of(CONFIG)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_losses():
    config = dataclasses.replace(CONFIG, seed=3)
    assert losses_of(config) == losses_of(config)
    assert losses_of(config) != losses_of(CONFIG)


def test_it_stops_after_some_epochs_without_an_improvement():
    config = dataclasses.replace(CONFIG, learning_rate=0.0, epochs=10, patience=2)
    results = []
    best = trainer(config).run(results.append)
    assert [result.improved for result in results] == [True, False, False]
    assert best.epoch == 1


def test_self_critical_training_starts_from_the_best_weights():
    config = dataclasses.replace(
        CONFIG, self_critical_epochs=2, self_critical_learning_rate=0.0, ema_decay=0.0
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
    # At a rate of zero the second phase scores the weights it started from.
    assert results[2].scores == results[3].scores == best.scores


def test_the_initial_weights_may_be_the_best():
    learner = trainer(dataclasses.replace(CONFIG, learning_rate=0.0))
    results = []
    best = learner.run(results.append, score_first=True)
    assert [result.epoch for result in results] == [0, 1, 2]
    assert best.epoch == 0


def test_a_loss_that_is_not_finite_stops_and_names_the_batch():
    broken = trainer()
    with torch.no_grad():
        broken.captioner.decoder.bias[7] = torch.nan
    with pytest.raises(TrainingError, match="became nan in batch 1 of epoch 1"):
        broken.run(lambda result: None)


def test_weights_that_the_last_step_made_infinite_or_undefined_stop_before_they_are_scored():
    broken = trainer(dataclasses.replace(CONFIG, epochs=1, batch_size=6))  # three steps
    bias = broken.captioner.decoder.bias
    steps = []
    bias.register_hook(lambda gradient: gradient * (torch.nan if len(steps) == 2 else 1.0))
    broken.optimization.optimizer.register_step_pre_hook(lambda *_: steps.append(None))
    results = []
    with pytest.raises(TrainingError, match=r"^Weights became infinite or undefined in epoch 1\."):
        broken.run(results.append)
    assert len(steps) == 3
    assert results == broken.history == []


@pytest.mark.slow
class TestFineTuning:
    config = TrainingConfig(
        epochs=3,
        batch_size=16,
        patience=9,
        ema_decay=0.5,
        fine_tune_from="19",
        fine_tune_after=1,
        fine_tune_learning_rate=0.01,
    )

    def trainer(self, cache, *, flip=False, **changes):
        captioner, train, dev = tiny_shapes(cache, flip=flip)
        config = dataclasses.replace(self.config, **changes)
        train = TrainData((Weighted(train),))
        return Trainer(captioner, train=train, dev={"shapes": dev}, config=config)

    def test_only_the_layers_from_the_one_named_change_and_only_once_it_starts(self, tmp_path):
        learner = self.trainer(tmp_path)
        before = copy_of(learner.averaged.encoder)
        after = []
        learner.run(lambda _: after.append(copy_of(learner.averaged.encoder)))
        assert changed(before, after[0]) == set()
        freed = {name for name in before if name.split(".")[1] in ("19", "20")}
        weights = {name for name, _ in learner.averaged.encoder.named_parameters()}
        assert changed(before, after[1]) == changed(after[1], after[2]) == freed & weights

    def test_the_encoder_has_a_rate_of_its_own(self, tmp_path):
        learner = self.trainer(tmp_path, fine_tune_learning_rate=0.0)
        before = copy_of(learner.averaged.encoder)
        decoders = []
        learner.run(lambda _: decoders.append(copy_of(learner.averaged.decoder)))
        assert changed(before, copy_of(learner.averaged.encoder)) == set()
        assert changed(decoders[0], decoders[1]) == set(decoders[0])

    def test_at_a_rate_of_zero_the_losses_are_those_of_cached_features(self, tmp_path):
        def losses_of(**changes):
            results = []
            self.trainer(tmp_path, flip=True, epochs=1, **changes).run(results.append)
            return [result.loss for result in results]

        tuned = losses_of(fine_tune_after=0, fine_tune_learning_rate=0.0)
        # The cache is in half precision, with a relative error of at most 2**-11.
        assert tuned == pytest.approx(losses_of(**FROZEN), rel=1e-4)

    def test_the_scores_of_every_epoch_are_those_of_its_checkpoint(self, tmp_path):
        learner = self.trainer(tmp_path / "cache")
        split = learner.dev_splits["shapes"]
        images = [split.images.open(example.image) for example in split.examples]

        def check(result):
            directory = tmp_path / str(result.epoch)
            save_checkpoint(directory, learner.averaged, model_card="")
            loaded = load_captioner(directory)
            dev = split.encoded_by(loaded.encoder, cached=True, device=loaded.device)
            assert evaluate(loaded, dev).scores == result.scores
            assert loaded.caption(images) == learner.averaged.caption(images)

        learner.run(check)

    @pytest.mark.parametrize(("decay", "is_averaged"), [(0.5, True), (0.0, False)])
    def test_the_encoder_is_averaged_like_the_decoder(self, tmp_path, decay, is_averaged):
        learner = self.trainer(tmp_path, epochs=1, fine_tune_after=0, ema_decay=decay)
        learner.run(lambda _: None)
        for part in ("decoder", "encoder"):
            last, scored = getattr(learner.captioner, part), getattr(learner.averaged, part)
            assert bool(changed(copy_of(last), copy_of(scored))) == is_averaged

    def test_features_of_weights_that_still_change_are_not_cached(self, tmp_path):
        learner = self.trainer(tmp_path)
        before = sorted(tmp_path.iterdir())
        learner.run(lambda _: None)
        assert sorted(tmp_path.iterdir()) == before

    def test_a_resumed_run_is_the_same_to_the_last_bit(self, tmp_path):
        options = {"self_critical_epochs": 2}
        whole, states = self.trainer(tmp_path, **options), []
        whole.run(lambda _: states.append(written(whole.state_dict())))
        expected = [result.loss for result in whole.history]
        assert len(states) == 5
        for state in states[:-1]:
            resumed = self.trainer(tmp_path, **options)
            resumed.load_state_dict(torch.load(io.BytesIO(state), weights_only=True))
            resumed.run(lambda _: None)
            assert [result.loss for result in resumed.history] == expected
            for part in ("decoder", "encoder"):
                first, second = (getattr(t.averaged, part) for t in (whole, resumed))
                assert changed(copy_of(first), copy_of(second)) == set()

    def test_self_critical_training_uses_the_fine_tuned_encoder(self, tmp_path):
        learner = self.trainer(
            tmp_path,
            ema_decay=0.0,
            epochs=1,
            fine_tune_after=0,
            self_critical_epochs=1,
            self_critical_learning_rate=0.0,
        )
        encoders = []
        learner.run(lambda _: encoders.append(copy_of(learner.averaged.encoder)))
        assert changed(encoders[0], encoders[1]) == set()
        assert changed(copy_of(learner.initial_encoder), encoders[1])
        assert learner.averaged.encoder.weights_source == "fine-tuned"
        assert learner.history[0].scores == learner.history[1].scores

    def test_the_initial_encoder_returns_if_fine_tuning_improved_nothing(self, tmp_path):
        options = {"learning_rate": 0.0, "fine_tune_learning_rate": 0.0}
        learner = self.trainer(tmp_path, self_critical_epochs=1, **options)
        learner.run(lambda _: None)
        assert learner.best.epoch == 1
        assert learner.averaged.encoder is learner.initial_encoder
        assert learner.averaged.encoder.weights_source == "random"


def copy_of(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(before, after):
    """Names of the tensors that differ."""
    return {name for name in before if not torch.equal(before[name], after[name])}


def written(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
