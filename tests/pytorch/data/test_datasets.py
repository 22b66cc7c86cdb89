import logging
import re
from pathlib import Path

import pytest

from pytorch.data.datasets import DATASETS, DatasetError, load_dataset
from pytorch.data.formats.sentences import SENTENCES
from pytorch.data.published_archives import PUBLICATIONS
from tests.colours import write_colours


def test_an_error_about_an_unknown_data_set_lists_the_known_ones(tmp_path):
    with pytest.raises(DatasetError, match="'flickr9k'; choose one of: flickr8k, flickr30k"):
        load_dataset("flickr9k", tmp_path)


def test_an_image_in_two_splits_is_refused(tmp_path):
    root = write_colours(tmp_path / "colours")
    (root / "Flickr_8k.devImages.txt").write_text("dev-red-0.jpg\ntrain-blue-1.jpg\n")
    with pytest.raises(DatasetError, match=r"more than once by the splits.*'train-blue-1\.jpg'"):
        load_dataset("flickr8k", root)


def test_an_error_about_missing_images_names_the_first(tmp_path):
    root = write_colours(tmp_path / "colours")
    (root / "Flickr8k_Dataset" / "dev-red-0.jpg").unlink()
    with pytest.raises(DatasetError) as failure:
        load_dataset("flickr8k", root)
    sentence = str(failure.value)
    assert "Of the 4 images of the dev split, 1 cannot be used: dev-red-0.jpg (missing)" in sentence
    assert "--allow-missing" in sentence


def test_missing_images_are_left_out_if_that_is_allowed(tmp_path):
    root = write_colours(tmp_path / "colours")
    (root / "Flickr8k_Dataset" / "dev-red-0.jpg").unlink()
    dataset = load_dataset("flickr8k", root, allow_missing=True)
    names = [example.image for example in dataset.split("dev")]
    assert names == ["dev-green-0.jpg", "dev-blue-0.jpg", "dev-yellow-0.jpg"]
    assert dataset.skipped == {"train": {}, "dev": {"dev-red-0.jpg": "missing"}}


def blank(root, *names):
    """Make the captions of images blank."""
    path = root / "Flickr8k.token.txt"
    lines = path.read_text().splitlines()
    lines = [f"{line.split(chr(9))[0]}\t " if line.startswith(names) else line for line in lines]
    path.write_text("\n".join(lines))


def test_an_image_without_a_caption_left_cannot_be_used(tmp_path):
    root = write_colours(tmp_path / "colours")
    blank(root, "dev-red-0.jpg#1", "dev-blue-0.jpg")
    with pytest.raises(DatasetError, match=r"1 cannot be used: dev-blue-0\.jpg \(no caption\)"):
        load_dataset("flickr8k", root)
    for images in (True, False):
        dataset = load_dataset("flickr8k", root, allow_missing=True, images=images)
        assert dataset.skipped == {"train": {}, "dev": {"dev-blue-0.jpg": "no caption"}}
        assert [len(example.captions) for example in dataset.split("dev")] == [2, 3, 3]
        assert len(dataset.image_names("dev")) == 4


def test_a_warning_for_each_split_counts_the_dropped_captions(tmp_path, caplog):
    root = write_colours(tmp_path / "colours")
    blank(root, "dev-red-0.jpg#1", "train-red-0.jpg#1", "train-red-1.jpg#0")
    with caplog.at_level(logging.WARNING):
        load_dataset("flickr8k", root)
    assert [record.message for record in caplog.records] == [
        "2 empty captions were dropped from the train split.",
        "1 empty caption was dropped from the dev split.",
    ]


def test_a_split_of_shapes_is_the_same_when_read_alone():
    whole = load_dataset("shapes", Path())
    alone = load_dataset("shapes", Path(), splits=["dev"], images=False)
    assert alone.splits == {"dev": whole.split("dev")}
    with pytest.raises(DatasetError, match="has no split 'val'; it has: train, dev, test"):
        load_dataset("shapes", Path(), splits=["val"])


def test_an_optional_split_may_be_absent():
    splits, optional = ["train", "val"], ["val"]
    dataset = load_dataset("shapes", Path(), splits=splits, optional=optional)
    assert list(dataset.splits) == ["train"]
    with pytest.raises(DatasetError, match="has no split 'val'"):
        load_dataset("shapes", Path(), splits=["val", "dev"], optional=["dev"])


def test_no_image_counts_as_missing_if_none_is_needed(tmp_path):
    root = write_colours(tmp_path / "colours")
    (root / "Flickr8k_Dataset" / "dev-red-0.jpg").unlink()
    dataset = load_dataset("flickr8k", root, images=False)
    assert len(dataset.split("dev")) == 4
    assert dataset.skipped == {"train": {}, "dev": {}}


def test_the_documentation_lists_every_data_set_and_every_publication():
    text = (Path(__file__).resolve().parents[3] / "docs" / "datasets.md").read_text()
    first, second = re.findall(r"(?s)\| --- .*?\n\n", text)
    assert sorted(re.findall(r"(?m)^\| `(.+?)`", first)) == sorted([*DATASETS, SENTENCES])
    assert sorted(re.findall(r"(?m)^\| `(.+?)`", second)) == sorted(PUBLICATIONS)
