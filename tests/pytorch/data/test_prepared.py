import logging

import pytest
import torch
from PIL import Image, ImageOps

from pytorch.data.datasets import DatasetError, load_dataset
from pytorch.data.images import ImageError
from pytorch.data.prepared import prepare
from pytorch.model.encoders import Encoder
from pytorch.model.transforms import Preprocessing
from tests.colours import write_colours

HALF = (0.5, 0.5, 0.5)


@pytest.fixture(scope="module")
def encoder():
    encoder = Encoder("efficientnet_lite2", grid_size=2)
    encoder.preprocessing = Preprocessing(size=64, mean=HALF, std=HALF, interpolation="bilinear")
    encoder.load_pretrained()
    return encoder


@pytest.fixture
def root(tmp_path):
    return write_colours(tmp_path / "colours")


@pytest.fixture
def prepared_of(encoder, root, tmp_path):
    def prepared_of(*splits, allow_missing=False, **options):
        dataset = load_dataset("flickr8k", root, allow_missing=allow_missing)
        cache = tmp_path / "cache"
        return prepare(dataset, splits, encoder, cache, device=torch.device("cpu"), **options)

    return prepared_of


@pytest.fixture
def data_of(prepared_of):
    def data_of(split="train", **options):
        return prepared_of(split, **options).splits[split]

    return data_of


def test_examples_and_features_are_of_the_same_images(data_of):
    data = data_of()
    assert len(data.examples) == 8
    assert tuple(example.image for example in data.examples) == data.features.names


def test_unreadable_images_stop_it_if_they_are_more_than_one_percent(data_of, root):
    (root / "Flickr8k_Dataset" / "train-red-0.jpg").write_bytes(b"no picture")
    with pytest.raises(DatasetError) as failure:
        data_of()
    assert "1 cannot be used: train-red-0.jpg (The image train-red-0.jpg in" in str(failure.value)


def test_unreadable_images_are_left_out_with_a_warning_if_that_is_allowed(data_of, root, caplog):
    (root / "Flickr8k_Dataset" / "train-red-0.jpg").write_bytes(b"no picture")
    (root / "Flickr8k_Dataset" / "train-blue-0.jpg").unlink()
    with caplog.at_level(logging.WARNING):
        data = data_of(allow_missing=True)
    names = [example.image for example in data.examples]
    assert len(names) == 6
    assert {"train-red-0.jpg", "train-blue-0.jpg"}.isdisjoint(names)
    assert tuple(names) == data.features.names
    (record,) = caplog.records
    assert "Of the 8 images of the train split, 2 cannot be used" in record.message
    assert "train-blue-0.jpg (missing)" in record.message


def test_a_split_with_only_unreadable_images_is_refused(data_of, root):
    for path in (root / "Flickr8k_Dataset").glob("dev-*"):
        path.write_bytes(b"no picture")
    with pytest.raises(DatasetError, match="images of the dev split, 4 cannot be used"):
        data_of("dev", allow_missing=True)


def test_the_data_set_loses_the_unusable_images_of_the_prepared_splits(prepared_of, root):
    folder = root / "Flickr8k_Dataset"
    (folder / "train-red-0.jpg").write_bytes(b"no picture")
    (folder / "dev-red-0.jpg").write_bytes(b"no picture")
    (folder / "dev-blue-0.jpg").unlink()

    prepared = prepared_of("train", "dev", allow_missing=True)

    assert list(prepared.splits) == ["train", "dev"]
    for split, skipped in {"train": 1, "dev": 2}.items():
        assert prepared.splits[split].examples == prepared.dataset.split(split)
        assert len(prepared.dataset.skipped[split]) == skipped
    assert prepared.dataset.skipped["dev"]["dev-blue-0.jpg"] == "missing"
    assert "cannot be read" in prepared.dataset.skipped["dev"]["dev-red-0.jpg"]


def test_images_of_splits_that_are_not_prepared_are_not_opened(prepared_of, root):
    (root / "Flickr8k_Dataset" / "train-red-0.jpg").write_bytes(b"no picture")
    prepared = prepared_of("dev")
    assert list(prepared.splits) == ["dev"]
    assert len(prepared.dataset.split("train")) == 8


def test_dev_is_not_flipped(prepared_of):
    splits = prepared_of("train", "dev", flip=True).splits
    assert (len(splits["train"].examples), len(splits["dev"].examples)) == (16, 4)


