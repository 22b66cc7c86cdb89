from types import SimpleNamespace

import pytest

from pytorch.model.bounds import check_at_least, check_fractions, check_positive


@pytest.mark.parametrize(
    ("check", "good", "bad", "message"),
    [
        (lambda config, *names: check_at_least(config, 1, *names), 1, 0, "at least 1"),
        (check_positive, 0.1, 0, "above 0"),
        (check_fractions, 0, -0.1, "at least 0 and below 1"),
        (check_fractions, 0.9, 1, "at least 0 and below 1"),
    ],
)
def test_the_first_number_out_of_range_is_named(check, good, bad, message):
    check(SimpleNamespace(size=good, rate=good), "size", "rate")
    with pytest.raises(ValueError, match=f"rate must be {message}, not {bad}"):
        check(SimpleNamespace(size=good, rate=bad), "size", "rate")


@pytest.mark.parametrize(
    "check",
    [
        lambda config, *names: check_at_least(config, 1, *names),
        check_positive,
        check_fractions,
    ],
)
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_numbers_that_are_not_finite_are_refused(check, value):
    with pytest.raises(ValueError, match=f"^rate must be a finite number, not {value}\\.$"):
        check(SimpleNamespace(rate=value), "rate")


def test_a_whole_number_too_large_for_a_float_is_still_a_number():
    check_positive(SimpleNamespace(seed=10**400), "seed")
