import random
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.training.train_data import TrainData, Weighted, consecutive, count_drawn, draw
from tests.tiny import tiny_shapes

SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=4)


@st.composite
def weighted_parts(draw_value):
    sizes = draw_value(SIZES)
    weights = st.lists(st.floats(0.01, 4), min_size=len(sizes), max_size=len(sizes))
    return consecutive(sizes, draw_value(weights))


@settings(deadline=None)
@given(weighted_parts(), st.integers())
def test_numbers_are_drawn_as_often_as_their_weight_says(parts, seed):
    drawn = Counter(draw(parts, random.Random(seed)))
    for part in parts:
        times = [drawn[number] for number in part.data]
        assert sum(times) == round(len(part.data) * part.weight)
        assert max(times) - min(times) <= 1
    assert drawn.total() == count_drawn(parts)


def test_a_part_of_the_numbers_is_drawn_anew_each_time():
    parts = consecutive([100, 10], [0.3, 1])
    first, again, other = (draw(parts, random.Random(seed)) for seed in (1, 1, 2))
    assert first == again
    assert set(first) != set(other)


def test_all_parts_are_mixed():
    parts = consecutive([500, 500], [1, 1])
    assert 200 < sum(number < 500 for number in draw(parts, random.Random(1))[:500]) < 300


@pytest.mark.parametrize("weight", [0, -1, float("inf"), float("nan")])
def test_a_weight_must_be_a_positive_number(weight):
    with pytest.raises(ValueError, match=r"weight must be above 0 and finite, not"):
        Weighted("data", weight)


@pytest.mark.slow
def test_rows_are_those_of_one_split_after_another(tmp_path):
    captioner, train, dev = tiny_shapes(tmp_path)
    data = TrainData((Weighted(train), Weighted(dev, 2.0)))
    assert len(data) == 12
    assert [(part.data, part.weight) for part in data.rows] == [(range(8), 1.0), (range(8, 12), 2)]
    assert data.examples[9] == dev.examples[1]
    rows = [9, 0, 11, 9]
    expected = torch.cat(
        [split.features.rows([i]) for split, i in ((dev, 1), (train, 0), (dev, 3))]
    )
    assert data.features.rows(rows)[:3].equal(expected)
    pixels = data.pixels(rows, captioner.encoder.preprocessing)
    assert pixels[1].equal(train.pixels([0], captioner.encoder.preprocessing)[0])
    assert pixels[2].equal(dev.pixels([3], captioner.encoder.preprocessing)[0])
    assert pixels[0].equal(pixels[3])
