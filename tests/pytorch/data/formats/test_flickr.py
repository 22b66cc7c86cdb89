import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.data.caption_dataset import Example
from pytorch.data.datasets import DatasetError, load_dataset
from tests.photographs import NAMES, jpegs, photographs, write_folder, write_zip
from tests.shared_data import SHARED_DATA, needs

CAPTIONS = "".join(
    f"{name}#{number}\tCaption {number} of {name} .\n" for name in NAMES for number in range(2)
)
FLICKR8K = {
    # As in the published file: a name that is in no split and has no image.
    "Flickr8k.token.txt": CAPTIONS + "2258277193_586949ec62.jpg.1#0\tSome people wait .\n",
    "Flickr_8k.trainImages.txt": "astronaut.jpg\ncoffee.jpg\n",
    "Flickr_8k.devImages.txt": "cat.jpg\n",
    "Flickr_8k.testImages.txt": "rocket.jpg\n",
}
FLICKR30K = {
    "results_20130124.token": CAPTIONS,
    "train.txt": "astronaut\ncoffee\n",
    "val.txt": "cat\n",
    "test.txt": "rocket\n",
}


def write_texts(folder, texts):
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)


@pytest.fixture
def root(tmp_path):
    """A tiny Flickr8k, its images in a folder."""
    write_folder(tmp_path / "Images", jpegs())
    write_texts(tmp_path, FLICKR8K)
    return tmp_path


@pytest.fixture
def root_30k(tmp_path):
    """A tiny Flickr30k."""
    write_folder(tmp_path / "flickr30k-images", jpegs())
    write_texts(tmp_path, FLICKR30K)
    return tmp_path


def refused(root, name="flickr8k"):
    """The sentence with which the data set in `root` is refused."""
    with pytest.raises(DatasetError) as failure:
        load_dataset(name, root)
    return str(failure.value)


def assert_splits_are_those_of_the_lists(dataset):
    assert {name: len(examples) for name, examples in dataset.splits.items()} == {
        "train": 2,
        "dev": 1,
        "test": 1,
    }
    assert dataset.split("train") == (
        Example("astronaut.jpg", ("Caption 0 of astronaut.jpg .", "Caption 1 of astronaut.jpg .")),
        Example("coffee.jpg", ("Caption 0 of coffee.jpg .", "Caption 1 of coffee.jpg .")),
    )
    assert "non-commercial" in dataset.terms


def test_examples_have_their_captions_in_the_order_of_the_split(root):
    assert_splits_are_those_of_the_lists(load_dataset("flickr8k", root))


def test_the_test_split_may_be_absent(root):
    (root / "Flickr_8k.testImages.txt").unlink()
    dataset = load_dataset("flickr8k", root)
    with pytest.raises(DatasetError, match="no split 'test'; it has: train, dev"):
        dataset.split("test")


@pytest.mark.parametrize(
    "write_images",
    [
        lambda root: write_folder(root / "Flicker8k_Dataset", jpegs()),
        lambda root: write_folder(root / "Flickr8k_Dataset", jpegs()),
        lambda root: write_folder(root / "images", jpegs()),
        lambda root: write_zip(root / "Flickr8k_Dataset.zip", jpegs(), "Flicker8k_Dataset/"),
        lambda root: [
            write_zip(root / f"images-{number}.zip", {name: content})
            for number, (name, content) in enumerate(jpegs().items())
        ],
    ],
    ids=["Flicker8k_Dataset", "Flickr8k_Dataset", "images", "published zip", "several zips"],
)
@pytest.mark.parametrize("text_folder", [".", "Flickr8k_text"])
def test_published_layouts_of_flickr8k_are_found(tmp_path, write_images, text_folder):
    write_images(tmp_path)
    write_texts(tmp_path / text_folder, FLICKR8K)

    dataset = load_dataset("flickr8k", tmp_path)

    for name, photograph in zip(NAMES, photographs(), strict=True):
        image = np.asarray(dataset.images.open(name), dtype=float)
        expected = np.asarray(photograph.resize((48, 32)), dtype=float)
        assert np.abs(image - expected).mean() < 10


@pytest.mark.parametrize("lacking", ["everything", "Flickr8k.token.txt", "Images"])
def test_an_error_about_a_missing_flickr8k_says_what_to_get_and_where_to_put_it(root, lacking):
    if lacking == "everything":
        root = root / "data"
    else:
        (root / lacking).rename(root / "elsewhere")
    sentence = refused(root)
    first = "its images are" if lacking == "Images" else "Flickr8k.token.txt is"
    assert f"no complete Flickr8k in {root}: {first} missing" in sentence
    assert "Flickr8k_text.zip" in sentence
    assert "Flickr8k_Dataset.zip" in sentence
    assert f"{root / 'Flickr8k.token.txt'} exists" in sentence
    assert f"into {root}" in sentence


def test_malformed_lines_are_counted_and_the_first_is_shown(root):
    with (root / "Flickr8k.token.txt").open("a") as file:
        file.write("cat.jpg#2 without a tab\ncat.jpg\twithout a number\ncat.jpg#3\n")
    sentence = refused(root)
    assert "3 in all, the first is 'cat.jpg#2 without a tab'" in sentence
    assert "NAME.jpg#NUMBER<TAB>CAPTION" in sentence


def test_images_without_captions_are_counted_and_the_first_is_named(root):
    (root / "Flickr_8k.devImages.txt").write_text("cat.jpg\ndog.jpg\nhorse.jpg\n")
    sentence = refused(root)
    assert "devImages.txt have no captions (2 in all, the first is 'dog.jpg')" in sentence


