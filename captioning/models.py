"""The tables of the library: owners, pictures, checkpoints and captions."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce, NullIf
from django.urls import reverse


def original_path(_: Picture, name: str) -> str:
    """A random name with the original suffix: the file's own name may be private."""
    return f"originals/{uuid.uuid4().hex}{name[name.rindex('.') :]}"


def shown_path(*_: object) -> str:
    """A random name for the copy that pages show."""
    return f"shown/{uuid.uuid4().hex}.jpg"


def thumbnail_path(*_: object) -> str:
    """A random name for the thumbnail."""
    return f"thumbnails/{uuid.uuid4().hex}.jpg"


class Owner(models.Model):
    """The owner of pictures: an account, or a visitor whom a cookie identifies."""

    account = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True
    )
    visitor = models.UUIDField(null=True, blank=True, unique=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(account__isnull=True) ^ models.Q(visitor__isnull=True),
                name="owner_is_an_account_or_a_visitor",
            )
        ]

    def __str__(self) -> str:
        return str(self.account) if self.account_id else f"visitor {self.visitor}"


class Checkpoint(models.Model):
    """A checkpoint that captioned pictures on this server."""

    name = models.CharField(max_length=255)
    hash = models.CharField(max_length=64, unique=True)
    """SHA-256 of its configuration, which contains the hashes of its other files."""
    created = models.DateTimeField("first used", auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.hash[:12]})"


class Picture(models.Model):
    """A picture in an owner's library.

    `sentence` is the caption that was asked for last, with its `confidence` and its `tags`;
    `correction` is a person's own words, if any.
    """

    owner = models.ForeignKey(Owner, on_delete=models.CASCADE, related_name="pictures")
    pixel_hash = models.CharField(max_length=64, db_index=True)
    """SHA-256 of the upright RGB pixels."""
    original = models.FileField(upload_to=original_path)
    shown = models.FileField(upload_to=shown_path)
    """A JPEG copy for pages, without the original's metadata."""
    thumbnail = models.FileField(upload_to=thumbnail_path)
    name = models.CharField(max_length=255)
    """The name of the file that was sent."""
    format = models.CharField(max_length=8)
    """The original's format, one of `photographs.FORMATS`."""
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    created = models.DateTimeField(auto_now_add=True)

    sentence = models.TextField()
    confidence = models.FloatField(null=True, blank=True)
    tags = models.TextField(blank=True, default="")
    """Words with a space between them, the most probable first; see `captioning.tags`."""
    correction = models.TextField(blank=True)
    corrected = models.DateTimeField(null=True, blank=True)
    description = models.GeneratedField(
        expression=Coalesce(NullIf("correction", models.Value("")), "sentence"),
        output_field=models.TextField(),
        db_persist=True,
    )
    """The correction if there is one, else the sentence. Search, exports and sharing use it."""
    keywords = models.GeneratedField(
        expression=models.Case(
            models.When(correction="", then="tags"), default=models.Value("", models.TextField())
        ),
        output_field=models.TextField(),
        db_persist=True,
    )
    """The tags, unless there is a correction: what it corrects may be among them. Search and files
    use them."""

    share_token = models.CharField(max_length=64, null=True, blank=True, unique=True)
    """The secret part of the shared link. Null if there is none: it is unique."""

    class Meta:
        ordering = ["-created", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "pixel_hash"], name="picture_kept_once")
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.description}"

    def get_absolute_url(self) -> str:
        """Address of its page, which only the owner can open."""
        return reverse("captioning:picture", args=[self.pk])

    @property
    def media_type(self) -> str:
        """Media type of the original file."""
        return f"image/{self.format.lower()}"

    @property
    def files(self) -> list[models.fields.files.FieldFile]:
        """The original and both copies."""
        return [self.original, self.shown, self.thumbnail]

    @property
    def caption(self) -> StoredCaption:
        """The caption that was asked for last."""
        return self.captions.select_related("checkpoint").latest("asked")


class StoredCaption(models.Model):
    """A caption of a picture by one checkpoint under one set of settings."""

    picture = models.ForeignKey(Picture, on_delete=models.CASCADE, related_name="captions")
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="captions")
    settings = models.JSONField()
    """What determines the caption besides the checkpoint, see `engine.caption_settings`."""
    data = models.JSONField()
    """The caption with its candidates, see `caption_data.caption_data`."""
    created = models.DateTimeField(auto_now_add=True)
    asked = models.DateTimeField("last asked for")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["picture", "checkpoint", "settings"], name="caption_made_once"
            )
        ]

    def __str__(self) -> str:
        return self.sentence

    @property
    def sentence(self) -> str:
        """The caption as a person writes it."""
        data: dict[str, Any] = self.data
        return str(data["sentence"])
