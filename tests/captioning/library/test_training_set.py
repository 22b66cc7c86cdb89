import csv
import io

import pytest

from captioning.library import services
from captioning.library.training_set import splits, training_set
from captioning.models import Picture
from pytorch.data.datasets import load_dataset
from tests.captioning.library.kept import keep, visitor
from tests.captioning.pictures import decoded, encoded
from tests.photographs import photographs


@pytest.fixture
def pictures(db, coffee_jpeg):
    """Three corrected pictures and one that is not."""
    owner = visitor()
    kept = [keep(owner, encoded(photograph, "PNG")) for photograph in photographs()]
    for picture, text in zip(kept, ["An astronaut.", "A cat, asleep.", "=Coffee"], strict=False):
        services.correct(picture, text)
    return kept


def written(folder):
    for path, content in training_set(Picture.objects.all()):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def test_the_training_reads_the_corrections_and_nothing_else(pictures, tmp_path):
    dataset = load_dataset("captions-csv", written(tmp_path))
    examples = [example for split in dataset.splits.values() for example in split]
    assert {example.captions for example in examples} == {
        ("An astronaut.",),
        ("A cat, asleep.",),
        ("=Coffee",),
    }
    assert set(dataset.splits) == {"train", "dev"}
    [astronaut] = [e for e in examples if e.captions == ("An astronaut.",)]
    assert dataset.images.open(astronaut.image).size == (512, 512)


def test_images_are_copies_without_metadata_or_names(db, coffee, tmp_path):
    picture = keep(visitor(), encoded(coffee, "JPEG", comment=b"secret"), "secret.jpg")
    services.correct(picture, "Coffee.")
    files = dict(training_set(Picture.objects.all()))
    assert list(files) == [f"Images/{picture.pixel_hash}.jpg", "captions.csv"]
    image = files[f"Images/{picture.pixel_hash}.jpg"]
    assert decoded(image).format == "JPEG"
    assert b"secret" not in b"".join(files.values())


def test_one_picture_of_several_people_is_one_image_with_several_captions(pictures, coffee):
    other = keep(visitor(), encoded(coffee, "WEBP", lossless=True))
    services.correct(other, "A cup.")
    files = list(training_set(Picture.objects.all()))
    assert len(files) == 4
    table = csv.DictReader(io.StringIO(files[-1][1].decode(), newline=""))
    rows = [row for row in table if row["image"] == f"{other.pixel_hash}.jpg"]
    assert sorted(row["caption"] for row in rows) == ["=Coffee", "A cup."]
    assert len({row["split"] for row in rows}) == 1


def hashes(*numbers):
    return [f"{number:064x}" for number in numbers]


def test_one_picture_in_five_is_in_dev():
    split_of = splits(hashes(*range(100)))
    assert list(split_of.values()).count("dev") == 20


def test_a_picture_stays_in_its_split_when_others_join():
    few, many = splits(hashes(*range(7, 30))), splits(hashes(*range(100)))
    assert few.items() <= many.items()


@pytest.mark.parametrize("numbers", [(1, 2), (5, 10), (1, 2, 3, 4)])
def test_no_split_is_empty(numbers):
    assert set(splits(hashes(*numbers)).values()) == {"train", "dev"}


def test_one_picture_is_one_split_and_none_is_none():
    assert len(splits(hashes(3))) == 1
    assert splits([]) == {}
