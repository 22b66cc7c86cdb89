import math

import pytest

from pytorch.training_config import TrainingConfig


def test_the_rate_warms_up_and_follows_the_schedule():
    config = TrainingConfig(learning_rate=8.0, schedule="cosine", epochs=4, warm_up_epochs=1.0)
    assert config.rate(done=0.5, rises=[]) == pytest.approx(4 * (1 + math.cos(math.pi / 8)) / 2)
    assert config.rate(done=2.0, rises=[]) == pytest.approx(4)


def test_an_unknown_schedule_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="no schedule 'guess'; choose one of constant, halving"):
        TrainingConfig(schedule="guess")


@pytest.mark.parametrize(
    "name", ["epochs", "batch_size", "accumulate", "patience", "self_critical_samples"]
)
def test_numbers_below_one_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        TrainingConfig(**{name: 0})
