from types import SimpleNamespace

import pytest

from pytorch.model.bounds import check_at_least, check_fractions, check_positive

NAN = float("nan")


@pytest.mark.parametrize(
    ("check", "good", "bad", "message"),
    [
        (lambda config, *names: check_at_least(config, 1, *names), 1, 0, "at least 1"),
        (lambda config, *names: check_at_least(config, 1, *names), 1, NAN, "at least 1"),
        (check_positive, 0.1, 0, "above 0"),
        (check_positive, 0.1, NAN, "above 0"),
        (check_fractions, 0, -0.1, "at least 0 and below 1"),
        (check_fractions, 0.9, 1, "at least 0 and below 1"),
        (check_fractions, 0.9, NAN, "at least 0 and below 1"),
    ],
)
def test_the_first_number_out_of_bounds_is_named(check, good, bad, message):
    check(SimpleNamespace(size=good, rate=good), "size", "rate")
    with pytest.raises(ValueError, match=f"rate must be {message}, not {bad}"):
        check(SimpleNamespace(size=good, rate=bad), "size", "rate")
