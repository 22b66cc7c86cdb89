"""Download published archives, continue where a connection broke, and verify what came."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from pytorch.files.atomic import move_into_place, write_file

CHUNK_SIZE = 1 << 20  # bytes
TIMEOUT_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 1.0
# Give up after this many connections in a row that bring nothing new.
ATTEMPTS = 6
# Statuses after which it is worth asking again; any other error status is final.
TEMPORARY_ERRORS = {408, 425, 429, 500, 502, 503, 504}


class DownloadError(Exception):
    """An archive cannot be downloaded or verified; the message says why and what to do."""


class _InterruptedError(Exception):
    """A connection ended early; another attempt may succeed."""


@dataclass(frozen=True)
class Archive:
    """A file to download.

    Attributes:
        url: Its address.
        checksum: "sha256:" or "md5:" and the hexadecimal digits.
        size: In bytes, if known.
        unpack: A pattern for the files in it to unpack; None if the archive is used as it is.
    """

    url: str
    checksum: str
    size: int | None = None
    unpack: str | None = None

    @property
    def name(self) -> str:
        """The file name."""
        return self.url.rsplit("/", 1)[1]


def download(
    archive: Archive,
    directory: Path,
    *,
    pause_seconds: float = FIRST_PAUSE_SECONDS,
    progress: bool = False,
) -> Path:
    """Download an archive and verify it.

    A partial download is kept in NAME.part and continued if the server still has the same file. A
    file that exists already is only verified.

    Args:
        archive: What to download.
        directory: Where to; it is created if necessary.
        pause_seconds: How long to wait before the first new attempt. The pause doubles with each
            further attempt until data arrives.
        progress: Whether to show a progress bar on stderr.

    Returns:
        The path of the verified archive.

    Raises:
        DownloadError: The server does not answer, does not have the file or has a different one,
            or keeps breaking off; the disk is full; or the checksum is wrong.
        OSError: The directory cannot be written.
    """
    path = directory / archive.name
    if path.exists():
        advice = f"Move {path} away to download it again."
        _verify(path, archive, advice=advice, progress=progress)
        return path
    directory.mkdir(parents=True, exist_ok=True)
    part = _Part(path)
    with _bar(archive.name, archive.size, progress=progress) as bar:
        _fetch_all(archive, part, bar, pause_seconds=pause_seconds)
    try:
        advice = "It was deleted; run the command again to download it again."
        _verify(part.path, archive, advice=advice, progress=progress)
    except DownloadError:
        part.discard()
        raise
    move_into_place(part.path, path)
    part.discard()
    return path


class _Part:
    """A partial download and the server's metadata.

    Attributes:
        path: NAME.part.
        validator: The file's ETag or date of modification, which tells whether the server still
            has the same file; None if the server sent neither.
        total: The size of the whole file in bytes, if known.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._metadata = target.with_name(f"{target.name}.part.json")
        self.validator: str | None = None
        self.total: int | None = None
        try:
            metadata = json.loads(self._metadata.read_text(encoding="utf-8"))
            self.validator, self.total = metadata["validator"], metadata["total"]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # without a validator the download starts from the beginning

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def is_complete(self) -> bool:
        return self.total is not None and self.size == self.total

    def restart(self, validator: str | None, total: int | None) -> None:
        """Empty the part, so that the metadata never stand beside bytes of another file."""
        self.discard()
        self.validator, self.total = validator, total
        write_file(self._metadata, json.dumps({"validator": validator, "total": total}))

    def append(self, chunks: Iterator[bytes], bar: tqdm) -> None:
        try:
            with self.path.open("ab") as file:
                for chunk in chunks:
                    file.write(chunk)
                    bar.update(len(chunk))
        except OSError as error:
            raise DownloadError(
                f"{self.path} cannot be written ({error.strerror}). Once that is fixed, run the "
                "command again to continue."
            ) from error

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._metadata.unlink(missing_ok=True)
        self.validator = self.total = None


