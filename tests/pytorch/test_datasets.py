import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pytorch.datasets import DatasetError, Example, ImageStore, load_dataset
from tests.photographs import photographs

SHARED = Path(__file__).resolve().parents[2].parent / "shared"

NAMES = ("astronaut.jpg", "cat.jpg", "coffee.jpg", "rocket.jpg")
TEXTS = {
    "Flickr8k.token.txt": "".join(
        f"{name}#{number}\tCaption {number} of {name} .\n" for name in NAMES for number in range(2)
    )
    # As in the published file: a name that is in no split and has no image.
    + "2258277193_586949ec62.jpg.1#0\tSome people wait .\n",
    "Flickr_8k.trainImages.txt": "astronaut.jpg\ncoffee.jpg\n",
    "Flickr_8k.devImages.txt": "cat.jpg\n",
    "Flickr_8k.testImages.txt": "rocket.jpg\n",
}


def jpegs():
    """Small photographs as JPEG files: name and content."""
    files = {}
    for name, photograph in zip(NAMES, photographs(), strict=True):
        buffer = BytesIO()
        photograph.resize((48, 32)).save(buffer, "JPEG")
        files[name] = buffer.getvalue()
    return files


def write_zip(path, files, folder=""):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)


def write_folder(path, files):
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)


@pytest.fixture
def root(tmp_path):
    """A tiny Flickr8k, its images in a folder."""
    write_folder(tmp_path / "Images", jpegs())
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def refused(root):
    """The sentence with which the data set in `root` is refused."""
    with pytest.raises(DatasetError) as failure:
        load_dataset("flickr8k", root)
    return str(failure.value)


def test_an_unknown_data_set_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(DatasetError, match="'coco'; choose one of: flickr8k"):
        load_dataset("coco", tmp_path)


def test_examples_have_their_captions_in_the_order_of_the_split(root):
    dataset = load_dataset("flickr8k", root)
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
def test_published_layouts_are_found(tmp_path, write_images, text_folder):
    write_images(tmp_path)
    (tmp_path / text_folder).mkdir(exist_ok=True)
    for name, text in TEXTS.items():
        (tmp_path / text_folder / name).write_text(text)

    dataset = load_dataset("flickr8k", tmp_path)

    for name, photograph in zip(NAMES, photographs(), strict=True):
        image = np.asarray(dataset.images.open(name), dtype=float)
        expected = np.asarray(photograph.resize((48, 32)), dtype=float)
        assert np.abs(image - expected).mean() < 10


@pytest.mark.parametrize("lacking", ["everything", "Flickr8k.token.txt", "Images"])
def test_a_missing_data_set_says_what_to_get_and_where_to_put_it(root, lacking):
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
        file.write("cat.jpg#2 without a tab\ncat.jpg\twithout a number\ncat.jpg#3\t \n")
    sentence = refused(root)
    assert "3 in all, the first is 'cat.jpg#2 without a tab'" in sentence
    assert "NAME.jpg#NUMBER<TAB>CAPTION" in sentence


def test_images_without_captions_are_counted_and_the_first_is_named(root):
    (root / "Flickr_8k.devImages.txt").write_text("cat.jpg\ndog.jpg\nhorse.jpg\n")
    sentence = refused(root)
    assert "devImages.txt have no captions (2 in all, the first is 'dog.jpg')" in sentence


def test_images_that_are_not_there_are_counted_and_the_first_is_named(root):
    (root / "Images" / "cat.jpg").unlink()
    sentence = refused(root)
    assert "none of the image folders and zip files" in sentence
    assert "(1 in all, the first is 'cat.jpg')" in sentence


def test_an_image_in_two_splits_is_refused(root):
    (root / "Flickr_8k.devImages.txt").write_text("cat.jpg\ncoffee.jpg\n")
    assert "more than once by the splits" in (sentence := refused(root))
    assert "'coffee.jpg'" in sentence


def test_an_empty_split_is_refused(root):
    (root / "Flickr_8k.devImages.txt").write_text("\n")
    assert "devImages.txt names no images" in refused(root)


def test_captions_that_are_not_utf_8_are_refused(root):
    (root / "Flickr8k.token.txt").write_bytes(b"cat.jpg#0\tA caf\xe9 .\n")
    assert "token.txt cannot be read ('utf-8' codec" in refused(root)


def test_a_damaged_zip_is_named(root):
    (root / "images-more.zip").write_bytes(b"PK but no zip")
    assert "images-more.zip cannot be read" in refused(root)


# Not line ends, which divide captions, nor halves of a character, which UTF-8 cannot store.
LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1)


@settings(deadline=None)  # disks are slow at times
@given(captions=st.lists(LINES.filter(str.strip), min_size=1, max_size=5))
def test_whatever_a_caption_holds_comes_back(captions):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_folder(root / "images", {"cat.jpg": b"", "dog.jpg": b""})
        lines = [f"cat.jpg#{number}\t{caption}" for number, caption in enumerate(captions)]
        text = "\n".join([*lines, "dog.jpg#0\tA dog ."])
        (root / "Flickr8k.token.txt").write_text(text, encoding="utf-8")
        (root / "Flickr_8k.trainImages.txt").write_text("cat.jpg")
        (root / "Flickr_8k.devImages.txt").write_text("dog.jpg")
        (example,) = load_dataset("flickr8k", root).split("train")
    assert example.captions == tuple(caption.strip() for caption in captions)


