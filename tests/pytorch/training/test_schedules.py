import pytest

from pytorch.training.schedules import SCHEDULES, cosine, halving, plateau, warm_up


def test_halving_halves_every_second_epoch_after_those_at_the_base_rate():
    factors = [halving(done=epoch, base_lr_epochs=5) for epoch in range(10)]
    assert factors == [1, 1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.125]


def test_halving_does_not_change_within_an_epoch():
    assert halving(done=4.99, base_lr_epochs=5) == 1
    assert halving(done=5.99, base_lr_epochs=5) == 0.5


def test_the_cosine_falls_from_one_to_zero():
    factors = [cosine(done=done, epochs=4) for done in (0, 1, 2, 3, 4, 5)]
    assert factors == sorted(factors, reverse=True)
    assert factors[0] == 1
    assert factors[2] == pytest.approx(0.5)
    assert factors[-2:] == [0, 0]


def test_plateau_halves_after_each_epoch_without_an_improvement():
    assert plateau(improvements=[]) == 1
    assert plateau(improvements=[True, False, True, False]) == 0.25


def test_warm_up_is_linear():
    assert [warm_up(done=done, warm_up_epochs=2) for done in (0, 1, 2, 3)] == [0, 0.5, 1, 1]
    assert warm_up(done=0, warm_up_epochs=0) == 1


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_starts_at_the_base_rate_and_never_exceeds_it(name):
    factors = [
        SCHEDULES[name](done=done / 4, improvements=[], epochs=3, base_lr_epochs=1)
        for done in range(13)
    ]
    assert factors[0] == 1
    assert all(0 <= factor <= 1 for factor in factors)
