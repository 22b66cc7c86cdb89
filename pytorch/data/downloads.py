"""Published archives, downloaded in as many pieces as the connection breaks into, and verified."""

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

CHUNK = 1 << 20
TIMEOUT_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 1.0
# Connections in a row that bring nothing new.
ATTEMPTS = 6
# After these it is worth asking again; every other answer that is an error is final.
PASSING_ERRORS = {408, 425, 429, 500, 502, 503, 504}


class DownloadError(Exception):
    """An archive cannot be had or cannot be trusted; the message says why and what to do."""


class _InterruptedError(Exception):
    """A connection ended too early; another one may do better."""


@dataclass(frozen=True)
class Archive:
    """A file to download.

    Attributes:
        url: Where it is.
        checksum: "sha256:" or "md5:" and the hexadecimal digits.
        size: In bytes, where it is known.
        unpack: Which of the files in it to unpack, as a pattern; none where it is used as it is.
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
    """The archive in `directory`, downloaded and verified.

    What came of it before a connection or the program ended is kept in NAME.part, and continued
    if the server still has the same file. A file that is there already is verified only.

    Args:
        archive: What to download.
        directory: Is made if it is not there.
        pause_seconds: Until the first new attempt; doubles until something comes.
        progress: Whether to show a progress bar on stderr.

    Raises:
        DownloadError: The server has no such file or another one, does not answer, or leaves off
            again and again; or the disk is too small, or the checksum is wrong.
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
        advice = "It was deleted; run the command again to download it anew."
        _verify(part.path, archive, advice=advice, progress=progress)
    except DownloadError:
        part.discard()
        raise
    part.path.replace(path)
    part.discard()
    return path


class _Part:
    """What there is of a file, and a note beside it of what the server said about the whole.

    Attributes:
        path: NAME.part.
        validator: The server's ETag or date of the file, by which to tell whether it is still the
            same; None where it gave none.
        total: Bytes of the whole file, where known.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")
        self.validator: str | None = None
        self.total: int | None = None
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            self.validator, self.total = note["validator"], note["total"]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # without a validator the file is downloaded from its start

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def is_complete(self) -> bool:
        return self.total is not None and self.size == self.total

    def restart(self, validator: str | None, total: int | None) -> None:
        """Empties the part; the note is only ever beside bytes that it is true of."""
        self.discard()
        self.validator, self.total = validator, total
        self._note.write_text(json.dumps({"validator": validator, "total": total}))

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.validator = self.total = None


def _fetch_all(archive: Archive, part: _Part, bar: tqdm, *, pause_seconds: float) -> None:
    """Connects until the part is complete, or nothing more comes."""
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
    """Adds to the part what one connection brings."""
    start = part.size if part.validator else 0
    with _connect(archive, part, start) as response:
        if not _continues(response, part, start):
            part.restart(_validator(response), _length(response))
        _check_size(archive, part)
        bar.reset(part.total)
        bar.update(part.size)
        with part.path.open("ab") as file:
            for chunk in _chunks(response):
                file.write(chunk)
                bar.update(len(chunk))
    if part.total is None:
        part.total = part.size
    elif part.size < part.total:
        raise _InterruptedError(f"the connection ended after {part.size:,} of {part.total:,} bytes")


def _connect(archive: Archive, part: _Part, start: int) -> http.client.HTTPResponse:
    """Asks for the rest of the part, or all if the server's file is no longer the same."""
    headers = {"User-Agent": "image-captioner", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": str(part.validator)}
    # The addresses stand in the registry; none is a user's.
    request = urllib.request.Request(archive.url, headers=headers)  # noqa: S310
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310
            request, timeout=TIMEOUT_SECONDS
        )
    except urllib.error.HTTPError as error:
        answer = f"the server answers {error.code} {error.reason}"
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.discard()
        elif error.code not in PASSING_ERRORS:
            raise DownloadError(
                f"{archive.url} cannot be downloaded: {answer}. It may have moved; "
                "docs/datasets.md says what else there is."
            ) from error
        raise _InterruptedError(answer) from error
    except (OSError, http.client.HTTPException) as error:
        raise _InterruptedError(str(error)) from error
    return response


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read(CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise _InterruptedError(str(error)) from error


def _continues(response: http.client.HTTPResponse, part: _Part, start: int) -> bool:
    """Whether the response brings the rest of the part, not the whole of a file."""
    if response.status != http.HTTPStatus.PARTIAL_CONTENT:
        return False
    begins_there = re.fullmatch(
        rf"bytes {start}-\d+/{part.total}", response.headers.get("Content-Range", "")
    )
    if begins_there and _validator(response) in (None, part.validator):
        return True
    part.discard()
    raise _InterruptedError("the server has another file there now")


def _check_size(archive: Archive, part: _Part) -> None:
    """Refuses a file of the wrong size, or too large for the disk, before it comes."""
    if None not in (part.total, archive.size) and part.total != archive.size:
        total = part.total
        part.discard()
        raise DownloadError(
            f"{archive.url} has {total:,} bytes instead of {archive.size:,}: it is not the file "
            "that was published. Get it elsewhere, or update this program."
        )
    missing = (part.total or archive.size or 0) - part.size
    free = shutil.disk_usage(part.path.parent).free
    if missing > free:
        raise DownloadError(
            f"{archive.name} needs {missing:,} bytes more, and {part.path.parent} has {free:,} "
            "free. Make room, or choose another folder with --data-root."
        )


def _validator(response: http.client.HTTPResponse) -> str | None:
    """What If-Range takes: an ETag, unless it is a weak one, or the date of the last change."""
    etag: str | None = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    date: str | None = response.headers.get("Last-Modified")
    return date


def _length(response: http.client.HTTPResponse) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _verify(path: Path, archive: Archive, *, advice: str, progress: bool) -> None:
    """Raises DownloadError where the file's checksum is not the published one."""
    algorithm, expected = archive.checksum.split(":")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with (
        _bar(f"{archive.name}: {algorithm}", path.stat().st_size, progress=progress) as bar,
        path.open("rb") as file,
    ):
        while chunk := file.read(CHUNK):
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
