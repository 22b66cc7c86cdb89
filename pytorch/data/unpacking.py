"""Zip files unpacked so that nothing is written outside the folder, nor more than was declared."""

from __future__ import annotations

import fnmatch
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath


class UnpackError(Exception):
    """A zip file cannot be unpacked safely; the message says why."""


def unpack(archive: Path, directory: Path, pattern: str = "*") -> list[Path]:
    """Unpacks the files whose names match the pattern, and returns their paths.

    All are looked at before one is written. Each file appears whole, in place of an older one.

    Args:
        archive: A zip file, which may be hostile.
        directory: Where its files belong.
        pattern: As the shell's, but `*` matches "/" as well.

    Raises:
        UnpackError: The file is no zip file or damaged, nothing matches, a name leads out of
            `directory`, a member is a link or a device, or all is more than the disk holds.
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
                raise UnpackError(f"There is no {pattern} in {archive}. Get it again.")
            paths = [_checked_path(member, archive, directory) for member in members]
            _check_space(members, archive, directory)
            for member, path in zip(members, paths, strict=True):
                _write(opened, member, path)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise UnpackError(f"{archive} is damaged ({error}). Delete it and get it again.") from error
    return paths


def _checked_path(member: zipfile.ZipInfo, archive: Path, directory: Path) -> Path:
    """Where the member belongs, which is within the directory."""
    name = PurePosixPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    path = directory / name
    if (
        ".." in name.parts
        # On Windows these divide folders and name drives.
        or any(character in member.filename for character in "\\:")
        or kind not in (0, stat.S_IFREG)
        # An absolute name leads elsewhere, and so may a folder that is there already: as a link.
        or not path.parent.resolve().is_relative_to(directory.resolve())
    ):
        raise UnpackError(
            f"{archive} would write {member.filename!r} outside {directory}, or is to write a "
            "link. Nothing of it was unpacked; do not trust it."
        )
    return path


def _check_space(members: list[zipfile.ZipInfo], archive: Path, directory: Path) -> None:
    needed = sum(member.file_size for member in members)
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise UnpackError(
            f"{archive} unpacks to {needed:,} bytes, and {directory} has {free:,} free. Make room."
        )


def _write(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    """Writes one file; zipfile gives no more bytes than declared, and checks them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with archive.open(member) as source, temporary.open("wb") as sink:
            shutil.copyfileobj(source, sink)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
