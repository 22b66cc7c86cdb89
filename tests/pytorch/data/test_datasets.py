import re
from pathlib import Path

import pytest

from pytorch.data.datasets import DATASETS, DatasetError, load_dataset
from pytorch.data.published_archives import PUBLICATIONS
from tests.colours import write_colours


def test_an_unknown_data_set_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(DatasetError, match="'flickr9k'; choose one of: flickr8k, flickr30k"):
        load_dataset("flickr9k", tmp_path)


def test_an_image_in_two_splits_is_refused(tmp_path):
    root = write_colours(tmp_path / "colours")
    (root / "Flickr_8k.devImages.txt").write_text("dev-red-0.jpg\ntrain-blue-1.jpg\n")
    with pytest.raises(DatasetError, match=r"more than once by the splits.*'train-blue-1\.jpg'"):
        load_dataset("flickr8k", root)


def test_missing_images_are_refused_with_the_first_of_them(tmp_path):
    root = write_colours(tmp_path / "colours")
    (root / "Flickr8k_Dataset" / "dev-red-0.jpg").unlink()
    with pytest.raises(DatasetError) as failure:
        load_dataset("flickr8k", root)
    sentence = str(failure.value)
    assert "Of the 4 images of its dev split, 1 cannot be used: dev-red-0.jpg (missing)" in sentence
    assert "--allow-missing" in sentence


def test_missing_images_are_left_out_where_that_is_allowed(tmp_path):
    root = write_colours(tmp_path / "colours")
    (root / "Flickr8k_Dataset" / "dev-red-0.jpg").unlink()
    dataset = load_dataset("flickr8k", root, allow_missing=True)
    names = [example.image for example in dataset.split("dev")]
    assert names == ["dev-green-0.jpg", "dev-blue-0.jpg", "dev-yellow-0.jpg"]
    assert dataset.skipped == {"train": {}, "dev": {"dev-red-0.jpg": "missing"}}


def test_the_documentation_lists_every_data_set_and_every_publication():
    text = (Path(__file__).resolve().parents[2] / "docs" / "datasets.md").read_text()
    first, second = re.findall(r"(?s)\| --- .*?\n\n", text)
    assert sorted(re.findall(r"(?m)^\| `(.+?)`", first)) == sorted(DATASETS)
    assert sorted(re.findall(r"(?m)^\| `(.+?)`", second)) == sorted(PUBLICATIONS)
