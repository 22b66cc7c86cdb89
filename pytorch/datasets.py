"""Data sets of photographs with reference captions, read from the files they are published in.

A data set is one row of `DATASETS`: a function from its folder to a `CaptionDataset`.
"""

from __future__ import annotations

import re
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath

from PIL import Image, ImageOps


class DatasetError(Exception):
    """A data set is missing, incomplete or unreadable; the message says what to do."""


@dataclass(frozen=True)
class Example:
    """A photograph, by its file name, and its reference captions as people wrote them."""

    image: str
    captions: tuple[str, ...]


@dataclass(frozen=True)
class _Archive:
    """A zip file that is being read, by one thread at a time."""

    path: Path
    file: zipfile.ZipFile
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, member: zipfile.ZipInfo) -> bytes:
        with self.lock:
            return self.file.read(member)


class ImageStore:
    """Images by file name, out of folders and zip files; folders within a zip do not matter.

    Where several sources hold a name, the first has it. Threads may share a store, processes
    may not.
    """

    def __init__(self, sources: Sequence[Path]) -> None:
        """Lists what is in the sources; the images are read when they are opened.

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
        """The image in RGB, turned upright as its EXIF orientation says.

        Raises:
            DatasetError: There is no such image, or it cannot be read.
        """
        try:
            with Image.open(BytesIO(self._read(name))) as image:
                return ImageOps.exif_transpose(image).convert("RGB")
        except (
            OSError,
            ValueError,
            SyntaxError,  # what Pillow raises for some broken PNG files
            Image.DecompressionBombError,
            zipfile.BadZipFile,
            zlib.error,
            RuntimeError,  # an encrypted zip, or a compression Python does not know
        ) as error:
            raise DatasetError(
                f"The image {name} in {self._place(name)} cannot be read ({error}). "
                "Get the file again."
            ) from error

    def fingerprint(self, name: str) -> str:
        """A short text that changes when the image does, without reading it.

        In a zip: checksum and size. In a folder: size and time of change.

        Raises:
            DatasetError: There is no such image.
        """
        self._place(name)
        if name in self._files:
            status = self._files[name].stat()
            return f"{status.st_size} bytes of {status.st_mtime_ns}"
        _, member = self._members[name]
        return f"{member.file_size} bytes with checksum {member.CRC:08x}"

    def _read(self, name: str) -> bytes:
        self._place(name)
        if name in self._files:
            return self._files[name].read_bytes()
        archive, member = self._members[name]
        return archive.read(member)

    def _place(self, name: str) -> Path:
        if name in self._files:
            return self._files[name].parent
        if name in self._members:
            return self._members[name][0].path
        raise DatasetError(f"There is no image {name}.")


@dataclass(frozen=True)
class CaptionDataset:
    """A data set that has been read and checked.

    Attributes:
        name: The key in `DATASETS`.
        root: The folder it was read from.
        splits: Examples by the name of their split: "train", "dev" and, where there is one,
            "test". No image is in two splits.
        images: Holds every image of every split.
        terms: What its publishers allow, in a sentence or two for the model card.
    """

    name: str
    root: Path
    splits: dict[str, tuple[Example, ...]]
    images: ImageStore
    terms: str

    def split(self, name: str) -> tuple[Example, ...]:
        """The examples of a split.

        Raises:
            DatasetError: There is no such split, listing those there are.
        """
        if name not in self.splits:
            raise DatasetError(
                f"{self.name} in {self.root} has no split {name!r}; "
                f"it has: {', '.join(self.splits)}."
            )
        return self.splits[name]


FLICKR8K_CAPTIONS = "Flickr8k.token.txt"
FLICKR8K_SPLITS = {
    "train": "Flickr_8k.trainImages.txt",
    "dev": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
FLICKR8K_REQUIRED = (FLICKR8K_CAPTIONS, FLICKR8K_SPLITS["train"], FLICKR8K_SPLITS["dev"])
FLICKR8K_IMAGE_SOURCES = (
    "Flicker8k_Dataset",  # as the published zip file spells its folder
    "Flickr8k_Dataset",
    "Images",
    "images",
    "Flickr8k_Dataset.zip",
    "images-*.zip",
)
FLICKR8K_TERMS = (
    "Flickr8k is for non-commercial research and education. "
    "Its images belong to their authors on Flickr."
)


def _load_flickr8k(root: Path) -> CaptionDataset:
    """Hodosh, Young and Hockenmaier, "Framing Image Description as a Ranking Task", 2013."""
    texts = root / "Flickr8k_text" if (root / "Flickr8k_text").is_dir() else root
    sources = [path for pattern in FLICKR8K_IMAGE_SOURCES for path in sorted(root.glob(pattern))]
    missing = [name for name in FLICKR8K_REQUIRED if not (texts / name).is_file()]
    if missing or not sources:
        lack = f"{missing[0]} is missing" if missing else "its images are missing"
        raise DatasetError(
            f"There is no complete Flickr8k in {root}: {lack}. Get Flickr8k_text.zip (captions "
            "and splits) and Flickr8k_Dataset.zip (images). Unpack Flickr8k_text.zip, so that "
            f"{root / FLICKR8K_CAPTIONS} exists, and put Flickr8k_Dataset.zip into {root}, as it "
            "is or unpacked."
        )
    captions = _read_numbered_captions(texts / FLICKR8K_CAPTIONS)
    images = ImageStore(sources)
    splits = {}
    for split, file_name in FLICKR8K_SPLITS.items():
        if file_name in FLICKR8K_REQUIRED or (texts / file_name).exists():
            names = _read_lines(texts / file_name)
            _check_split(texts / file_name, names, captions=captions, images=images)
            splits[split] = tuple(Example(name, captions[name]) for name in names)
    _check_disjoint(root, splits)
    return CaptionDataset("flickr8k", root, splits, images, FLICKR8K_TERMS)


DATASETS: dict[str, Callable[[Path], CaptionDataset]] = {"flickr8k": _load_flickr8k}


def load_dataset(name: str, root: Path) -> CaptionDataset:
    """Reads and checks a data set, all but the images themselves.

    Args:
        name: A key of `DATASETS`.
        root: The folder that holds its files.

    Raises:
        DatasetError: There is no data set of this name, or it is not complete.
    """
    if name not in DATASETS:
        raise DatasetError(f"There is no data set {name!r}; choose one of: {', '.join(DATASETS)}.")
    return DATASETS[name](root)


def _read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not blank, stripped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read ({error}). Get the file again.") from error
    return [line.strip() for line in text.split("\n") if line.strip()]


def _read_numbered_captions(path: Path) -> dict[str, tuple[str, ...]]:
    """Captions by image out of lines `NAME#NUMBER<TAB>CAPTION`."""
    captions: dict[str, list[str]] = {}
    malformed = []
    for line in _read_lines(path):
        match = re.fullmatch(r"([^#\t]+)#\d+\t\s*(\S.*)", line)
        if match is None:
            malformed.append(line)
        else:
            captions.setdefault(match[1], []).append(match[2])
    _refuse(malformed, f"Some lines of {path} are not of the form NAME.jpg#NUMBER<TAB>CAPTION")
    return {name: tuple(texts) for name, texts in captions.items()}


def _check_split(
    path: Path, names: Sequence[str], *, captions: dict[str, tuple[str, ...]], images: ImageStore
) -> None:
    if not names:
        raise DatasetError(f"{path} names no images. Get the file again.")
    _refuse(
        (name for name in names if name not in captions),
        f"Some images named in {path} have no captions",
    )
    _refuse(
        (name for name in names if name not in images),
        f"Some images named in {path} are in none of the image folders and zip files beside it",
    )


def _check_disjoint(root: Path, splits: dict[str, tuple[Example, ...]]) -> None:
    counts = Counter(example.image for examples in splits.values() for example in examples)
    _refuse(
        (name for name, count in counts.items() if count > 1),
        f"Some images are named more than once by the splits in {root}",
    )


def _refuse(offenders: Iterable[str], complaint: str) -> None:
    """Raises DatasetError, with the first offender and their number, if there is any."""
    found = list(offenders)
    if found:
        raise DatasetError(
            f"{complaint} ({len(found)} in all, the first is {found[0]!r}). "
            "Get the data set's files again, or correct them."
        )
