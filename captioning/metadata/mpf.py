"""Further images after the first in a JPEG file, such as a phone's: how to find them is kept true.

CIPA DC-007, Multi-Picture Format. An index in the first image holds the size of each image and how
far it is from the index.
"""

from __future__ import annotations

import struct

from captioning.metadata.errors import damaged

SIGNATURE = b"MPF\0"
APP2, START_OF_SCAN = 0xE2, 0xDA
ENTRIES_TAG = 0xB002
FIELD = 12  # bytes: tag, type, and four each of size and place
ENTRY = 16  # bytes: attributes, size and distance of four each, and four of dependencies


def moved(content: bytes, changed: bytes) -> bytes:
    """Return the changed file with the index corrected by what the change moved.

    Only what precedes the pixels of the first image, its index excepted, may have changed.

    Raises MetadataError where the index is damaged.
    """
    former, present = _index(content), _index(changed)
    if former is None or present is None:
        return changed
    growth = len(changed) - len(content)
    # The index moved along with some of what was changed, the images after it with all of that.
    further = growth - (present.start - former.start)
    result = bytearray(changed)
    try:
        order = {b"II*\0": "<", b"MM\0*": ">"}[changed[present.start : present.start + 4]]
        for number, place in enumerate(_entries(changed, present, order)):
            size, distance = struct.unpack_from(f"{order}II", changed, place + 4)
            if number == 0:
                size += growth
            if distance:  # that of the first image is zero, as it is where it always is
                distance += further
            struct.pack_into(f"{order}II", result, place + 4, size, distance)
    except (KeyError, struct.error) as error:
        raise damaged("JPEG") from error
    return bytes(result)


def _index(content: bytes) -> range | None:
    """The bytes of the index, in a JPEG file whose segments are known to be whole."""
    start = 2
    while content[start + 1] != START_OF_SCAN:
        if content[start + 1] == 0xFF:  # any number of these may precede a marker
            start += 1
            continue
        [length] = struct.unpack_from(">H", content, start + 2)
        if content[start + 1] == APP2 and content.startswith(SIGNATURE, start + 4):
            return range(start + 4 + len(SIGNATURE), start + 2 + length)
        start += 2 + length
    return None


def _entries(content: bytes, index: range, order: str) -> range:
    """Where the entry of each image begins."""
    [directory] = struct.unpack_from(f"{order}I", content, index.start + 4)
    [fields] = struct.unpack_from(f"{order}H", content, index.start + directory)
    for number in range(fields):
        place = index.start + directory + 2 + number * FIELD
        tag, _, size, offset = struct.unpack_from(f"{order}HHII", content, place)
        if tag == ENTRIES_TAG and index.start + offset + size <= index.stop:
            return range(index.start + offset, index.start + offset + size, ENTRY)
    raise damaged("JPEG")
