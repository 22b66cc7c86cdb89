import json
import shutil

import pytest

from pytorch.data.caption_dataset import Example
from pytorch.data.datasets import DatasetError, load_dataset
from tests.photographs import jpegs, write_folder, write_zip
from tests.shared_data import SHARED_DATA, needs


def captions_file(*names):
    """A captions file in COCO's form: two captions for each image."""
    return {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
        "annotations": [
            {"id": 10 * k + number, "image_id": number, "caption": f"Caption {k} of {name}.\n "}
            for k in range(2)
            for number, name in enumerate(names)
        ],
    }


def write_coco(root, year, **images):
    """A tiny release: `train=(names,), val=(names,)`."""
    files = jpegs()
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    for split, names in images.items():
        path = root / "annotations" / f"captions_{split}{year}.json"
        path.write_text(json.dumps(captions_file(*names)))
        write_folder(root / f"{split}{year}", {name: files[name] for name in names})
    return root


@pytest.fixture
def root(tmp_path):
    return write_coco(
        tmp_path / "coco", 2017, train=("astronaut.jpg", "cat.jpg"), val=("coffee.jpg",)
    )


def train_file(root):
    return root / "annotations" / "captions_train2017.json"


def refused(root):
    with pytest.raises(DatasetError) as failure:
        load_dataset("coco", root)
    return str(failure.value)


@pytest.mark.parametrize("year", [2014, 2017])
def test_val_is_dev_and_captions_follow_their_images(tmp_path, year):
    root = write_coco(tmp_path, year, train=("astronaut.jpg", "cat.jpg"), val=("coffee.jpg",))
    dataset = load_dataset("coco", root)
    assert list(dataset.splits) == ["train", "dev"]
    assert dataset.split("train")[1] == Example(
        "cat.jpg", ("Caption 0 of cat.jpg.", "Caption 1 of cat.jpg.")
    )
    assert [example.image for example in dataset.split("dev")] == ["coffee.jpg"]
    assert dataset.images.open("coffee.jpg").size == (48, 32)
    assert "CC BY 4.0" in dataset.terms


def test_without_val_captions_there_is_only_train(tmp_path):
    dataset = load_dataset("coco", write_coco(tmp_path, 2014, train=("cat.jpg",)))
    assert list(dataset.splits) == ["train"]


def test_images_are_read_from_the_published_zip(tmp_path):
    root = write_coco(tmp_path, 2017, train=())
    (root / "train2017").rmdir()
    train_file(root).write_text(json.dumps(captions_file("cat.jpg")))
    write_zip(root / "train2017.zip", {"cat.jpg": jpegs()["cat.jpg"]}, "train2017/")
    dataset = load_dataset("coco", root)
    assert dataset.images.open(dataset.split("train")[0].image).size == (48, 32)


def test_an_error_about_a_folder_without_captions_says_what_belongs_there(tmp_path):
    sentence = refused(tmp_path)
    assert f"no COCO captions in {tmp_path}" in sentence
    assert "annotations/captions_train2017.json" in sentence


def test_two_releases_in_one_folder_are_refused(root):
    write_coco(root, 2014, train=("rocket.jpg",))
    assert "Both releases, of 2014 and of 2017, are in" in refused(root)


def test_absent_images_of_a_split_are_counted(root):
    (root / "val2017" / "coffee.jpg").unlink()
    assert "Of the 1 images of the dev split, 1 cannot be used" in refused(root)


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.parametrize(("split", "other"), [("train", "val"), ("dev", "train")])
def test_a_split_needs_no_file_of_the_other_split(root, split, other, archived):
    whole = load_dataset("coco", root)
    (root / "annotations" / f"captions_{other}2017.json").write_text("garbage")
    shutil.rmtree(root / f"{other}2017")
    if archived:
        (root / f"{other}2017.zip").write_text("garbage")
    dataset = load_dataset("coco", root, splits=[split])
    assert dataset.splits == {split: whole.split(split)}
    assert dataset.images.open(dataset.split(split)[0].image).size == (48, 32)


def test_captions_alone_need_no_images(root):
    whole = load_dataset("coco", root)
    for split in ("train", "val"):
        shutil.rmtree(root / f"{split}2017")
        (root / f"{split}2017.zip").write_text("garbage")
    dataset = load_dataset("coco", root, images=False)
    assert dataset.splits == whole.splits
    assert dataset.skipped == {"train": {}, "dev": {}}


def test_an_error_about_a_split_that_does_not_exist_lists_those_that_do(root):
    with pytest.raises(DatasetError, match="has no split 'test'; it has: train, dev"):
        load_dataset("coco", root, splits=["dev", "test"])


def test_an_image_without_captions_is_refused(root):
    content = json.loads(train_file(root).read_text())
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] != 1]
    train_file(root).write_text(json.dumps(content))
    assert "have no captions (1 in all, the first is 'cat.jpg')" in refused(root)


def test_empty_captions_are_dropped_and_counted(root):
    content = json.loads(train_file(root).read_text())
    for annotation in content["annotations"][:2]:
        annotation["caption"] = " \n"
    train_file(root).write_text(json.dumps(content))
    dataset = load_dataset("coco", root)
    assert dataset.split("train") == (
        Example("astronaut.jpg", ("Caption 1 of astronaut.jpg.",)),
        Example("cat.jpg", ("Caption 1 of cat.jpg.",)),
    )
    assert dataset.empty_captions == {"train": 2}


def test_a_caption_of_an_unknown_image_is_refused(root):
    content = json.loads(train_file(root).read_text())
    content["annotations"][0]["image_id"] = 99
    train_file(root).write_text(json.dumps(content))
    assert "belong to images that it does not list (1 in all" in refused(root)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "not in the format"),
        ("{}", "not in the format"),
        ('{"images": [1], "annotations": []}', "not in the format"),
        ('{"images": [{"id": [], "file_name": "a"}], "annotations": []}', "not in the format"),
        (
            '{"images": [{"id": 1, "file_name": "a"}], "annotations": [{"image_id": 1, '
            '"caption": 1}]}',
            "not in the format",
        ),
        ('{"images": [], "annotations": []}', "names no images"),
    ],
)
def test_an_error_about_a_file_of_another_format_names_it(root, text, complaint):
    train_file(root).write_text(text)
    sentence = refused(root)
    assert str(train_file(root)) in sentence
    assert complaint in sentence


@needs("coco-sample")
def test_a_sample_of_the_real_coco_is_read():
    dataset = load_dataset("coco", SHARED_DATA / "coco-sample")
    assert list(dataset.splits) == ["train"]
    assert len(dataset.split("train")) == 305
    assert {len(example.captions) for example in dataset.split("train")} == {5}
    assert dataset.images.open("000000000009.jpg").size == (256, 256)
