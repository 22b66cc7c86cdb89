"""Exports of the library: tables of pictures and zip files, generated while they are sent."""

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
    "confidence",
    "tags",
    "model",
    "created",
    "corrected",
    "format",
    "width",
    "height",
)
ROWS_AT_A_TIME = 200
# Spreadsheets take a cell that begins with one of these for a formula, and run it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
BYTE_ORDER_MARK = "\ufeff"  # Excel needs it to recognise UTF-8
MAX_STEM = 60  # characters of up to 4 bytes each; file systems allow 255 bytes

File = tuple[str, bytes]
"""A file's path in the zip file or folder, and its content."""


def csv_rows(pictures: QuerySet[Picture]) -> Iterator[str]:
    """Generate a table with a header line by line, safe to open in a spreadsheet."""
    yield BYTE_ORDER_MARK + csv_line(COLUMNS)
    for row in _rows(pictures):
        row["tags"] = ", ".join(row["tags"])
        yield csv_line(_without_formula(value) for value in row.values())


def json_rows(pictures: QuerySet[Picture]) -> Iterator[str]:
    """Generate a JSON list with one object per picture and line."""
    separator = "[\n"
    for row in _rows(pictures):
        yield separator + json.dumps(row, ensure_ascii=False)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def described_files(pictures: QuerySet[Picture]) -> Iterator[File]:
    """Generate the originals of the pictures, with descriptions and keywords written into them.

    A file whose format cannot hold a description, or whose metadata is damaged, stays unchanged and
    is followed by a sidecar.
    """
    taken: set[str] = set()
    for picture in pictures.iterator(ROWS_AT_A_TIME):
        content = content_of(picture, "original")
        if content is None:
            continue
        name, keywords = _file_name(picture, taken), picture.keywords.split()
        try:
            if picture.format in CONTAINERS:
                yield name, described(content, picture.format, picture.description, keywords)
                continue
        except MetadataError:
            pass  # leave a damaged file as it is
        yield name, content
        yield name + SIDECAR_SUFFIX, xmp.described(None, picture.description, keywords)


def content_of(picture: Picture, kind: str) -> bytes | None:
    """Read a file of a picture; None if the picture was deleted in the meantime."""
    try:
        with getattr(picture, kind).open("rb") as file:
            content: bytes = file.read()
            return content
    except FileNotFoundError:
        if Picture.objects.filter(pk=picture.pk).exists():
            raise
        return None


def zip_parts(files: Iterable[File]) -> Iterator[bytes]:
    """Generate a zip file part by part, with one of the files in memory at a time."""
    sink = _Sink()
    # Pictures hardly shrink, but some readers refuse stored entries whose size comes after them.
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path, content in files:
            archive.writestr(path, content)
            yield sink.taken()
    yield sink.taken()


def csv_line(cells: Iterable[object]) -> str:
    """Write cells as one line of CSV."""
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
            "confidence": picture.confidence,
            "tags": picture.tags.split(),
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
    """Make the picture's own name valid on every system and unique, and add it to `taken`."""
    suffixes = FORMATS[picture.format]
    own = PurePath(unicodedata.normalize("NFC", picture.name))
    is_true = own.suffix.lower() in suffixes
    stem, suffix = (own.stem, own.suffix.lower()) if is_true else (own.name, suffixes[0])
    # The x keeps get_valid_filename from refusing a name that has nothing but dots.
    stem = get_valid_filename(f"x{stem}")[1:].strip(".")[:MAX_STEM] or "picture"
    name, number = stem, 1
    # On some file systems "A.jpg" and "a.jpg" are the same file.
    while (key := f"{name}{suffix}".casefold()) in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(key)
    return f"{name}{suffix}"


class _Sink(RawIOBase):
    """A stream that keeps what is written to it until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Tell `zipfile` that it can write here."""
        return True

    def write(self, data: Any) -> int:
        """Keep the data."""
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """Return what was written since the last call."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
