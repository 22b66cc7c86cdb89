"""The library: captioned pictures that are kept, corrected, shared and deleted.

Functions take pictures that the caller may reach; `owners.pictures_of` finds those.
"""

from __future__ import annotations

import re
import secrets
from typing import Any

from django.core.files.base import ContentFile, File
from django.db import IntegrityError, transaction
from django.utils import timezone

from captioning import engine
from captioning.caption_data import caption_data
from captioning.library.queries import known_caption
from captioning.models import Checkpoint, Owner, Picture
from captioning.renditions import SHOWN_SIDE, jpeg
from pytorch.files.photographs import FORMATS, Photograph

THUMBNAIL_SIDE = 480
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def keep(
    owner: Owner,
    photograph: Photograph,
    decoding: engine.Decoding | None = None,
) -> Picture:
    """Caption the photograph, and keep it with its file.

    What the owner keeps already is not stored again, and what was said of the same pixels, by the
    same model under the same settings, is not computed again.

    Raises EngineError; then nothing is kept.
    """
    decoding = decoding or engine.Decoding()
    checkpoint = current_checkpoint()
    settings = engine.decoding_settings(decoding)
    known = known_caption(photograph.pixel_hash, checkpoint, settings)
    data = known or describe(photograph, decoding)
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
        _save(picture, "sentence")
    return picture


def describe(photograph: Photograph, decoding: engine.Decoding) -> dict[str, Any]:
    """Caption the photograph as plain data, and keep nothing. Raises EngineError."""
    [caption] = engine.caption_photographs([photograph], decoding)
    return caption_data(caption)


def correct(picture: Picture, correction: str) -> None:
    """Put the correction beside the model's caption; an empty one takes it away."""
    picture.correction = " ".join(CONTROL_CHARACTERS.sub(" ", correction).split())
    picture.corrected = timezone.now() if picture.correction else None
    _save(picture, "correction", "corrected")


def delete(picture: Picture) -> None:
    """Delete the picture, all that was said of it, and its files."""
    picture.delete()


def share(picture: Picture) -> str:
    """Return the secret part of the picture's shared link, made if there is none."""
    if picture.share_token is None:
        picture.share_token = secrets.token_urlsafe(32)
        picture.save(update_fields=["share_token"])
    return picture.share_token


def revoke(picture: Picture) -> None:
    """Take the shared link away; its address will never work again."""
    picture.share_token = None
    picture.save(update_fields=["share_token"])


def current_checkpoint() -> Checkpoint:
    """Return the checkpoint in use, entered at its first use. Raises EngineError."""
    model = engine.served_model()
    checkpoint, _ = Checkpoint.objects.get_or_create(hash=model.hash, defaults={"name": model.name})
    return checkpoint


def _store(owner: Owner, photograph: Photograph) -> Picture:
    """Write the files and the row; if another request was faster, return its picture."""
    file = File(photograph.file)
    file.seek(0)
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
        shown, thumbnail = (
            jpeg(photograph.image, SHOWN_SIDE),
            jpeg(photograph.image, THUMBNAIL_SIDE),
        )
        picture.shown.save("shown.jpg", ContentFile(shown), save=False)
        picture.thumbnail.save("thumbnail.jpg", ContentFile(thumbnail), save=False)
        with transaction.atomic():
            picture.save()
    except Exception as error:
        delete_files(picture)
        if isinstance(error, IntegrityError):
            return owner.pictures.get(pixel_hash=photograph.pixel_hash)
        raise
    return picture


def delete_files(picture: Picture) -> None:
    """Delete the files of a picture whose row is gone, or was never there."""
    for file in picture.files:
        if file:
            file.delete(save=False)


def _save(picture: Picture, *fields: str) -> None:
    """Save the fields, and read the description that the database makes of them."""
    picture.save(update_fields=fields)
    picture.refresh_from_db(fields=["description"])
