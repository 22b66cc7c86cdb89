"""The only door between Django and torch: one model per process, which serves every request."""

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
from pytorch.model.people import PEOPLE
from pytorch.model.plurals import plural

if TYPE_CHECKING:
    from pytorch.model.captioner import Caption, Captioner
    from pytorch.model.decoding import DecodingConfig

__all__ = [
    "PEOPLE",
    "Caption",
    "CheckpointError",
    "CheckpointMissingError",
    "DecodingConfig",
    "EngineError",
    "OptionsError",
    "ServedModel",
    "caption_photographs",
    "caption_settings",
    "decoding",
    "get_captioner",
    "is_guess",
    "plural",
    "read_model_card",
    "served_model",
    "start",
    "verify_checkpoint",
]

# Decoding options that came after captions had been stored; see `caption_settings`.
ADDED_OPTIONS = (
    "grammar_rules",
    "name_above",
    "no_people_below",
    "gender_above",
    "must_say",
    "must_not_say",
)

_loading = threading.Lock()
# One photograph already keeps all cores busy. A second one at the same time would slow down the
# first and need memory of its own.
_captioning = threading.Lock()


class EngineError(Exception):
    """No caption could be made; the message says why, to the person who asked for it.

    Attributes:
        permanent: Whether it will fail again until somebody repairs the server.
    """

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent

    @property
    def advice(self) -> str:
        """Whether to try again, in a sentence."""
        if self.permanent:
            return "Trying again will not help: the operator of this server has to repair it."
        return "Please try again in a minute."


class OptionsError(Exception):
    """The model cannot caption with these options; the message says why, to who chose them."""


@dataclass(frozen=True)
class ServedModel:
    """What pages and the API say about the model in use.

    Attributes:
        name: The checkpoint's name.
        hash: SHA-256 of the checkpoint's configuration, which identifies the model.
        metrics: The contents of the checkpoint's `metrics.json`.
        beam_size: The checkpoint's own beam size.
    """

    name: str
    hash: str
    metrics: Mapping[str, Any]
    beam_size: int


def verify_checkpoint() -> None:
    """Check the files of the configured checkpoint without loading it.

    Raises:
        CheckpointMissingError: There is no checkpoint.
        CheckpointError: The checkpoint is damaged.
    """
    verify_files(settings.CAPTIONER_CHECKPOINT)


def start() -> None:
    """Load the model now, so that no request has to wait for it."""
    get_captioner()


def get_captioner() -> Captioner:
    """Return the captioner of the configured checkpoint, which this process loads once.

    Raises:
        EngineError: The checkpoint is missing or damaged.
    """
    with _loading:
        return _load(settings.CAPTIONER_CHECKPOINT)


def served_model() -> ServedModel:
    """Return what pages and the API say about the model in use.

    Raises:
        EngineError: The checkpoint is missing or damaged.
    """
    captioner = get_captioner()
    return ServedModel(
        captioner.name, captioner.config_hash, captioner.metrics, captioner.decoding.beam_size
    )


def decoding(
    *,
    beam_size: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    must_say: Sequence[str] | None = None,
    must_not_say: Sequence[str] | None = None,
) -> DecodingConfig:
    """Return the checkpoint's decoding options, with those that a person chose in their place.

    Args:
        beam_size: Candidates that beam search keeps at every word.
        top_p: Sample words from the most probable ones that together reach this probability.
        seed: Seed of the sampling.
        must_say: Words that captions must say; of words joined by `|`, one will do.
        must_not_say: Words that they must not say.

    Raises:
        EngineError: The checkpoint is missing or damaged.
        OptionsError: The model cannot caption with these options.
    """
    chosen: dict[str, Any] = {
        "beam_size": beam_size,
        "top_p": top_p,
        "sampling_seed": seed,
        "must_say": must_say,
        "must_not_say": must_not_say,
    }
    changes = {name: value for name, value in chosen.items() if value is not None}
    captioner = get_captioner()
    try:
        decoding = dataclasses.replace(captioner.decoding, **changes)
        captioner.check_decoding(decoding)
    except ValueError as error:
        raise OptionsError(str(error)) from error
    return decoding


def caption_photographs(
    photographs: Sequence[Photograph],
    decoding: DecodingConfig | None = None,
    *,
    candidates: int | None = None,
) -> list[Caption]:
    """Caption each photograph.

    Args:
        photographs: The photographs; they are captioned as one batch.
        decoding: Options from `decoding()`; None for the checkpoint's own.
        candidates: Most candidates to return for each photograph, the caption included; None for
            all that the search finds.

    Raises:
        EngineError: The checkpoint is unusable, or the model failed.
    """
    captioner = get_captioner()
    images = [photograph.image for photograph in photographs]
    try:
        with _captioning:
            captions = captioner.caption(images, decoding=decoding)
    except (MemoryError, RuntimeError) as error:  # torch reports a full GPU as a RuntimeError
        raise EngineError("The photograph could not be captioned.", permanent=False) from error
    if candidates is None:
        return captions
    return [
        dataclasses.replace(caption, candidates=caption.candidates[: candidates - 1])
        for caption in captions
    ]


def caption_settings(
    decoding: DecodingConfig | None = None, candidates: int | None = None
) -> dict[str, Any]:
    """Return everything besides the checkpoint that determines a caption, as plain data.

    Stored captions are looked up by these settings: SQLite compares them as text, so another key or
    another order of the keys would hide those that are stored already. For the same reason, options
    that were added after captions were stored stand here only if they differ from their default.

    Args:
        decoding: As for `caption_photographs`.
        candidates: As for `caption_photographs`.

    Raises:
        EngineError: The checkpoint is missing or damaged.
    """
    config = decoding or get_captioner().decoding
    options = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name not in ADDED_OPTIONS or value != field.default:
            options[field.name] = list(value) if isinstance(value, tuple) else value
    return options | {"candidates": candidates or config.beam_size}


def is_guess(confidence: float | None) -> bool:
    """Tell whether a caption with this confidence is mostly guessed; without any, nobody knows."""
    from pytorch.model.confidence import GUESSING  # noqa: PLC0415 (as in `_load`)

    return confidence is not None and confidence < GUESSING


def read_model_card() -> str:
    """Read the model card of the configured checkpoint, in Markdown.

    Raises:
        EngineError: The checkpoint has no model card.
    """
    path = settings.CAPTIONER_CHECKPOINT / MODEL_CARD
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise EngineError(
            f"This model has no model card: {path.name} is missing from its checkpoint.",
            permanent=True,
        ) from error


@functools.lru_cache(maxsize=1)
def _load(directory: Path) -> Captioner:
    # Importing torch takes seconds, which `migrate` and other commands need not spend.
    from pytorch.model.checkpoint import load_captioner  # noqa: PLC0415

    try:
        return load_captioner(directory)
    except CheckpointError as error:
        raise EngineError(str(error), permanent=True) from error