def _fetch_all(archive: Archive, part: _Part, bar: tqdm, *, pause_seconds: float) -> None:
    """Connect again and again until the part is complete; raises DownloadError."""
    most, failures = part.size, 0
    while not part.is_complete:
        try:
            _fetch(archive, part, bar)
        except _InterruptedError as error:
            failures = 1 if part.size > most else failures + 1
            most = max(most, part.size)
            if failures == ATTEMPTS:
                raise DownloadError(
                    f"{archive.url} cannot be downloaded: {error}. {part.size:,} bytes of it are "
                    f"in {part.path}; run the command again to continue."
                ) from error
            time.sleep(pause_seconds * 2 ** (failures - 1))


def _fetch(archive: Archive, part: _Part, bar: tqdm) -> None:
    """Add to the part what one connection brings."""
    start = part.size if part.validator else 0
    with _connect(archive, part, start) as response:
        if not _continues(response, part, start):
            part.restart(_validator(response), _length(response))
        _check_size(archive, part)
        bar.reset(part.total)
        bar.update(part.size)
        part.append(_chunks(response), bar)
    if part.total is None:
        part.total = part.size
    elif part.size < part.total:
        raise _InterruptedError(f"the connection ended after {part.size:,} of {part.total:,} bytes")


def _connect(archive: Archive, part: _Part, start: int) -> http.client.HTTPResponse:
    """Ask for the bytes from `start` on, or for all if the server has another file by now."""
    headers = {"User-Agent": "image-captioner", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": str(part.validator)}
    # The addresses are in the registry; none comes from a user.
    request = urllib.request.Request(archive.url, headers=headers)  # noqa: S310
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310
            request, timeout=TIMEOUT_SECONDS
        )
    except urllib.error.HTTPError as error:
        answer = f"the server answers {error.code} {error.reason}"
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.discard()
        elif error.code not in TEMPORARY_ERRORS:
            raise DownloadError(
                f"{archive.url} cannot be downloaded: {answer}. It may have moved; see "
                "docs/datasets.md for other sources."
            ) from error
        raise _InterruptedError(answer) from error
    except (OSError, http.client.HTTPException) as error:
        raise _InterruptedError(str(error)) from error
    return response


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read(CHUNK_SIZE):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise _InterruptedError(str(error)) from error


def _continues(response: http.client.HTTPResponse, part: _Part, start: int) -> bool:
    """Whether the response brings the rest of the part, not a whole file."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return False
    begins_there = re.fullmatch(
        rf"bytes {start}-\d+/{part.total}", response.headers.get("Content-Range", "")
    )
    if begins_there and _validator(response) in (None, part.validator):
        return True
    part.discard()
    raise _InterruptedError("the server has a different file by now")


def _check_size(archive: Archive, part: _Part) -> None:
    """Refuse a file of the wrong size, or too large for the disk, before downloading it."""
    if None not in (part.total, archive.size) and part.total != archive.size:
        total = part.total
        part.discard()
        raise DownloadError(
            f"{archive.url} has {total:,} bytes instead of {archive.size:,}: it is not the file "
            "that was published. Get the file elsewhere, or update this program."
        )
    missing = (part.total or archive.size or 0) - part.size
    free = shutil.disk_usage(part.path.parent).free
    if missing > free:
        raise DownloadError(
            f"{archive.name} needs {missing:,} more bytes, but only {free:,} are free in "
            f"{part.path.parent}. Make room, or choose another folder with --data-root."
        )


def _validator(response: http.client.HTTPResponse) -> str | None:
    """A value for If-Range: the ETag if it is a strong one, else the date of modification."""
    etag: str | None = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    date: str | None = response.headers.get("Last-Modified")
    return date


def _length(response: http.client.HTTPResponse) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _verify(path: Path, archive: Archive, *, advice: str, progress: bool) -> None:
    """Raise DownloadError, with the advice, if the file does not have the published checksum."""
    algorithm, expected = archive.checksum.split(":")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with (
        _bar(f"{archive.name}: {algorithm}", path.stat().st_size, progress=progress) as bar,
        path.open("rb") as file,
    ):
        while chunk := file.read(CHUNK_SIZE):
            digest.update(chunk)
            bar.update(len(chunk))
    if digest.hexdigest() != expected:
        raise DownloadError(
            f"{path} is not the file that was published: its {algorithm} is "
            f"{digest.hexdigest()}, not {expected}. {advice}"
        )


def _bar(description: str, total: int | None, *, progress: bool) -> tqdm:
    return tqdm(
        desc=description, total=total, unit="B", unit_scale=True, disable=not progress, leave=False
    )
