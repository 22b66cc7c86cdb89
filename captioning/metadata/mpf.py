"""Keeps the index of a multi-picture JPEG file, as phones write them, correct.

Follows CIPA DC-007, Multi-Picture Format. An index in the first image holds the size of each image
and its distance from the index. Both change when metadata before the pixels grows or shrinks.
"""

from __future__ import annotations

import struct

from captioning.metadata.errors import damaged

SIGNATURE = b"MPF\0"
APP2, START_OF_SCAN = 0xE2, 0xDA
ENTRIES_TAG = 0xB002
FIELD = 12  # bytes: tag and type, 2 each; size and place, 4 each
ENTRY = 16  # bytes: attributes, size, distance and dependencies, 4 each


def with_corrected_index(content: bytes, changed: bytes) -> bytes:
    """Return the changed file with sizes and distances in its index corrected.

    Args:
        content: The file before the change; its segments must be intact.
        changed: The file after it. Only segments before the first image's pixels may differ, and
            the index must not.

    Raises:
        MetadataError: The index is damaged.
    """
    old, new = _index(content), _index(changed)
    if old is None or new is None:
        return changed
    growth = len(changed) - len(content)
    # Changes before the index moved it together with the images; only those after it count.
    further = growth - (new.start - old.start)
    result = bytearray(changed)
    try:
        order = {b"II*\0": "<", b"MM\0*": ">"}[changed[new.start : new.start + 4]]
        for number, place in enumerate(_entries(changed, new, order)):
            size, distance = struct.unpack_from(f"{order}II", changed, place + 4)
            if number == 0:
                size += growth
            if distance:  # zero for the first image, which does not move
                distance += further
            struct.pack_into(f"{order}II", result, place + 4, size, distance)
    except (KeyError, struct.error) as error:
        raise damaged("JPEG") from error
    return bytes(result)


def _index(content: bytes) -> range | None:
    """Return where the index is in the file; None if it has none."""
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
    """Return where the entry of each image begins."""
    [directory] = struct.unpack_from(f"{order}I", content, index.start + 4)
    [fields] = struct.unpack_from(f"{order}H", content, index.start + directory)
    for number in range(fields):
        place = index.start + directory + 2 + number * FIELD
        tag, _, size, offset = struct.unpack_from(f"{order}HHII", content, place)
        if tag == ENTRIES_TAG and index.start + offset + size <= index.stop:
            return range(index.start + offset, index.start + offset + size, ENTRY)
    raise damaged("JPEG")
