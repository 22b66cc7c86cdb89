import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import chelsea

from pytorch.model.transforms import Preprocessing

HALF = (0.5, 0.5, 0.5)
PLAIN = Preprocessing(size=8, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), interpolation="bilinear")


def test_the_whole_picture_is_squashed_to_a_square():
    pixels = np.zeros((40, 160, 3), dtype=np.uint8)
    pixels[:, :40] = [255, 0, 0]
    pixels[:, -40:] = [0, 0, 255]

    squashed = PLAIN(Image.fromarray(pixels))

    assert squashed.shape == (3, 8, 8)
    assert squashed.dtype == torch.float32
    assert squashed[:, 4, 0].tolist() == [1, 0, 0]
    assert squashed[:, 4, 4].tolist() == [0, 0, 0]
    assert squashed[:, 4, 7].tolist() == [0, 0, 1]


def test_each_channel_is_normalised_with_its_own_mean_and_deviation():
    preprocessing = Preprocessing(
        size=2, mean=(0.0, 0.2, 0.5), std=(1.0, 0.5, 0.25), interpolation="bicubic"
    )
    normalised = preprocessing(Image.new("RGB", (5, 5), (0, 51, 255)))
    assert normalised[:, 0, 0].tolist() == pytest.approx([0.0, 0.0, 2.0], abs=1e-6)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_pictures_are_resized_with_the_chosen_interpolation(interpolation):
    image = Image.fromarray(chelsea())
    preprocessing = Preprocessing(size=64, mean=HALF, std=HALF, interpolation=interpolation)
    resized = image.resize((64, 64), Image.Resampling[interpolation.upper()])
    expected = torch.from_numpy(np.array(resized)).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(preprocessing(image), expected)


def test_it_survives_a_round_trip_through_json():
    preprocessing = Preprocessing(size=260, mean=HALF, std=(0.1, 0.2, 0.3), interpolation="bicubic")
    assert Preprocessing(**json.loads(json.dumps(asdict(preprocessing)))) == preprocessing


def test_a_picture_that_is_not_rgb_is_refused():
    with pytest.raises(ValueError, match="takes RGB pictures, not CMYK"):
        PLAIN(Image.new("CMYK", (4, 4)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "at least 1 pixel, not 0"),
        ({"mean": (0.5, 0.5)}, "three channels"),
        ({"std": (0.5, 0.5, 0.5, 0.5)}, "three channels"),
        ({"std": (0.5, 0.0, 0.5)}, "above zero"),
        ({"interpolation": "nearest"}, "'nearest'; choose one of: bilinear, bicubic"),
    ],
)
def test_values_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**{**asdict(PLAIN), **change})
