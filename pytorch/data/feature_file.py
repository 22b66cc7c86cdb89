"""Region features on disk, in blocks with checksums.

Damage is noticed when the features are read, and a computation that was stopped continues after the
last whole block. There are three files:

    NAME.npy       the finished array (N, R, C) in NumPy's format
    NAME.npy.part  the array while it is being computed
    NAME.jsonl     the journal: a line that says what the array holds, then a line for each block

The journal of a NAME.npy is complete. The process that computes an array locks its journal.

Axes: N images, B images of a batch, R regions, C channels.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from pytorch.data.images import DatasetError
from pytorch.files.atomic import move_into_place

# How many images share a checksum, and at most how many a computation loses when it is killed.
BLOCK_SIZE = 64

FeatureArray = npt.NDArray[np.float16]

logger = logging.getLogger(__name__)


class FeatureCacheError(DatasetError):
    """Cached features are damaged or cannot be written; the message names the file."""


@dataclass(frozen=True)
class _Block:
    """A block's line in the journal.

    Attributes:
        checksum: CRC-32 of the block's bytes, followed by `unreadable` as JSON.
        unreadable: The images of the block that could not be read, and why.
    """

    checksum: int
    unreadable: dict[str, str]

    @classmethod
    def of(cls, content_checksum: int, unreadable: dict[str, str]) -> _Block:
        text = json.dumps(unreadable, sort_keys=True)
        return cls(zlib.crc32(text.encode(), content_checksum), unreadable)

    def line(self) -> bytes:
        return json.dumps({"crc32": self.checksum, "unreadable": self.unreadable}).encode() + b"\n"


@dataclass(frozen=True)
class StoredFeatures:
    """What a finished file holds.

    Attributes:
        array: Features (N, R, C), mapped into memory.
        unreadable: The images that could not be read, and why. Their rows mean nothing.
    """

    array: FeatureArray
    unreadable: dict[str, str]


class FeatureFile:
    """The features that one encoder gives to a list of images, in files.

    Attributes:
        path: NAME.npy.
    """

    def __init__(self, path: Path, key: str, names: Sequence[str], shape: tuple[int, int]) -> None:
        """Name the files; nothing is read or written yet.

        Args:
            path: NAME.npy.
            key: A hash of everything that the features depend on.
            names: The N images.
            shape: R and C.
        """
        self.path = path
        self._part = path.with_name(f"{path.name}.part")
        self._journal = path.with_suffix(".jsonl")
        self._names = tuple(names)
        self._shape = (len(names), *shape)
        self._image_size = 2 * shape[0] * shape[1]  # bytes
        self._block_count = -(-len(names) // BLOCK_SIZE)
        title = {"key": key, "shape": list(self._shape), "block_size": BLOCK_SIZE}
        self._title = json.dumps(title).encode() + b"\n"
        self._header = _npy_header(self._shape)

    def read(self, *, progress: bool = False) -> StoredFeatures | None:
        """Verify the finished array and map it into memory; None if there is none of this key.

        Raises:
            FeatureCacheError: A block does not match its checksum.
        """
        try:
            blocks = self._blocks_in(self._journal.read_bytes())
            file = self.path.open("rb")
        except FileNotFoundError:
            return None
        with file:
            expected = len(self._header) + self._image_size * len(self._names)
            if len(blocks) < self._block_count or os.fstat(file.fileno()).st_size != expected:
                return None
            if file.read(len(self._header)) != self._header:
                return None
            whole = self._count_whole(file, blocks, progress=progress)
        if whole < len(blocks):
            images = self._images_of(whole)
            raise FeatureCacheError(
                f"The cached features in {self.path} are damaged: images {images.start + 1} to "
                f"{images.stop} of {len(self._names)} do not match their checksum. Delete this "
                "file and run the command again to compute them again."
            )
        array = np.memmap(self.path, "<f2", mode="r", offset=len(self._header), shape=self._shape)
        return StoredFeatures(
            array, {name: why for block in blocks for name, why in block.unreadable.items()}
        )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Wait until no other process is computing this array, then keep others from doing so.

        Raises:
            OSError: The folder cannot be written.
        """
        with self._journal.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                logger.warning(f"Waiting for another process that is computing {self.path}.")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def write(
        self,
        features_from: Callable[[int], Iterable[FeatureArray]],
        unreadable: Mapping[str, str],
        *,
        is_readable: Callable[[str], bool],
    ) -> None:
        """Compute the array, or the rest of it if a computation was stopped. Call under the lock.

        Args:
            features_from: Computes the features from a given image on, in batches (B, R, C). No
                batch extends beyond the end of a block.
            unreadable: Names of unreadable images and reasons. It may grow while the batches are
                computed.
            is_readable: Whether an image that could not be read earlier can be read now.

        Raises:
            FeatureCacheError: A file cannot be written, for example because the disk is full. The
                whole blocks are kept.
        """
        try:
            self.path.unlink(missing_ok=True)
            with _open_to_update(self._part) as part, _open_to_update(self._journal) as journal:
                done = self._keep_whole_blocks(part, journal, is_readable)
                self._append(features_from(done), done, unreadable, part, journal)
                os.fsync(journal.fileno())
            move_into_place(self._part, self.path)
        except OSError as error:
            raise FeatureCacheError(
                f"{self._part} cannot be written ({error.strerror}). Once that is fixed, run the "
                "command again: it continues where it stopped."
            ) from error

    def discard(self) -> None:
        """Delete an unfinished array and its journal."""
        self._part.unlink(missing_ok=True)
        self._journal.unlink(missing_ok=True)

    def _keep_whole_blocks(
        self, part: BinaryIO, journal: BinaryIO, is_readable: Callable[[str], bool]
    ) -> int:
        """Cut both files after the last block that need not be computed again.

        Returns:
            The number of images in the blocks that are kept.
        """
        blocks = self._blocks_in(journal.read())
        if part.read(len(self._header)) == self._header:
            blocks = blocks[: self._count_whole(part, blocks)]
        else:
            blocks = []
        blocks = list(takewhile(lambda block: not any(map(is_readable, block.unreadable)), blocks))
        done = min(len(blocks) * BLOCK_SIZE, len(self._names))
        _cut(journal, self._title, len(self._title) + sum(len(block.line()) for block in blocks))
        _cut(part, self._header, len(self._header) + done * self._image_size)
        return done

    def _append(
        self,
        batches: Iterable[FeatureArray],
        done: int,
        unreadable: Mapping[str, str],
        part: BinaryIO,
        journal: BinaryIO,
    ) -> None:
        """Write the batches that follow the first `done` images, and a line for each block."""
        checksum, start = 0, done
        for batch in batches:
            content = batch.astype("<f2").tobytes()
            part.write(content)
            checksum = zlib.crc32(content, checksum)
            done += len(batch)
            if done % BLOCK_SIZE == 0 or done == len(self._names):
                # The journal last, so that it lists only what has been written.
                part.flush()
                names = self._names[start:done]
                lost = {name: unreadable[name] for name in names if name in unreadable}
                journal.write(_Block.of(checksum, lost).line())
                journal.flush()
                checksum, start = 0, done

    def _blocks_in(self, content: bytes) -> list[_Block]:
        """The blocks in a journal of this array, up to the first damaged or incomplete line."""
        title, *lines = content.splitlines(keepends=True) or [b""]
        blocks: list[_Block] = []
        for line in lines if title == self._title else []:
            try:
                entry = json.loads(line)
                block = _Block(entry["crc32"], dict(entry["unreadable"]))
            except (ValueError, KeyError, TypeError):
                break
            if block.line() != line:
                break
            blocks.append(block)
        return blocks[: self._block_count]

    def _count_whole(
        self, file: BinaryIO, blocks: Sequence[_Block], *, progress: bool = False
    ) -> int:
        """Count the blocks before the first that does not match its checksum.

        Reading starts at the current position of `file`, which is after the header.
        """
        with tqdm(
            total=len(self._names), desc="checking features", unit="img", disable=not progress
        ) as bar:
            for number, block in enumerate(blocks):
                images = self._images_of(number)
                content = file.read(self._image_size * len(images))
                if _Block.of(zlib.crc32(content), block.unreadable) != block:
                    return number
                bar.update(len(images))
        return len(blocks)

    def _images_of(self, block: int) -> range:
        """The places of the images in the block of this number."""
        return range(len(self._names))[block * BLOCK_SIZE : (block + 1) * BLOCK_SIZE]


def _npy_header(shape: tuple[int, ...]) -> bytes:
    header = BytesIO()
    description = {"descr": "<f2", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, description)
    return header.getvalue()


def _open_to_update(path: Path) -> BinaryIO:
    """Open a file to read and change it; create it if it does not exist."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")


def _cut(file: BinaryIO, beginning: bytes, size: int) -> None:
    """Cut the file to this size, write its beginning, and go to its end."""
    file.truncate(size)
    file.seek(0)
    file.write(beginning)
    file.seek(size)