def test_an_empty_split_is_refused(root):
    (root / "Flickr_8k.devImages.txt").write_text("\n")
    assert "devImages.txt names no images" in refused(root)


def test_captions_that_are_not_utf_8_are_refused(root):
    (root / "Flickr8k.token.txt").write_bytes(b"cat.jpg#0\tA caf\xe9 .\n")
    assert "token.txt cannot be read ('utf-8' codec" in refused(root)


# Not line ends, which divide captions, nor halves of a character, which UTF-8 cannot store.
LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))


@settings(deadline=None)  # disks are slow at times
@given(
    captions=st.lists(LINES | st.text(" \t\x1c\x85\u2003"), min_size=1, max_size=5).filter(
        lambda captions: any(map(str.strip, captions))
    )
)
def test_every_caption_is_read_as_written_unless_it_is_blank(captions):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_folder(root / "images", {"cat.jpg": b"", "dog.jpg": b""})
        lines = [f"cat.jpg#{number}\t{caption}" for number, caption in enumerate(captions)]
        text = "\n".join([*lines, "dog.jpg#0\tA dog ."])
        (root / "Flickr8k.token.txt").write_text(text, encoding="utf-8")
        (root / "Flickr_8k.trainImages.txt").write_text("cat.jpg")
        (root / "Flickr_8k.devImages.txt").write_text("dog.jpg")
        dataset = load_dataset("flickr8k", root)
    (example,) = dataset.split("train")
    kept = tuple(caption.strip() for caption in captions if caption.strip())
    assert example.captions == kept
    assert dataset.empty_captions.get("train", 0) == len(captions) - len(kept)


def test_flickr30k_has_its_splits_from_lists_without_suffixes(root_30k):
    assert_splits_are_those_of_the_lists(load_dataset("flickr30k", root_30k))


def test_lists_of_flickr30k_may_have_suffixes(root_30k):
    for name in ("train.txt", "val.txt", "test.txt"):
        lines = (root_30k / name).read_text().split()
        (root_30k / name).write_text("".join(f"{line}.jpg\n" for line in lines))
    assert_splits_are_those_of_the_lists(load_dataset("flickr30k", root_30k))


@pytest.mark.parametrize("place", ["flickr30k_images", "flickr30k-images.zip"])
def test_images_of_flickr30k_may_be_in_other_places(root_30k, place):
    shutil.rmtree(root_30k / "flickr30k-images")
    write = write_zip if place.endswith(".zip") else write_folder
    write(root_30k / place, jpegs())
    assert load_dataset("flickr30k", root_30k).images.open("cat.jpg").size == (48, 32)


@pytest.mark.parametrize("lacking", ["results_20130124.token", "train.txt", "flickr30k-images"])
def test_an_error_about_a_missing_flickr30k_says_what_to_put_there(root_30k, lacking):
    (root_30k / lacking).rename(root_30k / "elsewhere")
    sentence = refused(root_30k, "flickr30k")
    first = "its images are" if lacking == "flickr30k-images" else f"{lacking} is"
    assert f"no complete Flickr30k in {root_30k}: {first} missing" in sentence
    for needed in ("results_20130124.token", "flickr30k-images", "train.txt", "karpathy"):
        assert needed in sentence


def of_either(root, name):
    """The root of a tiny Flickr8k or Flickr30k, and its lists by split."""
    if name == "flickr8k":
        write_folder(root / "Images", jpegs())
        write_texts(root, FLICKR8K)
        return {split: root / f"Flickr_8k.{split}Images.txt" for split in ("train", "dev", "test")}
    write_folder(root / "flickr30k-images", jpegs())
    write_texts(root, FLICKR30K)
    return {"train": root / "train.txt", "dev": root / "val.txt", "test": root / "test.txt"}


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"\xff")])
@pytest.mark.parametrize("split", ["train", "dev", "test"])
@pytest.mark.parametrize("name", ["flickr8k", "flickr30k"])
def test_a_split_needs_no_list_but_its_own(tmp_path, name, split, damage):
    lists = of_either(tmp_path, name)
    whole = load_dataset(name, tmp_path)
    for path in (lists[other] for other in lists if other != split):
        damage(path)
    assert load_dataset(name, tmp_path, splits=[split]).splits == {split: whole.split(split)}
    damage(lists[split])
    with pytest.raises(DatasetError, match=lists[split].name):
        load_dataset(name, tmp_path, splits=[split])


@pytest.mark.parametrize("name", ["flickr8k", "flickr30k"])
def test_captions_alone_need_no_images(tmp_path, name):
    of_either(tmp_path, name)
    whole = load_dataset(name, tmp_path)
    images = tmp_path / ("Images" if name == "flickr8k" else "flickr30k-images")
    shutil.rmtree(images)
    assert load_dataset(name, tmp_path, images=False).splits == whole.splits
    images.with_suffix(".zip").write_text("garbage")
    assert load_dataset(name, tmp_path, images=False).splits == whole.splits


@pytest.mark.parametrize("name", ["flickr8k", "flickr30k"])
def test_an_error_about_an_unknown_split_lists_the_known_ones(tmp_path, name):
    of_either(tmp_path, name)
    with pytest.raises(DatasetError, match="has no split 'val'; it has: train, dev, test"):
        load_dataset(name, tmp_path, splits=["val"])


@needs("flickr8k")
def test_the_real_flickr8k_is_read():
    dataset = load_dataset("flickr8k", SHARED_DATA / "flickr8k")
    assert len(dataset.split("train")) == 6000
    assert len(dataset.split("dev")) == 1000
    assert {len(example.captions) for example in dataset.split("dev")} == {5}
    assert dataset.images.open(dataset.split("dev")[0].image).mode == "RGB"
