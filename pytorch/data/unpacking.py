"""Unpack zip files safely: nothing outside the folder, and no more bytes than declared."""

from __future__ import annotations

import fnmatch
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from pytorch.files.atomic import new_file


class UnpackError(Exception):
    """A zip file cannot be unpacked safely; the message says why."""


def unpack(archive: Path, directory: Path, pattern: str = "*") -> list[Path]:
    """Unpack the files whose names match a pattern.

    All names are checked before anything is written. Each file is written whole or not at all, and
    replaces an older one.

    Args:
        archive: A zip file, which may be hostile.
        directory: Where to unpack.
        pattern: A shell pattern, except that `*` also matches "/".

    Returns:
        The paths of the unpacked files.

    Raises:
        UnpackError: The file is damaged or not a zip file, nothing matches, a name leads out of
            `directory`, a member is a link or a device, or the disk has too little room.
        OSError: The directory cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [
                member
                for member in opened.infolist()
                if not member.is_dir() and fnmatch.fnmatchcase(member.filename, pattern)
            ]
            if not members:
                raise UnpackError(f"There is no {pattern} in {archive}. Get the archive again.")
            paths = [_checked_path(member, archive, directory) for member in members]
            _check_space(members, archive, directory)
            for member, path in zip(members, paths, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.is_symlink():  # writing would follow it out of the directory
                    path.unlink()
                # zipfile gives no more bytes than declared, and verifies them.
                with opened.open(member) as source, new_file(path) as target:
                    shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise UnpackError(f"{archive} is damaged ({error}). Delete it and get it again.") from error
    return paths


def _checked_path(member: zipfile.ZipInfo, archive: Path, directory: Path) -> Path:
    """Where the member is to be written; raises UnpackError if that is outside the directory."""
    name = PurePosixPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    path = directory / name
    if (
        ".." in name.parts
        # On Windows these separate folders and name drives.
        or any(character in member.filename for character in "\\:")
        or kind not in (0, stat.S_IFREG)
        # An absolute name leads elsewhere, and so may an existing folder that is a link.
        or not path.parent.resolve().is_relative_to(directory.resolve())
    ):
        raise UnpackError(
            f"{archive} would write {member.filename!r} outside {directory}, or write a link. "
            "Nothing was unpacked; do not trust this archive."
        )
    return path


def _check_space(members: list[zipfile.ZipInfo], archive: Path, directory: Path) -> None:
    needed = sum(member.file_size for member in members)
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise UnpackError(
            f"{archive} unpacks to {needed:,} bytes, but only {free:,} are free in {directory}. "
            "Make room and run the command again."
        )
