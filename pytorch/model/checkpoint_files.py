"""The files of a checkpoint directory: written whole, and checked before they are believed.

Nothing here imports torch, so that a system check need not wait for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytorch.files.atomic import new_folder

FORMAT_VERSION = 1
CONFIG, VOCABULARY, WEIGHTS, METRICS, MODEL_CARD = (
    "config.json",
    "vocabulary.json",
    "weights.safetensors",
    "metrics.json",
    "README.md",
)
HASHED = (VOCABULARY, WEIGHTS, METRICS)


class CheckpointError(Exception):
    """A checkpoint cannot be used; the message says why and what to do."""


class CheckpointMissingError(CheckpointError):
    """There is no checkpoint where one was expected."""


def read_config(directory: Path) -> dict[str, Any]:
    """Configuration of the checkpoint, whose other files are not looked at.

    Raises CheckpointMissingError where there is no checkpoint, CheckpointError where the file is
    damaged or of another format version.
    """
    if not (directory / CONFIG).is_file():
        raise CheckpointMissingError(
            f"There is no checkpoint at {directory}: it has no {CONFIG}. Train one with "
            "`python manage.py train_captioner`, or name another directory."
        )
    if not _is_checkpoint(directory) and (directory / "checkpoint" / CONFIG).is_file():
        raise CheckpointMissingError(
            f"{directory} is the folder of a training run; its checkpoint is "
            f"{directory / 'checkpoint'}."
        )
    config = read_json(directory / CONFIG)
    if not isinstance(config, dict) or config.get("format_version") != FORMAT_VERSION:
        version = config.get("format_version") if isinstance(config, dict) else None
        raise CheckpointError(
            f"The checkpoint at {directory} has format version {version!r}; this program reads "
            f"version {FORMAT_VERSION}. Train it anew, or use the program that wrote it."
        )
    return config


def verify_files(directory: Path) -> dict[str, Any]:
    """Configuration of the checkpoint, once its files are known to be those it was written with.

    Raises CheckpointMissingError where there is no checkpoint, CheckpointError where it is
    damaged or of another format version.
    """
    config = read_config(directory)
    hashes = config.get("files")
    for name in HASHED:
        path = directory / name
        if not path.is_file():
            raise CheckpointError(
                f"The checkpoint at {directory} is incomplete: {name} is missing. "
                "Copy the whole directory again."
            )
        if not isinstance(hashes, dict) or file_hash(path) != hashes.get(name):
            raise CheckpointError(
                f"{path} is not the file that the checkpoint was written with (its hash differs "
                f"from the one in {CONFIG}). Copy the whole directory again."
            )
    return config


def check_replaceable(directory: Path) -> None:
    """Make sure that a checkpoint can be written to `directory`, and that nothing is lost by it.

    It may be absent, empty, or a checkpoint. Makes the folder above it where there is none. Raises
    CheckpointError.
    """
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        is_free = not directory.exists() or (directory.is_dir() and not any(directory.iterdir()))
    except OSError as error:
        raise CheckpointError(
            f"No checkpoint can be written to {directory}: {error.strerror}."
        ) from error
    if not is_free and not _is_checkpoint(directory):
        raise CheckpointError(
            f"{directory} holds something else than a checkpoint, which would replace it whole. "
            "Name another place for the checkpoint."
        )


def _is_checkpoint(directory: Path) -> bool:
    try:
        config = json.loads((directory / CONFIG).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and "format_version" in config


def read_json(path: Path) -> Any:
    """Content of a JSON file; raises CheckpointError where it is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}.") from error


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON that reads well in a diff."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_config(directory: Path, config: Mapping[str, Any]) -> None:
    """Write `config` with the format version and the hashes of the files already there."""
    hashes = {name: file_hash(directory / name) for name in HASHED}
    write_json(directory / CONFIG, {"format_version": FORMAT_VERSION, **config, "files": hashes})


@contextmanager
def new_checkpoint(target: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of the checkpoint at `target` whole or not at all.

    Raises CheckpointError where `target` holds anything else than a checkpoint.
    """
    check_replaceable(target)
    with new_folder(target) as folder:
        yield folder
