import math

import pytest

from pytorch.training.training_config import TrainingConfig


def test_the_learning_rate_warms_up_and_follows_the_schedule():
    config = TrainingConfig(schedule="cosine", epochs=4, warm_up_epochs=1.0)
    half_warm = 0.5 * (1 + math.cos(math.pi / 8)) / 2
    assert config.lr_factor(done=0.5, improvements=[]) == pytest.approx(half_warm)
    assert config.lr_factor(done=2.0, improvements=[]) == pytest.approx(0.5)


def test_an_unknown_schedule_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="no schedule 'guess'; choose one of constant, halving"):
        TrainingConfig(schedule="guess")


@pytest.mark.parametrize("after", [-1, 3])
def test_fine_tuning_needs_at_least_one_epoch(after):
    message = f"at least 0 and below epochs, which is 3, not {after}"
    with pytest.raises(ValueError, match=message):
        TrainingConfig(epochs=3, fine_tune_from="layer4", fine_tune_after=after)


def test_without_fine_tuning_its_start_does_not_matter():
    assert TrainingConfig(epochs=3).fine_tune_after > 3


@pytest.mark.parametrize(
    "name", ["epochs", "batch_size", "accumulation_steps", "patience", "self_critical_samples"]
)
def test_numbers_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        TrainingConfig(**{name: 0})


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": -3, "self_critical_epochs": 5},
        {"self_critical_epochs": -1},
        {"base_lr_epochs": -1},
        {"warm_up_epochs": -0.5},
        {"weight_decay": -0.1},
        {"attention_penalty": -0.1},
        {"learning_rate": -0.01},
        {"learning_rate": float("inf")},
        {"fine_tune_learning_rate": float("nan")},
        {"self_critical_learning_rate": -0.1},
        {"max_grad_norm": 0.0},
        {"label_smoothing": 1.5},
        {"ema_decay": 1.0},
    ],
)
def test_numbers_out_of_range_are_refused(values):
    name, value = next(iter(values.items()))
    with pytest.raises(ValueError, match=f"{name} must be .*, not {value}"):
        TrainingConfig(**values)


@pytest.mark.parametrize(
    ("values", "needed"),
    [
        ({"fine_tune_after": 2}, "fine_tune_from"),
        ({"fine_tune_learning_rate": 1e-4}, "fine_tune_from"),
        ({"self_critical_learning_rate": 1e-5}, "self_critical_epochs"),
        ({"self_critical_samples": 5}, "self_critical_epochs"),
    ],
)
def test_options_of_a_missing_phase_are_refused(values, needed):
    [name] = values
    with pytest.raises(ValueError, match=f"{name} has no effect without {needed}"):
        TrainingConfig(**values)
