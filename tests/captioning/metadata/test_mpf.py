import struct

import pytest

from captioning.metadata import MetadataError, described
from captioning.metadata.mpf import SIGNATURE
from tests.captioning.pictures import decoded, encoded


@pytest.fixture(scope="module")
def several(coffee):
    """A JPEG file of three pictures."""
    pictures = [coffee.resize((90, 60)).rotate(angle) for angle in (0, 90, 180)]
    return encoded(pictures[0], "MPO", save_all=True, append_images=pictures[1:])


def frames(content):
    image = decoded(content)
    found = []
    for number in range(image.n_frames):
        image.seek(number)
        found.append(image.convert("RGB").tobytes())
    return found


def test_all_pictures_of_a_file_are_still_found(several):
    changed = described(several, "JPEG", "Coffee.")
    assert len(frames(several)) == 3
    assert frames(changed) == frames(several)


def test_all_pictures_are_found_if_metadata_grow_after_the_index(several):
    changed = described(several, "JPEG", "Coffee.")
    segment = changed.index(SIGNATURE) - 4
    length = 2 + struct.unpack_from(">H", changed, segment + 2)[0]
    index = changed[segment : segment + length]
    first = changed.index(b"\xff\xe1", 2)
    # The index moves without being corrected, so all places below are wrong by the same amount.
    moved = changed[:first] + index + changed[first:segment] + changed[segment + length :]
    longer = described(moved, "JPEG", "A cup of coffee on a table.")
    growth = len(longer) - len(moved)
    assert growth > 0
    assert [new - old for new, old in zip(sizes(longer), sizes(moved), strict=True)] == [
        growth,
        0,
        0,
    ]
    assert [new - old for new, old in zip(places(longer), places(moved), strict=True)] == [
        growth,
        growth,
    ]


def sizes(content):
    return [entry["Size"] for entry in decoded(content).mpinfo[0xB002]]


def places(content):
    """The offsets at which the pictures after the first begin."""
    index = content.index(SIGNATURE) + len(SIGNATURE)
    return [index + entry["DataOffset"] for entry in decoded(content).mpinfo[0xB002][1:]]


@pytest.mark.parametrize("place", [4, 8, 12, 20, 24])
def test_a_damaged_index_is_refused_or_the_pixels_stay_intact(several, place):
    start = several.index(SIGNATURE) + place
    damaged = several[:start] + b"\xff\xff\xff\xff" + several[start + 4 :]
    try:
        changed = described(damaged, "JPEG", "Coffee.")
    except MetadataError:
        return
    assert changed.endswith(several[several.index(b"\xff\xda") :])