def test_mirrored_examples_follow_with_the_features_of_mirrored_images(data_of, root):
    path = root / "Flickr8k_Dataset" / "train-red-0.jpg"
    picture = Image.open(path)
    picture.paste("white", (0, 0, 20, 40))
    picture.save(path, quality=95)
    captions = (root / "Flickr8k.token.txt").read_text()
    captions = captions.replace("train-red-0.jpg#0\tA red square", "train-red-0.jpg#0\tLeft white")
    captions = captions.replace("train-blue-0.jpg#0\tA", "train-blue-0.jpg#0\tRight , a")
    captions = captions.replace("train-blue-0.jpg#1\tA", "train-blue-0.jpg#1\tLeft , a")
    captions = captions.replace("train-blue-0.jpg#2\tIt", "train-blue-0.jpg#2\tLeft , it")
    (root / "Flickr8k.token.txt").write_text(captions)

    upright, both = data_of(), data_of(flip=True)

    assert both.examples[:8] == upright.examples
    mirrored = both.examples[8:]
    assert "train-blue-0.jpg" not in [example.image for example in mirrored]
    assert len(mirrored) == 7
    assert mirrored[0].image == "train-red-0.jpg"
    assert mirrored[0].captions == ("A square that is red .", "It is all red here .")
    assert all(example.is_mirrored for example in mirrored)
    assert tuple(example.image for example in both.examples) == both.features.names
    assert torch.equal(both.features.rows(range(8)), upright.features.rows(range(8)))

    ImageOps.mirror(Image.open(path)).save(path, quality=95)
    expected = data_of().features.rows([0])
    distance = (both.features.rows([8]) - expected).norm()
    assert distance < 0.3 * (both.features.rows([0]) - expected).norm()


def test_flipping_changes_nothing_if_every_caption_says_left_or_right(data_of, root):
    captions = (root / "Flickr8k.token.txt").read_text()
    (root / "Flickr8k.token.txt").write_text(captions.replace("\t", "\tLeft : "))
    assert len(data_of(flip=True).examples) == 8


def test_pixels_are_those_of_the_examples_mirrored_or_not(data_of, encoder, root):
    path = root / "Flickr8k_Dataset" / "train-red-0.jpg"
    picture = Image.open(path)
    picture.paste("white", (0, 0, 20, 40))
    picture.save(path, quality=95)
    data = data_of(flip=True)
    names = [example.image for example in data.examples]
    upright, mirrored = (row for row, name in enumerate(names) if name == "train-red-0.jpg")

    pixels = data.pixels([mirrored, upright], encoder.preprocessing)

    image = Image.open(path)
    assert torch.equal(pixels[0], encoder.preprocessing(ImageOps.mirror(image)))
    assert torch.equal(pixels[1], encoder.preprocessing(image))
    assert not torch.equal(pixels[0], pixels[1])


@pytest.mark.parametrize("cached", [True, False])
def test_the_same_encoder_gives_the_same_features_again(data_of, encoder, cached):
    data = data_of(flip=True)
    again = data.encoded_by(encoder, cached=cached, device=torch.device("cpu"))
    assert again.examples == data.examples
    assert again.features.names == data.features.names
    assert torch.equal(again.features.rows(range(16)), data.features.rows(range(16)))


def test_features_are_written_to_disk_only_if_they_are_to_be_cached(data_of, tmp_path):
    data, other = data_of(), Encoder("efficientnet_lite0", grid_size=2)
    other.preprocessing = Preprocessing(size=64, mean=HALF, std=HALF, interpolation="bilinear")
    data.encoded_by(other, cached=False, device=torch.device("cpu"))
    assert list((tmp_path / "cache").glob("efficientnet_lite0*")) == []
    data.encoded_by(other, cached=True, device=torch.device("cpu"))
    assert len(list((tmp_path / "cache").glob("efficientnet_lite0*"))) == 2


def test_an_image_that_can_no_longer_be_read_is_named(data_of, encoder, root):
    data = data_of()
    (root / "Flickr8k_Dataset" / "train-red-0.jpg").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"train-red-0\.jpg in .* cannot be read"):
        data.pixels([0], encoder.preprocessing)
    for cached in (True, False):
        with pytest.raises(ImageError, match=r"train-red-0\.jpg in .* cannot be read"):
            data.encoded_by(encoder, cached=cached, device=torch.device("cpu"))
