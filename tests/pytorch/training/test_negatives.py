from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.training.negatives import KINDS, negative_pictures


def _pixels(count: int, seed: int) -> list[bytes]:
    return [image.tobytes() for image in negative_pictures(count, seed=seed)]


def test_the_same_seed_draws_the_same_pictures_and_another_seed_others():
    assert _pixels(len(KINDS), seed=1) == _pixels(len(KINDS), seed=1)
    assert all(
        one != other
        for one, other in zip(_pixels(len(KINDS), 1), _pixels(len(KINDS), 2), strict=True)
    )


@given(seed=st.integers(0, 10**6), count=st.integers(0, 2 * len(KINDS)))
@settings(max_examples=10)
def test_every_seed_draws_that_many_rgb_pictures(seed, count):
    images = negative_pictures(count, seed=seed)
    assert len(images) == count
    assert {image.mode for image in images} <= {"RGB"}
    assert all(min(image.size) >= 16 for image in images)


def test_the_kinds_are_there_equally_often():
    blank = [image for image in negative_pictures(5 * len(KINDS), seed=4) if _is_flat(image)]
    assert len(blank) == 5


def _is_flat(image) -> bool:
    return len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) == 1
