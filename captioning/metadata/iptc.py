"""The caption and the keywords in IPTC-IIM datasets, the older metadata of JPEG files.

Follows the IPTC-NAA Information Interchange Model, version 4.2. A dataset consists of a tag marker,
a record number, a dataset number, a length and a value.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from captioning.metadata.errors import MetadataError
from captioning.metadata.keywords import cut, missing

TAG = 0x1C
CHARACTER_SET = (1, 90)
KEYWORD = (2, 25)  # one dataset for each keyword
CAPTION = (2, 120)
UTF_8 = b"\x1b%G"  # its ISO 2022 escape sequence
MAX_CAPTION = 2000  # bytes
EXTENDED = 0x8000  # flag in a length: the other bits are the number of bytes of the real length


@dataclass(frozen=True)
class Dataset:
    """A value with its record number and dataset number."""

    number: tuple[int, int]
    value: bytes

    def __bytes__(self) -> bytes:
        size = len(self.value)
        length = (
            struct.pack(">H", size) if size < EXTENDED else struct.pack(">HI", EXTENDED | 4, size)
        )
        return bytes([TAG, *self.number]) + length + self.value


def described(iim: bytes | None, description: str, keywords: Sequence[str] = ()) -> bytes:
    """Return the datasets with the description as their caption, and with the keywords.

    All datasets share one character set. If the others are valid UTF-8, it is set to UTF-8. If not,
    texts beyond ASCII cannot be written: keywords are left out, and the old caption is only
    removed.

    Args:
        iim: The datasets of a file; None if it has none.
        description: Plain text, which is cut to MAX_CAPTION bytes.
        keywords: Keywords to add to those of the file, cut to `keywords.MAX_BYTES` each.

    Raises:
        MetadataError: The datasets are damaged.
    """
    datasets = [dataset for dataset in _datasets(iim or b"") if dataset.number != CAPTION]
    added = missing(_keywords(datasets), keywords)
    if _are_utf_8(datasets):
        datasets = [dataset for dataset in datasets if dataset.number != CHARACTER_SET]
        datasets.append(Dataset(CHARACTER_SET, UTF_8))
    else:
        description = description if description.isascii() else ""
        added = list(filter(str.isascii, added))
    datasets += [Dataset(KEYWORD, cut(keyword).encode()) for keyword in added]
    caption = description.encode()[:MAX_CAPTION].decode(errors="ignore").encode()
    if caption:
        datasets.append(Dataset(CAPTION, caption))
    # Sorted by record, since those of the envelope come first; the order within a record stays.
    return b"".join(map(bytes, sorted(datasets, key=lambda dataset: dataset.number[0])))


def description_in(iim: bytes | None) -> str:
    """Return the caption among the datasets; empty if there is none.

    Raises:
        MetadataError: The datasets are damaged.
    """
    values = {dataset.number: dataset.value for dataset in _datasets(iim or b"")}
    return values.get(CAPTION, b"").decode(errors="replace").strip("\0 \t\r\n")


def keywords_in(iim: bytes | None) -> list[str]:
    """Return the keywords among the datasets.

    Raises:
        MetadataError: The datasets are damaged.
    """
    return _keywords(_datasets(iim or b""))


def _keywords(datasets: Sequence[Dataset]) -> list[str]:
    values = (dataset.value for dataset in datasets if dataset.number == KEYWORD)
    return list(filter(None, (_decoded(value).strip("\0 \t\r\n") for value in values)))


def _decoded(value: bytes) -> str:
    """Decode a text as other software does: what is not UTF-8 is nearly always Windows-1252."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("cp1252", errors="replace")


def _are_utf_8(datasets: list[Dataset]) -> bool:
    values = {dataset.number: dataset.value for dataset in datasets}
    if CHARACTER_SET in values:
        return values[CHARACTER_SET] == UTF_8
    try:
        b"\n".join(dataset.value for dataset in datasets).decode()
    except UnicodeDecodeError:
        return False
    return True


def _datasets(iim: bytes) -> list[Dataset]:
    datasets, start = [], 0
    try:
        while start < len(iim.rstrip(b"\0")):
            tag, record, number, size = struct.unpack_from(">BBBH", iim, start)
            start += 5
            if size & EXTENDED:
                length = size ^ EXTENDED
                size, start = int.from_bytes(iim[start : start + length]), start + length
            if tag != TAG or start + size > len(iim):
                raise _damaged()
            datasets.append(Dataset((record, number), iim[start : start + size]))
            start += size
    except struct.error as error:
        raise _damaged() from error
    return datasets


def _damaged() -> MetadataError:
    return MetadataError(
        "The IPTC metadata of this file is damaged, so nothing can be added to it."
    )
