"""Descriptions written into the image files of a folder, or beside them."""

from __future__ import annotations

import io
from pathlib import Path

from captioning.metadata import CONTAINERS, SIDECAR_SUFFIX, described, description_of, xmp
from pytorch.files.atomic import write_file
from pytorch.files.photographs import format_of

BACKUP_SUFFIX = ".orig"


class AlreadyDescribedError(Exception):
    """A file has a description, which is to stay."""


def describe_file(path: Path, description: str, *, backup: bool, overwrite: bool) -> Path:
    """Write the description into an image file that `open_photograph` has read.

    A file of a format that cannot hold it stays as it is, and gets a sidecar. What is written
    appears whole or not at all. With `backup` the file as it was is kept beside it, unless there is
    one of an earlier time. Returns the path of what was written.

    Raises AlreadyDescribedError where there is a description and `overwrite` is not set,
    MetadataError where the metadata is damaged, OSError where a file cannot be read or written.
    """
    path = target = path.resolve()  # a symbolic link stays one
    content = path.read_bytes()
    file_format = format_of(io.BytesIO(content))
    if file_format in CONTAINERS:
        former = description_of(content, file_format)
        changed = described(content, file_format, description)
    else:
        target = path.with_name(path.name + SIDECAR_SUFFIX)
        packet = target.read_bytes() if target.exists() else None
        former = xmp.description_in(packet)
        changed = xmp.described(packet, description)
    if former and not overwrite:
        raise AlreadyDescribedError
    if target.exists():
        # Replacing a file asks for no right to write to it, but whoever took that away meant it.
        target.open("r+b").close()
        kept = target.with_name(target.name + BACKUP_SUFFIX)
        if backup and not kept.exists():
            write_file(kept, target.read_bytes(), mode_of=path)
    write_file(target, changed, mode_of=path)
    return target
