"""A data set's images by name, read from folders and zip files."""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Protocol

from PIL import Image

from pytorch.files.photographs import PhotographError, open_photograph


class DatasetError(Exception):
    """A data set is missing, incomplete or unreadable; the message says what to do."""


class ImageError(DatasetError):
    """One image of a data set is missing or unreadable; the message names it."""


class ImageStore(Protocol):
    """Images by name. Threads may share a store, processes may not."""

    def __contains__(self, name: str) -> bool:
        """Whether there is an image of this name; it may still be unreadable."""

    def open(self, name: str) -> Image.Image:
        """The image in RGB, upright.

        Raises:
            ImageError: The image is missing or unreadable.
        """

    def fingerprint(self, name: str) -> str:
        """A short text that changes when the image does.

        Raises:
            ImageError: The image is missing.
        """


@dataclass(frozen=True)
class _Archive:
    """An open zip file, read by one thread at a time."""

    path: Path
    file: zipfile.ZipFile
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, member: zipfile.ZipInfo) -> bytes:
        with self.lock:
            return self.file.read(member)


class ImageFiles:
    """Images by file name, in folders and zip files. Folders inside a zip file are ignored.

    If several sources hold a name, the first of them counts.
    """

    def __init__(self, sources: Sequence[Path]) -> None:
        """List what is in the sources; images are read only when they are opened.

        Args:
            sources: Folders and zip files.

        Raises:
            DatasetError: A source cannot be read.
        """
        self._files: dict[str, Path] = {}
        self._members: dict[str, tuple[_Archive, zipfile.ZipInfo]] = {}
        for source in sources:
            try:
                self._add(source)
            except (OSError, zipfile.BadZipFile) as error:
                raise DatasetError(
                    f"{source} cannot be read ({error}). If it is damaged, get it again."
                ) from error

    def _add(self, source: Path) -> None:
        if source.is_dir():
            found = {path.name: path for path in source.iterdir() if path.is_file()}
            self._files.update({name: found[name] for name in found if name not in self})
            return
        archive = _Archive(source, zipfile.ZipFile(source))
        for member in archive.file.infolist():
            name = PurePosixPath(member.filename).name
            if not member.is_dir() and name not in self:
                self._members[name] = (archive, member)

    def __contains__(self, name: str) -> bool:
        return name in self._files or name in self._members

    def open(self, name: str) -> Image.Image:
        """The image in RGB, turned upright according to its EXIF orientation.

        Raises:
            ImageError: There is no image of this name, or it cannot be read.
        """
        place = self._place(name).name  # not its path: metrics files quote these errors
        try:
            return open_photograph(BytesIO(self._read(name))).image
        except PhotographError as error:
            raise ImageError(
                f"The image {name} in {place} cannot be read: {error.message}"
            ) from error
        except Exception as error:  # a damaged zip file makes zipfile raise almost anything
            reason = error.strerror if isinstance(error, OSError) else error
            raise ImageError(
                f"The image {name} in {place} cannot be read ({reason}). Get the file again."
            ) from error

    def fingerprint(self, name: str) -> str:
        """A short text that changes when the image does, found without reading the image.

        In a zip file it is the checksum and size, in a folder the size and modification time.

        Raises:
            ImageError: There is no image of this name.
        """
        self._place(name)
        if name in self._files:
            status = self._files[name].stat()
            return f"{status.st_size} bytes of {status.st_mtime_ns}"
        _, member = self._members[name]
        return f"{member.file_size} bytes with checksum {member.CRC:08x}"

    def _read(self, name: str) -> bytes:
        if name in self._files:
            return self._files[name].read_bytes()
        archive, member = self._members[name]
        return archive.read(member)

    def _place(self, name: str) -> Path:
        if name in self._files:
            return self._files[name].parent
        if name in self._members:
            return self._members[name][0].path
        raise ImageError(f"There is no image {name}.")
