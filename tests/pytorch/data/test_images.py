from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pytorch.data.images import DatasetError, ImageError, ImageFiles
from pytorch.files.photographs import open_photograph
from tests.photographs import jpegs, write_folder, write_zip


def test_images_come_upright_and_in_rgb(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the left edge belongs at the top
    picture = Image.new("L", (40, 20))
    picture.paste(255, (0, 0, 20, 20))
    picture.save(folder / "turned.jpg", exif=exif)
    Image.new("CMYK", (8, 8)).save(folder / "printed.jpg")

    store = ImageFiles([folder])
    turned = store.open("turned.jpg")

    assert turned.size == (20, 40)
    assert turned.getpixel((10, 3)) == (255, 255, 255)
    assert turned.getpixel((10, 36)) == (0, 0, 0)
    assert store.open("printed.jpg").mode == "RGB"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16", "CMYK", "1"])
def test_training_sees_the_pixels_that_are_served(tmp_path, mode):
    """A transparent PNG is white and a 16-bit PNG is scaled, in training as on the page."""
    image = Image.new("RGBA", (20, 10), (0, 0, 0, 0))
    image.paste((200, 30, 60, 255), (0, 0, 10, 10))
    if mode == "I;16":
        image = Image.fromarray(np.full((10, 20), 127 * 257, np.uint16))
    buffer = BytesIO()
    image.convert(mode).save(buffer, "TIFF" if mode == "CMYK" else "PNG")
    write_folder(tmp_path / "images", {"picture": buffer.getvalue()})

    trained_on = ImageFiles([tmp_path / "images"]).open("picture")

    buffer.seek(0)
    assert trained_on.tobytes() == open_photograph(buffer).image.tobytes()
    if mode == "RGBA":
        assert trained_on.getpixel((15, 5)) == (255, 255, 255)
    if mode == "I;16":
        assert trained_on.getpixel((15, 5)) == (127, 127, 127)


def test_an_error_about_a_missing_image_names_it(tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"")
    folder = tmp_path / "images"
    folder.mkdir()
    store = ImageFiles([folder])
    for name in ("cat.jpg", "../secret.jpg"):
        assert name not in store
        for method in (store.open, store.fingerprint):
            with pytest.raises(ImageError, match=f"no image {name}"):
                method(name)


def test_the_first_source_that_has_a_name_is_used(tmp_path):
    files = jpegs()
    write_zip(tmp_path / "first.zip", {"photo.jpg": files["cat.jpg"]})
    write_zip(tmp_path / "second.zip", {"photo.jpg": files["rocket.jpg"]})
    write_folder(tmp_path / "third", {"photo.jpg": files["coffee.jpg"]})
    write_folder(tmp_path / "expected", files)
    sources = [tmp_path / name for name in ("first.zip", "second.zip", "third")]
    expected = ImageFiles([tmp_path / "expected"])
    for first, name in zip(sources, ("cat.jpg", "rocket.jpg", "coffee.jpg"), strict=True):
        others = [source for source in sources if source != first]
        image = ImageFiles([first, *others]).open("photo.jpg")
        assert image.tobytes() == expected.open(name).tobytes()


@pytest.mark.parametrize("damage", ["truncated", "not an image", "empty", "too many pixels"])
def test_an_image_that_cannot_be_read_is_named(tmp_path, damage, monkeypatch):
    whole = jpegs()["cat.jpg"]
    content = {"truncated": whole[:500], "not an image": b"text", "empty": b""}.get(damage, whole)
    if damage == "too many pixels":
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    write_folder(tmp_path / "images", {"cat.jpg": content})
    with pytest.raises(ImageError, match=r"^The image cat\.jpg in images cannot be read"):
        ImageFiles([tmp_path / "images"]).open("cat.jpg")


def test_an_image_damaged_within_a_zip_is_named(tmp_path):
    path = tmp_path / "images.zip"
    content = jpegs()["cat.jpg"]
    write_zip(path, {"cat.jpg": content})
    packed = path.read_bytes()
    middle = packed.index(content) + len(content) // 2
    path.write_bytes(packed[:middle] + b"damage" + packed[middle + 6 :])
    with pytest.raises(ImageError, match=r"^The image cat\.jpg in images\.zip cannot be read"):
        ImageFiles([path]).open("cat.jpg")


@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_the_fingerprint_changes_only_with_the_image(tmp_path, kind):
    source = tmp_path / "images.zip" if kind == "zip" else tmp_path / "images"
    write = write_zip if kind == "zip" else write_folder
    files = jpegs()
    write(source, {"photo.jpg": files["cat.jpg"]})
    before = ImageFiles([source]).fingerprint("photo.jpg")
    assert ImageFiles([source]).fingerprint("photo.jpg") == before

    source.rename(tmp_path / "before")
    write(source, {"photo.jpg": files["rocket.jpg"]})
    assert ImageFiles([source]).fingerprint("photo.jpg") != before


def test_threads_may_share_a_zip(tmp_path):
    images = {}
    for shade in range(32):
        buffer = BytesIO()
        Image.new("RGB", (64, 64), (shade * 8,) * 3).save(buffer, "PNG")
        images[f"{shade}.png"] = buffer.getvalue()
    write_zip(tmp_path / "images.zip", images)
    store = ImageFiles([tmp_path / "images.zip"])
    shades = [shade for _ in range(20) for shade in range(32)]

    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda shade: store.open(f"{shade}.png"), shades))

    assert [image.getpixel((5, 5))[0] for image in opened] == [shade * 8 for shade in shades]


def test_a_damaged_zip_is_named(tmp_path):
    (tmp_path / "images.zip").write_bytes(b"PK but no zip")
    with pytest.raises(DatasetError, match=r"images\.zip cannot be read"):
        ImageFiles([tmp_path / "images.zip"])


def test_a_file_that_cannot_be_opened_is_named_without_its_path(tmp_path):
    write_folder(tmp_path / "images", jpegs())
    images = ImageFiles([tmp_path / "images"])
    (tmp_path / "images" / "cat.jpg").unlink()
    message = r"^The image cat\.jpg in images cannot be read \(No such file or directory\)\."
    with pytest.raises(ImageError, match=message):
        images.open("cat.jpg")
