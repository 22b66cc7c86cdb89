from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytorch.evaluation.reliability import calibration_error, spearman, tenths

numbers = st.lists(st.integers(-50, 50), min_size=2, max_size=30)
judged = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=50)


def test_the_rank_correlation_of_a_known_example():
    # Without ties it is 1 - 6 * (sum of squared differences) / (n * (n * n - 1)).
    assert spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]) == pytest.approx(1 - 6 * 4 / 120)


def test_equal_values_share_the_mean_of_their_ranks():
    assert spearman([1, 1, 2], [1, 2, 3]) == pytest.approx(3**0.5 / 2)


@given(numbers)
def test_values_agree_with_any_growing_function_of_them(values):
    expected = 1.0 if len(set(values)) > 1 else 0.0
    assert spearman(values, [value**3 for value in values]) == pytest.approx(expected)
    assert spearman(values, [-value for value in values]) == pytest.approx(-expected)


def test_nothing_correlates_with_nothing():
    assert spearman([], []) == 0
    with pytest.raises(ValueError, match="3 and 2 values"):
        spearman([1, 2, 3], [1, 2])


def test_captions_are_counted_by_tenths_of_their_confidence():
    bins = tenths([0.05, 0.72, 0.78, 1.0], [False, True, False, True])
    assert [each.captions for each in bins] == [1, 0, 0, 0, 0, 0, 0, 2, 0, 1]
    assert bins[7].confidence == pytest.approx(0.75)
    assert [bins[0].good, bins[7].good, bins[9].good] == [0, 0.5, 1]


def test_the_calibration_error_is_the_mean_gap():
    assert calibration_error([0.75] * 4, [True, True, True, False]) == 0
    assert calibration_error([0.9, 0.9, 0.1, 0.1], [True, True, True, False]) == pytest.approx(0.25)


@given(judged)
def test_every_caption_is_in_one_tenth_and_the_error_is_a_share(pairs):
    confidences, good = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    assert sum(each.captions for each in tenths(confidences, good)) == len(pairs)
    assert 0 <= calibration_error(confidences, good) <= 1
