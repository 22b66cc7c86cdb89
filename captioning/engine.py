"""The only door between Django and torch: one model in the process, used by every request."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from PIL import Image

from pytorch.checkpoint_files import CheckpointError, CheckpointMissingError, verify_files

if TYPE_CHECKING:
    from pytorch.captioner import Caption, Captioner

__all__ = [
    "CheckpointError",
    "CheckpointMissingError",
    "EngineError",
    "caption_photographs",
    "get_captioner",
    "start",
    "verify_checkpoint",
]

_loading = threading.Lock()
# One photograph already keeps all cores busy; a second at the same time would only slow the first
# and need its memory as well.
_captioning = threading.Lock()


class EngineError(Exception):
    """No caption could be made; the message is for the reader.

    `permanent` tells whether trying again later is pointless.
    """

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


def verify_checkpoint() -> None:
    """Check the files of the configured checkpoint without loading it.

    Raises CheckpointMissingError where there is none, CheckpointError where it is damaged.
    """
    verify_files(settings.CAPTIONER_CHECKPOINT)


def start() -> None:
    """Load the model now, so that no request waits for it."""
    get_captioner()


def get_captioner() -> Captioner:
    """Return the captioner of the configured checkpoint, loaded once in this process.

    Raises EngineError where the checkpoint cannot be used.
    """
    with _loading:
        return _load(settings.CAPTIONER_CHECKPOINT)


def caption_photographs(
    photographs: Sequence[Image.Image], *, beam_size: int | None = None
) -> list[Caption]:
    """Caption each RGB image; `beam_size` replaces the checkpoint's own.

    Raises EngineError.
    """
    captioner = get_captioner()
    decoding = captioner.decoding
    if beam_size is not None:
        decoding = dataclasses.replace(decoding, beam_size=beam_size)
    try:
        with _captioning:
            return captioner.caption(photographs, decoding=decoding)
    except (MemoryError, RuntimeError) as error:  # torch reports a full GPU as a RuntimeError
        raise EngineError(
            "The photograph could not be captioned just now. Please try again in a minute.",
            permanent=False,
        ) from error


@functools.lru_cache(maxsize=1)
def _load(directory: Path) -> Captioner:
    # Here and not above: importing torch takes seconds, which `migrate` and the like need not pay.
    from pytorch.checkpoints import load_captioner  # noqa: PLC0415

    try:
        return load_captioner(directory)
    except CheckpointError as error:
        raise EngineError(str(error), permanent=True) from error
