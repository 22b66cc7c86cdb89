"""The files of a checkpoint directory: written atomically, and verified before they are used.

Nothing here imports torch, so that Django's system checks need not wait for it.
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
    """Read the configuration of a checkpoint, without looking at its other files.

    Raises:
        CheckpointMissingError: There is no checkpoint in `directory`.
        CheckpointError: The file is damaged or has another format version.
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
            f"version {FORMAT_VERSION}. Train it again, or use the program that wrote it."
        )
    return config


def verify_files(directory: Path) -> dict[str, Any]:
    """Check the files of a checkpoint against their hashes, and return its configuration.

    Raises:
        CheckpointMissingError: There is no checkpoint in `directory`.
        CheckpointError: It is damaged or has another format version.
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
    """Check that a checkpoint can be written to `directory` without losing anything else.

    The directory may be missing, empty or a checkpoint. Its parent folder is made if need be.

    Raises:
        CheckpointError: The directory holds something else, or its parent cannot be made.
    """
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        is_free = not directory.exists() or (directory.is_dir() and not any(directory.iterdir()))
    except OSError as error:
        raise _not_written(directory, error) from error
    if not is_free and not _is_checkpoint(directory):
        raise CheckpointError(
            f"{directory} is not a checkpoint, and writing one would replace all that it holds. "
            "Name another place for the checkpoint."
        )


def _is_checkpoint(directory: Path) -> bool:
    try:
        config = json.loads((directory / CONFIG).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and "format_version" in config


def _not_written(directory: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"No checkpoint can be written to {directory}: {error.strerror or error}."
    )


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        CheckpointError: The file cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}.") from error


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON, which reads well in a diff."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def file_hash(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal.

    Raises:
        CheckpointError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error


def write_config(directory: Path, config: Mapping[str, Any]) -> None:
    """Write `config`, with the format version and the hashes of the files already there."""
    hashes = {name: file_hash(directory / name) for name in HASHED}
    write_json(directory / CONFIG, {"format_version": FORMAT_VERSION, **config, "files": hashes})


@contextmanager
def new_checkpoint(target: Path) -> Iterator[Path]:
    """Make a folder to fill, which replaces the checkpoint at `target` when the block ends.

    After an exception `target` is unchanged.

    Raises:
        CheckpointError: `target` holds something other than a checkpoint, or the files cannot be
            written.
    """
    check_replaceable(target)
    try:
        with new_folder(target) as folder:
            yield folder
    except OSError as error:
        raise _not_written(target, error) from error
