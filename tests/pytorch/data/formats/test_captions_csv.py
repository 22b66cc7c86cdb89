import csv
import shutil
from collections import Counter

import pytest

from pytorch.data.caption_dataset import Example
from pytorch.data.datasets import DatasetError, load_dataset
from pytorch.data.formats.captions_csv import usual_split
from tests.photographs import jpegs, write_folder, write_zip

# As it circulates: captions with commas and quotation marks are quoted.
TABLE = """image,caption,split
cat.jpg,"A cat , it seems , sits .",train
cat.jpg,"A ""cat"" .",train
astronaut.jpg,A woman smiles .,train
coffee.jpg, Coffee . ,dev

rocket.jpg,A rocket .,test
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "captions.txt").write_text(TABLE)
    write_folder(tmp_path / "Images", jpegs())
    return tmp_path


def refused(root):
    with pytest.raises(DatasetError) as failure:
        load_dataset("captions-csv", root)
    return str(failure.value)


def test_a_column_of_splits_is_followed(root):
    dataset = load_dataset("captions-csv", root)
    assert dataset.splits == {
        "train": (
            Example("cat.jpg", ("A cat , it seems , sits .", 'A "cat" .')),
            Example("astronaut.jpg", ("A woman smiles .",)),
        ),
        "dev": (Example("coffee.jpg", ("Coffee .",)),),
        "test": (Example("rocket.jpg", ("A rocket .",)),),
    }
    assert dataset.images.open("cat.jpg").size == (48, 32)


def test_without_that_column_the_image_name_decides(tmp_path):
    write_folder(tmp_path / "Images", {f"{number}.jpg": b"" for number in range(10)})
    with (tmp_path / "captions.txt").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "caption"])
        table.writerows([f"{number}.jpg", f"{number}, or so."] for number in range(10))
    dataset = load_dataset("captions-csv", tmp_path)
    assert len(dataset.split("train")) == 8
    assert dataset.split("dev") == (Example("1.jpg", ("1, or so.",)),)
    assert dataset.split("test") == (Example("9.jpg", ("9, or so.",)),)


def test_the_usual_split_puts_80_percent_into_train():
    counts = Counter(usual_split(f"{number}.jpg") for number in range(5000))
    assert counts["train"] / 5000 == pytest.approx(0.8, abs=0.02)
    assert counts["dev"] / 5000 == pytest.approx(0.1, abs=0.02)
    assert counts["test"] / 5000 == pytest.approx(0.1, abs=0.02)


def test_the_table_and_the_images_may_have_other_names(root):
    (root / "captions.txt").rename(root / "captions.csv")
    shutil.rmtree(root / "Images")
    write_zip(root / "Images.zip", jpegs(), "Images/")
    assert load_dataset("captions-csv", root).images.open("cat.jpg").size == (48, 32)


def test_empty_captions_are_dropped_and_counted(root):
    table = TABLE + 'cat.jpg,,train\ncat.jpg," ",train\ncoffee.jpg,\t,dev\n'
    whole = load_dataset("captions-csv", root)
    (root / "captions.txt").write_text(table)
    dataset = load_dataset("captions-csv", root)
    assert dataset.splits == whole.splits
    assert dataset.empty_captions == {"train": 2, "dev": 1}


def test_a_split_may_be_read_alone_and_without_images(root):
    whole = load_dataset("captions-csv", root)
    shutil.rmtree(root / "Images")
    for split, examples in whole.splits.items():
        dataset = load_dataset("captions-csv", root, splits=[split], images=False)
        assert dataset.splits == {split: examples}


@pytest.mark.parametrize("lacking", ["captions.txt", "Images"])
def test_an_error_names_what_is_missing(root, lacking):
    (root / lacking).rename(root / "elsewhere")
    sentence = refused(root)
    assert f"no complete captions-csv in {root}" in sentence
    assert "captions.txt or captions.csv" in sentence
    assert "folder Images" in sentence


def test_two_tables_are_refused(root):
    shutil.copy(root / "captions.txt", root / "captions.csv")
    assert "Several tables are in" in refused(root)


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("", "begins with the columns"),
        (
            "cat.jpg,A cat .\n",
            "begins with the columns cat.jpg,A cat .. They must be image,caption",
        ),
        ("image,caption\ncat.jpg,A cat , it seems .\n", "2 columns (1 in all, the first is 'cat."),
        ("image,caption\n ,A cat .\n", "2 columns (1 in all, the first is ',A cat .')"),
        (
            "image,caption,split\ncat.jpg,A cat ., \n",
            "3 columns (1 in all, the first is 'cat.jpg,A cat .,')",
        ),
        ("image,caption,split\ncat.jpg,A cat .,val\n", "are none of train, dev, test"),
        (
            "image,caption,split\ncat.jpg,A cat .,train\ncat.jpg,A cat .,dev\n",
            "in more than one split",
        ),
        ('image,caption\ncat.jpg,"A cat', "not a table of comma-separated values"),
        ("image,caption\n", "names no images"),
    ],
)
def test_a_malformed_table_is_refused(root, table, complaint):
    (root / "captions.txt").write_text(table)
    assert complaint in refused(root)


def test_a_file_of_terms_is_quoted(root):
    assert "ask whoever" in load_dataset("captions-csv", root).terms
    (root / "terms.txt").write_text("Ours,\nunder CC0.\n")
    assert load_dataset("captions-csv", root).terms == "Ours, under CC0."
