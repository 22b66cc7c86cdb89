"""Writing a description and keywords into an image file, or into a sidecar beside it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from captioning.metadata import CONTAINERS, SIDECAR_SUFFIX, described, description_of, xmp
from pytorch.files.atomic import write_file
from pytorch.files.photographs import format_of

BACKUP_SUFFIX = ".orig"


class AlreadyDescribedError(Exception):
    """The file has a description already, and it must not be replaced."""


def describe_file(
    path: Path,
    description: str,
    keywords: Sequence[str] = (),
    *,
    backup: bool,
    overwrite: bool,
) -> Path:
    """Write metadata into an image file, or into a sidecar if its format cannot hold them.

    Files are replaced whole or not at all.

    Args:
        path: A file that `open_photograph` has read.
        description: The description.
        keywords: Keywords to add to those of the file.
        backup: Whether to copy the file to `FILE.orig` first, unless that exists already.
        overwrite: Whether to replace a description that the file has already.

    Returns:
        The file that was written: the image file or its sidecar.

    Raises:
        AlreadyDescribedError: There is a description, and `overwrite` is not set.
        MetadataError: The metadata of the file is damaged.
        OSError: A file cannot be read or written.
    """
    path = target = path.resolve()  # writing through a symbolic link must not replace the link
    content = path.read_bytes()
    file_format = format_of(io.BytesIO(content))
    if file_format in CONTAINERS:
        former = description_of(content, file_format)
        changed = described(content, file_format, description, keywords)
    else:
        target = path.with_name(path.name + SIDECAR_SUFFIX)
        packet = target.read_bytes() if target.exists() else None
        former = xmp.description_in(packet)
        changed = xmp.described(packet, description, keywords)
    if former and not overwrite:
        raise AlreadyDescribedError
    if target.exists():
        # Renaming over a file works even if it is read-only; respect that it is, and fail here.
        target.open("r+b").close()
        kept = target.with_name(target.name + BACKUP_SUFFIX)
        if backup and not kept.exists():
            write_file(kept, target.read_bytes(), mode_of=path)
    write_file(target, changed, mode_of=path)
    return target
