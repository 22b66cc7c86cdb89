"""Descriptions in files, read by other software."""

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, IptcImagePlugin

from captioning.metadata import (
    CONTAINERS,
    MetadataError,
    described,
    description_of,
    iptc,
    jpeg,
    keywords_of,
    xmp,
)
from tests.captioning.pictures import decoded, encoded

TEXT = "Ein Café & <zwei> 犬 \N{DOG FACE}"
MODES = [
    ("JPEG", "RGB", {}),
    ("JPEG", "L", {"progressive": True}),
    ("PNG", "RGBA", {}),
    ("PNG", "P", {}),
    ("WEBP", "RGB", {}),
    ("WEBP", "RGB", {"lossless": True}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("WEBP", "RGBA", {}),
]


def xmp_descriptions(content):
    """The description and the alt text that Pillow reads."""
    blocks = decoded(content).getxmp()["xmpmeta"]["RDF"]["Description"]
    found = [
        block
        for block in (blocks if isinstance(blocks, list) else [blocks])
        if "description" in block
    ]
    [block] = found
    return [block[name]["Alt"]["li"]["text"] for name in ("description", "AltTextAccessibility")]


@pytest.mark.parametrize(("file_format", "mode", "options"), MODES)
def test_pillow_reads_the_description_and_the_same_pixels(coffee, file_format, mode, options):
    content = encoded(coffee.resize((61, 41)).convert(mode), file_format, **options)
    changed = described(content, file_format, TEXT)
    assert xmp_descriptions(changed) == [TEXT, TEXT]
    assert description_of(content, file_format) == ""
    assert description_of(changed, file_format) == TEXT
    before, after = decoded(content), decoded(changed)
    assert (before.mode, before.size) == (after.mode, after.size)
    assert before.tobytes() == after.tobytes()


def test_a_jpeg_file_also_has_the_iptc_caption(coffee_jpeg):
    iptc = IptcImagePlugin.getiptcinfo(decoded(described(coffee_jpeg, "JPEG", TEXT)))
    assert iptc == {(1, 90): b"\x1b%G", (2, 120): TEXT.encode()}


def xmp_keywords(content):
    """The keywords that Pillow reads."""
    blocks = decoded(content).getxmp()["xmpmeta"]["RDF"]["Description"]
    [block] = [block for block in blocks if "subject" in block]
    items = block["subject"]["Bag"]["li"]
    return items if isinstance(items, list) else [items]


@pytest.mark.parametrize(("file_format", "mode", "options"), MODES)
def test_pillow_reads_the_keywords_and_the_same_pixels(coffee, file_format, mode, options):
    content = encoded(coffee.resize((61, 41)).convert(mode), file_format, **options)
    changed = described(content, file_format, TEXT, ["cup", "Löffel"])
    assert keywords_of(content, file_format) == []
    assert xmp_keywords(changed) == keywords_of(changed, file_format) == ["cup", "Löffel"]
    assert xmp_descriptions(changed) == [TEXT, TEXT]
    assert decoded(changed).tobytes() == decoded(content).tobytes()


def test_a_jpeg_file_also_has_the_iptc_keywords(coffee_jpeg):
    iptc = IptcImagePlugin.getiptcinfo(
        decoded(described(coffee_jpeg, "JPEG", TEXT, ["cup", "tea"]))
    )
    assert iptc[2, 25] == [b"cup", b"tea"]


@pytest.mark.parametrize("file_format", CONTAINERS)
def test_keywords_of_other_software_survive_in_their_order(coffee, file_format):
    own = ["Rome", "holiday 2019", "<b> & c"]
    content = described(encoded(coffee, file_format), file_format, "", own)
    changed = described(content, file_format, TEXT, ["cup", "rome"])
    assert xmp_keywords(changed) == [*own, "cup"]
    again = described(changed, file_format, "Another.", ["Cup", "spoon"])
    assert keywords_of(again, file_format) == [*own, "cup", "spoon"]
    assert described(again, file_format, "Another.", ["cup"]) == again


def test_keywords_in_only_one_of_xmp_and_iptc_get_into_both(coffee_jpeg):
    content = jpeg.with_xmp(coffee_jpeg, xmp.described(None, "", ["Rome", "é" * 40]))
    content = jpeg.with_iptc(content, iptc.described(None, "", ["holiday", "rome", "é" * 32]))
    changed = described(content, "JPEG", TEXT, ["cup"])
    assert xmp_keywords(changed) == ["Rome", "é" * 40, "holiday", "cup"]
    assert keywords_of(changed, "JPEG") == xmp_keywords(changed)
    assert iptc.keywords_in(jpeg.iptc_in(changed)) == ["holiday", "rome", "é" * 32, "cup"]


@pytest.mark.parametrize("file_format", CONTAINERS)
def test_without_keywords_those_of_the_file_are_not_touched(coffee, file_format):
    content = described(encoded(coffee, file_format), file_format, "A cup.", ["cup"])
    assert described(content, file_format, "A cup.") == content


@pytest.mark.parametrize("file_format", CONTAINERS)
def test_a_second_description_replaces_the_first(coffee, file_format):
    once = described(encoded(coffee, file_format), file_format, "The last.")
    twice = described(described(once, file_format, "A longer one."), file_format, "The last.")
    assert twice == once


@pytest.mark.parametrize("file_format", CONTAINERS)
def test_exif_and_colour_profile_stay(coffee, file_format):
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = encoded(coffee, file_format, exif=exif, icc_profile=profile)
    after = decoded(described(content, file_format, TEXT))
    assert after.getexif()[0x010F] == "A camera"
    assert after.info["icc_profile"] == profile


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_an_animation_keeps_its_frames(coffee, file_format):
    frames = [coffee.resize((30, 20)).rotate(angle) for angle in (0, 90, 180)]
    content = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
    after = decoded(described(content, file_format, TEXT))
    assert after.n_frames == 3


@pytest.mark.parametrize("file_format", CONTAINERS)
def test_data_after_the_picture_stays(coffee, file_format):
    content = encoded(coffee, file_format) + b"a moving picture, perhaps"
    assert described(content, file_format, TEXT).endswith(b"a moving picture, perhaps")


@pytest.mark.parametrize("file_format", CONTAINERS)
def test_a_description_only_in_iptc_or_the_alt_text_is_found(coffee, file_format):
    content = described(encoded(coffee, file_format), file_format, TEXT)
    content = content.replace(b"dc:description", b"dc:descriptioX")
    assert description_of(content, file_format) == TEXT


@pytest.mark.parametrize("file_format", CONTAINERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_damage_raises_anything_but_a_metadata_error(file_format, data):
    image = Image.new("RGB", (8, 8), "red")
    content = bytearray(described(encoded(image, file_format), file_format, "Red.", ["red", "sky"]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(1, len(content))) :]
    try:
        before = keywords_of(bytes(content), file_format)
        changed = described(bytes(content), file_format, "Blue.", ["blue"])
    except MetadataError:
        return
    assert description_of(changed, file_format) == "Blue."
    assert keywords_of(changed, file_format)[: len(before)] == before


@pytest.mark.parametrize("file_format", CONTAINERS)
def test_a_file_of_another_format_is_refused(file_format):
    for content in (b"", b"\xff", b"GIF89a", struct.pack(">QQ", 1, 2), io.BytesIO().getvalue()):
        with pytest.raises(MetadataError, match="damaged"):
            described(content, file_format, TEXT)
