"""The only door between Django and torch: one model in the process, used by every request."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from pytorch.files.photographs import Photograph
from pytorch.model.checkpoint_files import (
    MODEL_CARD,
    CheckpointError,
    CheckpointMissingError,
    verify_files,
)

if TYPE_CHECKING:
    from pytorch.model.captioner import Caption, Captioner
    from pytorch.model.search import DecodingConfig

__all__ = [
    "Caption",
    "CheckpointError",
    "CheckpointMissingError",
    "Decoding",
    "EngineError",
    "ServedModel",
    "caption_photographs",
    "decoding_settings",
    "get_captioner",
    "read_model_card",
    "served_model",
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


@dataclass(frozen=True)
class ServedModel:
    """What pages and the API say of the model that captions here.

    Attributes:
        name: The checkpoint's name.
        hash: SHA-256 of its configuration, which tells models apart.
        metrics: What its `metrics.json` holds.
        beam_size: Captions that its search keeps at every word unless told otherwise.
    """

    name: str
    hash: str
    metrics: Mapping[str, Any]
    beam_size: int


@dataclass(frozen=True)
class Decoding:
    """How captions are searched for; None leaves it to the checkpoint.

    With `top_p`, words are drawn by chance from the most probable ones that together reach that
    probability; the same `seed` gives the same captions.
    """

    beam_size: int | None = None
    """Captions that the search keeps at every word; all of them are candidates."""
    candidates: int | None = None
    """How many of the candidates are returned at most, the caption itself included."""
    top_p: float | None = None
    seed: int | None = None


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


def served_model() -> ServedModel:
    """Return what is known of the model in use.

    Raises EngineError where the checkpoint cannot be used.
    """
    captioner = get_captioner()
    return ServedModel(
        captioner.name, captioner.config_hash, captioner.metrics, captioner.decoding.beam_size
    )


def caption_photographs(
    photographs: Sequence[Photograph], decoding: Decoding | None = None
) -> list[Caption]:
    """Caption each photograph.

    Raises EngineError.
    """
    captioner = get_captioner()
    decoding = decoding or Decoding()
    try:
        with _captioning:
            images = [photograph.image for photograph in photographs]
            captions = captioner.caption(images, decoding=_search_for(decoding, captioner))
    except (MemoryError, RuntimeError) as error:  # torch reports a full GPU as a RuntimeError
        raise EngineError(
            "The photograph could not be captioned just now. Please try again in a minute.",
            permanent=False,
        ) from error
    return [_with_candidates(caption, decoding.candidates) for caption in captions]


def decoding_settings(decoding: Decoding) -> dict[str, Any]:
    """Return all settings that a caption depends on, besides the checkpoint, as plain data.

    Raises EngineError.
    """
    captioner = get_captioner()
    config = dataclasses.asdict(_search_for(decoding, captioner))
    return config | {"candidates": decoding.candidates or config["beam_size"]}


def read_model_card() -> str:
    """Read the model card of the configured checkpoint, in Markdown.

    Raises EngineError where it has none.
    """
    path = settings.CAPTIONER_CHECKPOINT / MODEL_CARD
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise EngineError(
            f"This model has no model card: {path.name} is missing from its checkpoint.",
            permanent=True,
        ) from error


def _search_for(decoding: Decoding, captioner: Captioner) -> DecodingConfig:
    """Return the checkpoint's own decoding with what was asked for in its place."""
    asked: dict[str, Any] = {
        "beam_size": decoding.beam_size,
        "top_p": decoding.top_p,
        "sampling_seed": decoding.seed,
    }
    changes = {name: value for name, value in asked.items() if value is not None}
    return dataclasses.replace(captioner.decoding, **changes)


def _with_candidates(caption: Caption, most: int | None) -> Caption:
    """Keep the best candidates of a caption, `most` with itself; all where that is None."""
    if most is None:
        return caption
    return dataclasses.replace(caption, candidates=caption.candidates[: most - 1])


@functools.lru_cache(maxsize=1)
def _load(directory: Path) -> Captioner:
    # Here and not above: importing torch takes seconds, which `migrate` and the like need not pay.
    from pytorch.model.checkpoint import load_captioner  # noqa: PLC0415

    try:
        return load_captioner(directory)
    except CheckpointError as error:
        raise EngineError(str(error), permanent=True) from error
