import json
import zipfile

import pytest
from PIL import Image

from pytorch.data.images import DatasetError
from pytorch.evaluation.naming import (
    measure_naming,
    name_pictures,
    naming_report,
    read_named_pictures,
    says_any,
)
from pytorch.model.decoding import DecodingConfig
from tests.shared_data import SHARED_DATA, needs
from tests.tiny import tiny_captioner

NAMES = {"a.png": ["cat", "tabby cat"], "b.png": ["bus"]}


@pytest.fixture
def path(tmp_path):
    """A names file, with its pictures in the folder beside it."""
    (tmp_path / "things").mkdir()
    for name in NAMES:
        Image.new("RGB", (20, 20), "red").save(tmp_path / "things" / name)
    path = tmp_path / "things.json"
    path.write_text(json.dumps(NAMES))
    return path


def test_pictures_are_captioned_in_the_order_of_the_file(path, tmp_path):
    captioner, decoding = tiny_captioner(), DecodingConfig(beam_size=2, max_words=5)
    pictures = read_named_pictures(path)
    naming = name_pictures(captioner, pictures, tmp_path / "cache", decoding=decoding)
    assert list(naming.captions) == list(NAMES)
    images = [pictures.images.open(name) for name in NAMES]
    expected = captioner.caption(images, decoding=decoding)
    assert list(naming.captions.values()) == [caption.text for caption in expected]
    assert naming_report(pictures, naming) == {
        "names": "things.json",
        "images": 2,
        "named": naming.named,
        "people": naming.people,
        "captions": naming.captions,
    }


def test_features_are_computed_once(path, tmp_path):
    captioner, cache = tiny_captioner(), tmp_path / "cache"
    name_pictures(captioner, read_named_pictures(path), cache)
    [before] = [file.stat().st_mtime_ns for file in cache.glob("*.npy")]
    name_pictures(captioner, read_named_pictures(path), cache)
    assert [file.stat().st_mtime_ns for file in cache.glob("*.npy")] == [before]


def test_pictures_may_lie_in_a_zip_file(path):
    folder = path.with_suffix("")
    with zipfile.ZipFile(path.with_suffix(".zip"), "w") as archive:
        for name in NAMES:
            archive.write(folder / name, f"inner/{name}")
            (folder / name).unlink()
    folder.rmdir()
    pictures = read_named_pictures(path)
    assert pictures.images.open("a.png").size == (20, 20)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("spam", "is not JSON"),
        ("[]", "names no pictures"),
        ("{}", "names no pictures"),
        ('{"a.png": "cat"}', "a list of words that name it, not 'cat' for 'a.png'"),
        ('{"a.png": []}', r"not \[\] for 'a.png'"),
        ('{"a.png": ["!"]}', "for 'a.png'"),
        ('{"c.png": ["cat"]}', r"not in .*things \(1 in all, the first is 'c.png'\)"),
    ],
)
def test_a_file_that_is_no_names_file_is_refused_with_a_sentence(path, content, message):
    path.write_text(content)
    with pytest.raises(DatasetError, match=message):
        read_named_pictures(path)


def test_a_file_without_pictures_beside_it_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="cannot be read"):
        read_named_pictures(tmp_path / "other.json")
    (tmp_path / "other.json").write_text(json.dumps(NAMES))
    with pytest.raises(DatasetError, match=r"the folder .*other or into .*other\.zip"):
        read_named_pictures(tmp_path / "other.json")


def test_a_picture_that_cannot_be_read_is_refused(path, tmp_path):
    (path.with_suffix("") / "b.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"b\.png in things cannot be read"):
        name_pictures(tiny_captioner(), read_named_pictures(path), tmp_path / "cache")


@pytest.mark.parametrize(
    ("caption", "phrases", "expected"),
    [
        ("two cats sit", ["cat"], True),
        ("red buses", ["bus"], True),
        ("a teddy bear sits", ["teddy bear"], True),
        ("teddy bears sit", ["teddy bear"], True),
        ("a bear", ["teddy bear"], False),
        ("a category", ["cat"], False),
        ("a scat", ["cat"], False),
        ("", ["cat"], False),
    ],
)
def test_a_name_counts_as_whole_words_in_the_singular_or_plural(caption, phrases, expected):
    assert says_any(caption.split(), phrases) == expected


def test_named_and_people_are_shares_of_all_captions():
    captions = {"a": "A man with a cat.", "b": "a dog", "c": "a player", "d": "a cat"}
    names = {"a": ["cat"], "b": ["tank"], "c": ["baseball player"], "d": ["dog"]}
    naming = measure_naming(captions, names)
    assert naming.named == 0.25
    assert naming.people == 0.25
    assert naming.lines() == ["named   0.2500", "people  0.2500"]


@needs("everyday")
def test_the_dev_pictures_are_all_there():
    pictures = read_named_pictures(SHARED_DATA / "everyday" / "naming-dev.json")
    assert len(pictures.names) == 500