def test_images_come_upright_and_in_rgb(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the left edge belongs at the top
    picture = Image.new("L", (40, 20))
    picture.paste(255, (0, 0, 20, 20))
    picture.save(folder / "turned.jpg", exif=exif)
    Image.new("CMYK", (8, 8)).save(folder / "printed.jpg")

    store = ImageStore([folder])
    turned = store.open("turned.jpg")

    assert turned.size == (20, 40)
    assert turned.getpixel((10, 3)) == (255, 255, 255)
    assert turned.getpixel((10, 36)) == (0, 0, 0)
    assert store.open("printed.jpg").mode == "RGB"


def test_a_name_that_is_not_there_is_named(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"")
    folder = tmp_path / "images"
    folder.mkdir()
    store = ImageStore([folder])
    for name in ("cat.jpg", "../secret.jpg"):
        assert name not in store
        for method in (store.open, store.fingerprint):
            with pytest.raises(DatasetError, match=f"no image {name}"):
                method(name)


def test_the_first_source_that_has_a_name_is_used(tmp_path):
    files = jpegs()
    write_zip(tmp_path / "first.zip", {"photo.jpg": files["cat.jpg"]})
    write_zip(tmp_path / "second.zip", {"photo.jpg": files["rocket.jpg"]})
    write_folder(tmp_path / "third", {"photo.jpg": files["coffee.jpg"]})
    write_folder(tmp_path / "expected", files)
    sources = [tmp_path / name for name in ("first.zip", "second.zip", "third")]
    expected = ImageStore([tmp_path / "expected"])
    for first, name in zip(sources, ("cat.jpg", "rocket.jpg", "coffee.jpg"), strict=True):
        others = [source for source in sources if source != first]
        image = ImageStore([first, *others]).open("photo.jpg")
        assert image.tobytes() == expected.open(name).tobytes()


@pytest.mark.parametrize("damage", ["truncated", "not an image", "empty", "too many pixels"])
def test_an_image_that_cannot_be_read_is_named(tmp_path, damage, monkeypatch):
    whole = jpegs()["cat.jpg"]
    content = {"truncated": whole[:500], "not an image": b"text", "empty": b""}.get(damage, whole)
    if damage == "too many pixels":
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    write_folder(tmp_path / "images", {"cat.jpg": content})
    with pytest.raises(DatasetError, match=r"The image cat\.jpg in .*images cannot be read"):
        ImageStore([tmp_path / "images"]).open("cat.jpg")


def test_an_image_damaged_within_a_zip_is_named(tmp_path):
    path = tmp_path / "images.zip"
    content = jpegs()["cat.jpg"]
    write_zip(path, {"cat.jpg": content})
    packed = path.read_bytes()
    middle = packed.index(content) + len(content) // 2
    path.write_bytes(packed[:middle] + b"damage" + packed[middle + 6 :])
    with pytest.raises(DatasetError, match=r"The image cat\.jpg in .*images\.zip cannot be read"):
        ImageStore([path]).open("cat.jpg")


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_the_fingerprint_changes_with_the_image_alone(tmp_path, kind):
    source = tmp_path / "images.zip" if kind == "zip" else tmp_path / "images"
    write = write_zip if kind == "zip" else write_folder
    files = jpegs()
    write(source, {"photo.jpg": files["cat.jpg"]})
    before = ImageStore([source]).fingerprint("photo.jpg")
    assert ImageStore([source]).fingerprint("photo.jpg") == before

    source.rename(tmp_path / "before")
    write(source, {"photo.jpg": files["rocket.jpg"]})
    assert ImageStore([source]).fingerprint("photo.jpg") != before


def test_threads_may_share_a_zip(tmp_path):
    images = {}
    for shade in range(32):
        buffer = BytesIO()
        Image.new("RGB", (64, 64), (shade * 8,) * 3).save(buffer, "PNG")
        images[f"{shade}.png"] = buffer.getvalue()
    write_zip(tmp_path / "images.zip", images)
    store = ImageStore([tmp_path / "images.zip"])
    shades = [shade for _ in range(20) for shade in range(32)]

    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda shade: store.open(f"{shade}.png"), shades))

    assert [image.getpixel((5, 5))[0] for image in opened] == [shade * 8 for shade in shades]


@pytest.mark.skipif(
    not (SHARED / "data" / "flickr8k").is_dir(), reason="needs Flickr8k, which is not here"
)
def test_flickr8k_itself_is_read():
    dataset = load_dataset("flickr8k", SHARED / "data" / "flickr8k")
    assert len(dataset.split("train")) == 6000
    assert len(dataset.split("dev")) == 1000
    assert {len(example.captions) for example in dataset.split("dev")} == {5}
    assert dataset.images.open(dataset.split("dev")[0].image).mode == "RGB"
