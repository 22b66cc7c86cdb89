import numpy as np
from PIL import Image

from captioning.api.attention_image import DARKEST, draw_attention
from tests.captioning.pictures import decoded

WHITE = Image.new("RGB", (80, 60), "white")


def brightness(attention):
    image = decoded(draw_attention(WHITE, attention))
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (80, 60))
    return np.asarray(image.convert("L"), float) / 255


def test_the_region_with_most_attention_is_unchanged_and_that_with_least_is_darkest():
    drawn = brightness([[0.1, 0.2], [0.3, 0.4]])
    assert drawn[-1, -1] > 0.98
    assert abs(drawn[0, 0] - (1 - DARKEST)) < 0.02
    assert drawn[0, 0] < drawn[0, -1] < drawn[-1, 0] < drawn[-1, -1]


def test_small_differences_are_stretched():
    small = brightness([[0.249, 0.25], [0.25, 0.251]])
    assert np.abs(small - brightness([[0.1, 0.25], [0.25, 0.4]])).max() < 0.01


def test_even_attention_leaves_the_photograph_as_it_is(coffee):
    image = decoded(draw_attention(coffee, [[0.25, 0.25], [0.25, 0.25]]))
    assert image.tobytes() == coffee.tobytes()


def test_the_grid_need_not_be_square():
    drawn = brightness([[0.0, 0.0, 1.0]])
    assert drawn[30, 75] > 0.95
    assert drawn[30, 10] < 0.25
