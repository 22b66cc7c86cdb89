import json
import shutil

import pytest

from pytorch.data.caption_dataset import Example
from pytorch.data.datasets import DatasetError, load_dataset
from tests.photographs import jpegs, write_folder, write_zip

SPLITS = {"astronaut.jpg": "train", "cat.jpg": "restval", "coffee.jpg": "val", "rocket.jpg": "test"}


def karpathy_file(splits):
    return {
        "dataset": "coco",
        "images": [
            {
                "filename": name,
                "filepath": "val2014",
                "split": split,
                "sentences": [
                    {"raw": f"Caption {k} of {name}.\n", "tokens": ["caption"]} for k in range(2)
                ],
            }
            for name, split in splits.items()
        ],
    }


@pytest.fixture
def root(tmp_path):
    """A tiny COCO, part of its images in a folder and part in a zip file."""
    (tmp_path / "dataset_coco.json").write_text(json.dumps(karpathy_file(SPLITS)))
    files = jpegs()
    write_folder(tmp_path / "val2014", {"cat.jpg": files.pop("cat.jpg")})
    write_zip(tmp_path / "train2014.zip", files, "train2014/")
    return tmp_path


def refused(root):
    with pytest.raises(DatasetError) as failure:
        load_dataset("karpathy", root)
    return str(failure.value)


def test_restval_is_trained_on_and_val_is_dev(root):
    dataset = load_dataset("karpathy", root)
    names = {split: [e.image for e in examples] for split, examples in dataset.splits.items()}
    assert names == {
        "train": ["astronaut.jpg", "cat.jpg"],
        "dev": ["coffee.jpg"],
        "test": ["rocket.jpg"],
    }
    assert dataset.split("dev")[0] == Example(
        "coffee.jpg", ("Caption 0 of coffee.jpg.", "Caption 1 of coffee.jpg.")
    )
    assert {dataset.images.open(name).size for name in SPLITS} == {(48, 32)}
    assert "COCO" in dataset.terms


@pytest.mark.parametrize(
    ("file", "folder"),
    [
        ("dataset_flickr8k.json", "Flicker8k_Dataset"),
        ("dataset_flickr30k.json", "flickr30k-images"),
    ],
)
def test_the_flickr_data_sets_are_read_with_their_images_and_terms(tmp_path, file, folder):
    (tmp_path / file).write_text(json.dumps(karpathy_file(SPLITS)))
    write_folder(tmp_path / folder, jpegs())
    dataset = load_dataset("karpathy", tmp_path)
    assert len(dataset.split("train")) == 2
    assert dataset.terms.lower().startswith(file.removeprefix("dataset_").removesuffix(".json"))


def test_of_several_files_one_must_be_named(root):
    (root / "dataset_flickr8k.json").write_text(json.dumps(karpathy_file({"cat.jpg": "train"})))
    assert f"Name one of them as the data root: {root / 'dataset_coco.json'}" in refused(root)
    assert load_dataset("karpathy", root / "dataset_coco.json").root == root
    flickr = load_dataset("karpathy", root / "dataset_flickr8k.json")
    assert list(flickr.splits) == ["train"]


def test_an_error_about_an_empty_folder_says_what_to_get(tmp_path):
    sentence = refused(tmp_path)
    assert "There is none of dataset_coco.json, dataset_flickr8k.json" in sentence
    assert "caption_datasets.zip" in sentence


@pytest.mark.parametrize(("split", "image"), [("dev", "coffee.jpg"), ("test", "rocket.jpg")])
def test_dev_and_test_do_not_need_the_train_images_of_coco(root, split, image):
    (root / "val2014" / image).write_bytes(jpegs()[image])
    (root / "train2014.zip").write_text("garbage")
    dataset = load_dataset("karpathy", root, splits=[split])
    assert [example.image for example in dataset.split(split)] == [image]
    assert list(dataset.splits) == [split]
    assert dataset.images.open(image).size == (48, 32)


def test_captions_alone_need_no_images(root):
    whole = load_dataset("karpathy", root)
    shutil.rmtree(root / "val2014")
    (root / "train2014.zip").write_text("garbage")
    assert load_dataset("karpathy", root, images=False).splits == whole.splits


def test_an_error_about_a_split_that_does_not_exist_lists_those_that_do(root):
    with pytest.raises(DatasetError, match="has no split 'val'; it has: train, dev, test"):
        load_dataset("karpathy", root, splits=["val"])


def test_empty_captions_are_dropped_and_counted(root):
    content = karpathy_file(SPLITS)
    content["images"][1]["sentences"].append({"raw": " "})
    content["images"][2]["sentences"].append({"raw": ""})
    whole = load_dataset("karpathy", root)
    (root / "dataset_coco.json").write_text(json.dumps(content))
    dataset = load_dataset("karpathy", root)
    assert dataset.splits == whole.splits
    assert dataset.empty_captions == {"train": 1, "dev": 1}


def test_an_image_without_captions_is_refused(root):
    content = karpathy_file(SPLITS)
    content["images"][1]["sentences"] = []
    (root / "dataset_coco.json").write_text(json.dumps(content))
    assert "have no captions (1 in all, the first is 'cat.jpg')" in refused(root)


def test_a_file_without_images_is_refused(root):
    (root / "dataset_coco.json").write_text('{"images": []}')
    assert "dataset_coco.json names no images" in refused(root)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"images": [{"filename": "cat.jpg", "split": "train"}]},
        {"images": [{"filename": "cat.jpg", "split": "other", "sentences": []}]},
        {"images": [{"filename": "cat.jpg", "split": [], "sentences": []}]},
        {"images": [{"filename": "cat.jpg", "split": "train", "sentences": [{"raw": 1}]}]},
    ],
)
def test_an_error_about_a_file_of_another_format_names_it(root, content):
    (root / "dataset_coco.json").write_text(json.dumps(content))
    assert "dataset_coco.json is not in the format of Karpathy's data sets" in refused(root)
