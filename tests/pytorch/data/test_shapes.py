import random

import numpy as np
import pytest
from PIL import ImageColor

from pytorch.data.datasets import load_dataset
from pytorch.data.images import ImageError
from pytorch.data.shapes import COLOURS, all_scenes

# The share of its square that each kind of shape fills.
FILLED = {"circle": np.pi / 4, "square": 1, "triangle": 1 / 2}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return load_dataset("shapes", tmp_path_factory.mktemp("empty"))


def seen(picture, shape):
    """Where a shape of this colour is in the picture, how wide, and what kind it must be."""
    pixels = np.asarray(picture)
    rows, columns = np.nonzero((pixels == ImageColor.getrgb(COLOURS[shape.colour])).all(axis=2))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert abs(height - width) <= 1
    filled = len(rows) / (height * width)
    kind = min(FILLED, key=lambda kind: abs(FILLED[kind] - filled))
    return (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2, width, kind


@pytest.mark.parametrize(
    "scene",
    random.Random(1).sample([s for s in all_scenes() if s.first.colour != s.second.colour], 40),
    ids=lambda scene: scene.image,
)
def test_a_picture_shows_what_its_captions_say(scene):
    picture = scene.draw()
    top, left, first_width, first_kind = seen(picture, scene.first)
    bottom, right, second_width, second_kind = seen(picture, scene.second)
    assert (first_kind, second_kind) == (scene.first.kind, scene.second.kind)
    for width, shape in ((first_width, scene.first), (second_width, scene.second)):
        assert (width > 0.3 * picture.width) == (shape.size == "large")
    apart, across = bottom - top, right - left
    if scene.relation == "left of":
        apart, across = across, apart
    assert apart > 1.1 * abs(across)
    # They do not touch.
    assert apart >= (first_width + second_width) / 2


def test_captions_are_several_true_sentences():
    scene = next(s for s in all_scenes() if s.image.startswith("small-red-circle-above-large-blue"))
    kind = scene.second.kind
    assert scene.captions == (
        f"A red circle above a blue {kind}.",
        f"A red circle is above a blue {kind}.",
        f"There is a red circle above a blue {kind}.",
        f"A small red circle above a large blue {kind}.",
        f"A blue {kind} below a red circle.",
    )


def test_no_scene_is_in_two_splits(dataset):
    names = [example.image for examples in dataset.splits.values() for example in examples]
    assert len(set(names)) == len(names) == 1000
    assert list(dataset.splits) == ["train", "dev", "test"]
    captions = {e.captions for examples in dataset.splits.values() for e in examples}
    assert len(captions) > 0.7 * len(names)


def test_no_caption_is_true_of_two_shapes_in_a_picture():
    assert all(scene.first.name != scene.second.name for scene in all_scenes())


def test_every_word_of_dev_and_test_is_learned_in_train(dataset):
    words = {
        split: {word for e in examples for text in e.captions for word in text.split()}
        for split, examples in dataset.splits.items()
    }
    assert words["dev"] <= words["train"]
    assert words["test"] <= words["train"]


def test_the_same_data_set_is_drawn_every_time(dataset, tmp_path):
    again = load_dataset("shapes", tmp_path)
    assert again.splits == dataset.splits
    names = [example.image for example in dataset.split("dev")]
    fingerprints = [dataset.images.fingerprint(name) for name in names]
    assert [again.images.fingerprint(name) for name in names] == fingerprints
    assert len(set(fingerprints)) == len(names)


def test_pictures_are_rgb_and_only_scenes_of_the_data_set_have_one(dataset):
    name = dataset.split("test")[0].image
    assert name in dataset.images
    assert dataset.images.open(name).mode == "RGB"
    assert "cat.jpg" not in dataset.images
    for method in (dataset.images.open, dataset.images.fingerprint):
        with pytest.raises(ImageError, match=r"no image cat\.jpg"):
            method("cat.jpg")
