"""What leaves the library: tables of pictures, and zip files of them, made while they are sent."""

from __future__ import annotations

import csv
import json
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from io import RawIOBase, StringIO
from pathlib import PurePath
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.text import get_valid_filename

from captioning.metadata import CONTAINERS, SIDECAR_SUFFIX, MetadataError, described, xmp
from captioning.models import Picture, StoredCaption
from pytorch.files.photographs import FORMATS

COLUMNS = (
    "name",
    "caption",
    "correction",
    "description",
    "model",
    "created",
    "corrected",
    "format",
    "width",
    "height",
)
ROWS_AT_A_TIME = 200
# A spreadsheet takes what begins so for a formula and runs it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
BYTE_ORDER_MARK = "\ufeff"  # without it Excel takes UTF-8 for something else
MAX_STEM = 60  # characters, of four bytes at most; file systems allow 255 bytes

File = tuple[str, bytes]
"""The path of a file in a zip file or folder, and its content."""


def csv_rows(pictures: QuerySet[Picture]) -> Iterator[str]:
    """Write the pictures as a table with a header, line by line, safe to open in a spreadsheet."""
    yield BYTE_ORDER_MARK + csv_line(COLUMNS)
    for row in _rows(pictures):
        yield csv_line(_without_formula(value) for value in row.values())


def json_rows(pictures: QuerySet[Picture]) -> Iterator[str]:
    """Write the pictures as a list of objects, one a line."""
    separator = "[\n"
    for row in _rows(pictures):
        yield separator + json.dumps(row, ensure_ascii=False)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def described_files(pictures: QuerySet[Picture]) -> Iterator[File]:
    """The originals of the pictures, with their descriptions written into them.

    Next to one that cannot hold its description, or has damaged metadata, comes a sidecar.
    """
    taken: set[str] = set()
    for picture in pictures.iterator(ROWS_AT_A_TIME):
        content = content_of(picture, "original")
        if content is None:
            continue
        name = _file_name(picture, taken)
        try:
            if picture.format in CONTAINERS:
                yield name, described(content, picture.format, picture.description)
                continue
        except MetadataError:
            pass  # what is damaged stays as it came
        yield name, content
        yield name + SIDECAR_SUFFIX, xmp.described(None, picture.description)


def content_of(picture: Picture, kind: str) -> bytes | None:
    """Read a file of a picture; None where the picture was deleted in the meantime."""
    try:
        with getattr(picture, kind).open("rb") as file:
            content: bytes = file.read()
            return content
    except FileNotFoundError:
        if Picture.objects.filter(pk=picture.pk).exists():
            raise
        return None


def zip_parts(files: Iterable[File]) -> Iterator[bytes]:
    """Write a zip file part by part, with no more than one of the files in memory."""
    sink = _Sink()
    # Deflated, though pictures hardly shrink: some readers refuse other files of unknown size.
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path, content in files:
            archive.writestr(path, content)
            yield sink.taken()
    yield sink.taken()


def csv_line(cells: Iterable[object]) -> str:
    """Write the cells as a line of comma-separated values."""
    line = StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()


def _rows(pictures: QuerySet[Picture]) -> Iterator[dict[str, Any]]:
    last = StoredCaption.objects.filter(picture=OuterRef("pk")).order_by("-asked")
    with_model = pictures.annotate(model=Subquery(last.values("checkpoint__name")[:1]))
    for picture in with_model.iterator(ROWS_AT_A_TIME):
        values = {
            "name": picture.name,
            "caption": picture.sentence,
            "correction": picture.correction,
            "description": picture.description,
            "model": picture.model,
            "created": picture.created.isoformat(timespec="seconds"),
            "corrected": picture.corrected and picture.corrected.isoformat(timespec="seconds"),
            "format": picture.format,
            "width": picture.width,
            "height": picture.height,
        }
        yield {column: values[column] for column in COLUMNS}


def _without_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def _file_name(picture: Picture, taken: set[str]) -> str:
    """Name the picture's file by its own name: valid everywhere, and not yet `taken`."""
    suffixes = FORMATS[picture.format]
    own = PurePath(unicodedata.normalize("NFC", picture.name))
    is_true = own.suffix.lower() in suffixes
    stem, suffix = (own.stem, own.suffix.lower()) if is_true else (own.name, suffixes[0])
    # The letter is for what refuses names of nothing but dots.
    stem = get_valid_filename(f"x{stem}")[1:].strip(".")[:MAX_STEM] or "picture"
    name, number = stem, 1
    # Some file systems hold "A.jpg" and "a.jpg" for the same.
    while (key := f"{name}{suffix}".casefold()) in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(key)
    return f"{name}{suffix}"


class _Sink(RawIOBase):
    """A stream that is written to and emptied in turn."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def write(self, data: Any) -> int:
        """Take the data."""
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """Return what was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
