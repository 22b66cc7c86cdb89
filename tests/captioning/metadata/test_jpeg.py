import hashlib
import struct

import pytest
from PIL import Image, IptcImagePlugin

from captioning.metadata import MetadataError, described, description_of, jpeg
from captioning.metadata.jpeg import APP13, IPTC_DIGEST, PHOTOSHOP, Resource, Segment
from tests.captioning.pictures import decoded, encoded

OTHER = Resource(b"8BIM", 0x03ED, b"\3abc", b"resolution...")
CITY = b"\x1c\2\x5a\0\4Rome"


def with_resources(content, *resources, size=60_000):
    """The file with the image resources, in segments of at most `size` bytes."""
    data = b"".join(map(bytes, resources))
    parts = (data[start : start + size] for start in range(0, len(data), size))
    segments = b"".join(bytes(Segment(APP13, PHOTOSHOP + part)) for part in parts)
    return content[:2] + segments + content[2:]


def test_jfif_and_exif_come_first_as_readers_expect(coffee):
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    changed = described(encoded(coffee, "JPEG", exif=exif), "JPEG", "Coffee.")
    places = [changed.index(sign) for sign in (b"JFIF\0", b"Exif\0", b"http://ns.adobe", b"8BIM")]
    assert places == sorted(places)


def test_nothing_changes_from_the_pixels_on(coffee_jpeg):
    pixels = coffee_jpeg[coffee_jpeg.index(b"\xff\xda") :]
    assert described(coffee_jpeg, "JPEG", "Coffee.").endswith(pixels)


@pytest.mark.parametrize("size", [60_000, 20])
def test_other_image_resources_and_datasets_stay(coffee_jpeg, size):
    iptc = Resource(b"8BIM", jpeg.IPTC, b"\0\0", CITY)
    content = with_resources(coffee_jpeg, OTHER, iptc, OTHER, size=size)
    changed = described(content, "JPEG", "Coffee.")
    assert changed.count(bytes(OTHER)) == 2
    assert IptcImagePlugin.getiptcinfo(decoded(changed)) == {
        (1, 90): b"\x1b%G",
        (2, 90): b"Rome",
        (2, 120): b"Coffee.",
    }


def test_the_digest_of_the_datasets_is_updated(coffee_jpeg):
    digest = Resource(b"8BIM", IPTC_DIGEST, b"\0\0", b"x" * 16)
    changed = described(with_resources(coffee_jpeg, digest), "JPEG", "Coffee.")
    iptc = jpeg.iptc_in(changed)
    assert bytes(digest._replace(data=hashlib.md5(iptc).digest())) in changed


def test_long_resources_are_split_into_segments(coffee_jpeg):
    big = Resource(b"8BIM", 0x040C, b"\0\0", b"thumbnail" * 20_000)
    changed = described(with_resources(coffee_jpeg, big), "JPEG", "Coffee.")
    assert changed.count(PHOTOSHOP) == 3
    assert description_of(changed.replace(b"dc:desc", b"dc:Xesc"), "JPEG") == "Coffee."
    assert decoded(changed).tobytes() == decoded(coffee_jpeg).tobytes()
    assert description_of(described(changed, "JPEG", "Tea."), "JPEG") == "Tea."


def test_a_packet_too_long_for_the_format_is_refused(coffee_jpeg):
    with pytest.raises(MetadataError, match=r"would have 65503 bytes\. A JPEG file can"):
        jpeg.with_xmp(coffee_jpeg, b"x" * 65_503)
    assert decoded(jpeg.with_xmp(coffee_jpeg, b"x" * 65_502)).size == (600, 400)


def test_fill_bytes_before_a_marker_are_accepted(coffee_jpeg):
    filled = coffee_jpeg[:2] + b"\xff\xff" + coffee_jpeg[2:]
    assert described(filled, "JPEG", "Coffee.") == described(coffee_jpeg, "JPEG", "Coffee.")


@pytest.mark.parametrize(
    "head",
    [b"", b"\xff", b"\xff\xe1", b"\xff\xe1\0", b"\xff\xe1\0\1", b"\xff\xe1\xff\xff", b"\xff\xd9",
     b"\0\0\0\2", b"\xff" * 50],
)  # fmt: skip
def test_damaged_segments_are_refused(head):
    with pytest.raises(MetadataError, match="This JPEG file is damaged"):
        described(b"\xff\xd8" + head, "JPEG", "Coffee.")


@pytest.mark.parametrize(
    "resource",
    [b"8BIM", b"8BIM\4\4\0\0\xff\xff\xff\xff", b"8BIM\4\4\xff", b"8BIM\4\4\0\0\0\0\0\5a"],
)
def test_damaged_image_resources_are_refused(coffee_jpeg, resource):
    content = coffee_jpeg[:2] + bytes(Segment(APP13, PHOTOSHOP + resource)) + coffee_jpeg[2:]
    with pytest.raises(MetadataError, match="This JPEG file is damaged"):
        described(content, "JPEG", "Coffee.")


def test_a_quantization_table_is_not_an_application_segment(coffee_jpeg):
    table = struct.pack(">BBH", 0xFF, 0xDB, 2 + len(jpeg.XMP)) + jpeg.XMP
    assert jpeg.xmp_in(coffee_jpeg[:2] + table + coffee_jpeg[2:]) is None
