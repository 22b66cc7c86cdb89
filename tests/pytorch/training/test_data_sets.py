from pathlib import Path

import pytest

from pytorch.data.caption_dataset import CaptionDataset, Example
from pytorch.data.formats.sentences import SentenceDataset
from pytorch.data.images import DatasetError, ImageFiles
from pytorch.training.data_sets import DataSets
from pytorch.training.train_data import Weighted


def pictures(name, folder, *splits):
    examples = {split: (Example(f"{split}.jpg", ("A dog.",)),) for split in splits}
    return CaptionDataset(name, Path(folder), examples, ImageFiles([]), terms="")


def sentences(folder):
    return SentenceDataset("sentences", Path(folder), (("a", "dog"),), {"x": 1})


def test_data_sets_of_a_kind_are_numbered():
    first, second = (pictures("captions-csv", folder, "train", "dev") for folder in "xy")
    found = DataSets.of([Weighted(first), Weighted(sentences("x")), Weighted(second, 3.0)])
    assert list(found.pictures) == ["captions-csv", "captions-csv-2"]
    assert found.pictures["captions-csv-2"].weight == 3.0
    assert list(found.texts) == ["sentences"]
    assert str(found) == (
        "captions-csv in x, weight 1; captions-csv-2 in y, weight 3; sentences in x, weight 1"
    )


def test_the_best_epoch_is_chosen_by_the_data_sets_that_have_a_dev_split():
    parts = [pictures("coco", "x", "train"), pictures("flickr8k", "y", "train", "dev")]
    assert list(DataSets.of(map(Weighted, parts)).dev) == ["flickr8k"]


def test_without_any_dev_split_there_is_no_training():
    with pytest.raises(DatasetError, match=r"^coco has no dev split, by which the best epoch"):
        DataSets.of([Weighted(pictures("coco", "x", "train"))])


def test_without_pictures_there_is_no_training():
    with pytest.raises(DatasetError, match=r"^sentences has no pictures\. Add a data set with"):
        DataSets.of([Weighted(sentences("x"))])


def test_a_data_set_given_twice_is_refused(tmp_path):
    parts = [pictures("coco", tmp_path / folder, "train", "dev") for folder in ("x", "y/../x")]
    with pytest.raises(DatasetError, match=r"coco in .*/x is given twice\. Give it a weight of 2"):
        DataSets.of(map(Weighted, parts))
