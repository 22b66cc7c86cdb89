"""What the library does with pictures: keep, correct, share, revoke and delete them.

Functions that take a picture assume that the caller may change it; `owners.pictures_of` finds those
pictures.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Any

from django.core.files.base import ContentFile, File
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from captioning import engine
from captioning.caption_data import caption_data
from captioning.library.owners import owner_of
from captioning.library.queries import known_caption
from captioning.models import Checkpoint, Owner, Picture
from captioning.renditions import SHOWN_SIDE, jpeg
from captioning.tags import tag_words
from pytorch.files.photographs import FORMATS, Photograph

THUMBNAIL_SIDE = 480
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class CaptionedPhotograph:
    """What became of a photograph that somebody sent.

    Attributes:
        caption: The caption as plain data, see `caption_data`.
        picture: The picture in the library; None if it is not kept.
    """

    caption: dict[str, Any]
    picture: Picture | None = None


def caption_photograph(
    request: HttpRequest,
    photograph: Photograph,
    *,
    keep: bool,
    decoding: engine.DecodingConfig | None = None,
    candidates: int | None = None,
) -> CaptionedPhotograph:
    """Caption a photograph, and keep it in the library of whoever sent it if they want that.

    Args:
        request: The request that sent the photograph.
        photograph: The photograph.
        keep: Whether to keep it.
        decoding: Options for the model; None for the checkpoint's own.
        candidates: Most captions to return; None for all that the search finds.

    Raises:
        EngineError: No caption could be made; then nothing is kept.
    """
    if not keep:
        return CaptionedPhotograph(_caption(photograph, decoding, candidates))
    picture = keep_photograph(owner_of(request), photograph, decoding, candidates)
    return CaptionedPhotograph(picture.caption.data, picture)


def keep_photograph(
    owner: Owner,
    photograph: Photograph,
    decoding: engine.DecodingConfig | None = None,
    candidates: int | None = None,
) -> Picture:
    """Caption a photograph, and keep it with its file.

    An owner's pictures are stored once, however often the same pixels are sent. A caption of the
    same pixels by the same checkpoint under the same settings is not computed twice either, even
    for another owner.

    Args:
        owner: The owner of the picture.
        photograph: The photograph, with its file.
        decoding: As for `caption_photograph`.
        candidates: As for `caption_photograph`.

    Raises:
        EngineError: No caption could be made; then nothing is kept.
    """
    checkpoint = current_checkpoint()
    settings = engine.caption_settings(decoding, candidates)
    known = known_caption(photograph.pixel_hash, checkpoint, settings)
    data = known or _caption(photograph, decoding, candidates)
    with transaction.atomic():
        picture = owner.pictures.filter(pixel_hash=photograph.pixel_hash).first()
        if picture is None:
            picture = _store(owner, photograph)
        picture.captions.update_or_create(
            checkpoint=checkpoint,
            settings=settings,
            defaults={"data": data, "asked": timezone.now()},
        )
        picture.sentence = data["sentence"]
        picture.confidence = data.get("confidence")  # captions of before have none
        picture.tags = " ".join(tag_words(data))
        _save(picture, "sentence", "confidence", "tags")
    return picture


def correct(picture: Picture, correction: str) -> None:
    """Put a correction beside the model's caption; an empty one removes the correction."""
    picture.correction = " ".join(CONTROL_CHARACTERS.sub(" ", correction).split())
    picture.corrected = timezone.now() if picture.correction else None
    _save(picture, "correction", "corrected")


def delete(picture: Picture) -> None:
    """Delete a picture with its captions, its correction and its files."""
    picture.delete()


def share(picture: Picture) -> str:
    """Return the secret part of the picture's shared link, which is created at the first call."""
    if picture.share_token is None:
        picture.share_token = secrets.token_urlsafe(32)
        picture.save(update_fields=["share_token"])
    return picture.share_token


def revoke(picture: Picture) -> None:
    """Remove the shared link; its address will never work again."""
    picture.share_token = None
    picture.save(update_fields=["share_token"])


def current_checkpoint() -> Checkpoint:
    """Return the row of the checkpoint in use, created at its first use.

    Raises:
        EngineError: The checkpoint is missing or damaged.
    """
    model = engine.served_model()
    checkpoint, _ = Checkpoint.objects.get_or_create(hash=model.hash, defaults={"name": model.name})
    return checkpoint


def delete_files(picture: Picture) -> None:
    """Delete the files of a picture that has no row, or none any more."""
    for file in picture.files:
        if file:
            file.delete(save=False)


def _caption(
    photograph: Photograph, decoding: engine.DecodingConfig | None, candidates: int | None
) -> dict[str, Any]:
    """Caption a photograph as plain data. Raises EngineError."""
    [caption] = engine.caption_photographs([photograph], decoding, candidates=candidates)
    return caption_data(caption)


def _store(owner: Owner, photograph: Photograph) -> Picture:
    """Store the files and the row, or return the row of another request that was faster."""
    file = File(photograph.file)
    file.seek(0)
    # Some clients send a path, also with backslashes.
    name = (file.name or "").replace("\\", "/").rsplit("/", 1)[-1]
    picture = Picture(
        owner=owner,
        pixel_hash=photograph.pixel_hash,
        name=name[-255:],
        format=photograph.format,
        width=photograph.width,
        height=photograph.height,
    )
    try:
        picture.original.save(f"original{FORMATS[photograph.format][0]}", file, save=False)
        for copy, side in ((picture.shown, SHOWN_SIDE), (picture.thumbnail, THUMBNAIL_SIDE)):
            copy.save("copy.jpg", ContentFile(jpeg(photograph.image, side)), save=False)
        # In a transaction of its own, so that a failure does not break the caller's.
        with transaction.atomic():
            picture.save()
    except Exception as error:
        delete_files(picture)
        # Another request stored the same picture since the caller looked for it.
        if isinstance(error, IntegrityError):
            return owner.pictures.get(pixel_hash=photograph.pixel_hash)
        raise
    return picture


def _save(picture: Picture, *fields: str) -> None:
    """Save these fields, and reload what the database derives from them."""
    picture.save(update_fields=fields)
    picture.refresh_from_db(fields=["description", "keywords"])
