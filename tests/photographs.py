"""Photographs that scikit-image ships, in the public domain or CC0."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import skimage.data
from PIL import Image

NAMES = ("astronaut.jpg", "cat.jpg", "coffee.jpg", "rocket.jpg")


def photographs() -> list[Image.Image]:
    """An astronaut, a cat, a cup of coffee and a rocket, in RGB."""
    return [
        Image.fromarray(photograph())
        for photograph in (
            skimage.data.astronaut,
            skimage.data.chelsea,
            skimage.data.coffee,
            skimage.data.rocket,
        )
    ]


def jpegs() -> dict[str, bytes]:
    """The same, small and as JPEG files, by the names in `NAMES`."""
    files = {}
    for name, photograph in zip(NAMES, photographs(), strict=True):
        buffer = BytesIO()
        photograph.resize((48, 32)).save(buffer, "JPEG")
        files[name] = buffer.getvalue()
    return files


def write_zip(path: Path, files: Mapping[str, bytes], folder: str = "") -> None:
    """Write the files into a zip file, within a folder of it where one is named."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into a new folder."""
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)
