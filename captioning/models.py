"""What is kept: pictures, whose they are, and what was said of them."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce, NullIf
from django.urls import reverse


def original_path(_: Picture, name: str) -> str:
    """Name the original file at random: its own name is the owner's affair."""
    return f"originals/{uuid.uuid4().hex}{name[name.rindex('.') :]}"


def shown_path(*_: object) -> str:
    """Name the file for pages at random."""
    return f"shown/{uuid.uuid4().hex}.jpg"


def thumbnail_path(*_: object) -> str:
    """Name the thumbnail at random."""
    return f"thumbnails/{uuid.uuid4().hex}.jpg"


class Owner(models.Model):
    """Whom pictures belong to: an account, or a visitor who is known by a cookie."""

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
    """A model that captioned pictures here."""

    name = models.CharField(max_length=255)
    hash = models.CharField(max_length=64, unique=True)
    """SHA-256 of its configuration, which holds those of its other files."""
    created = models.DateTimeField("first used", auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.hash[:12]})"


class Picture(models.Model):
    """A picture that was kept, with what is said of it.

    `sentence` is the caption that was last asked for, `correction` what a person wrote instead.
    """

    owner = models.ForeignKey(Owner, on_delete=models.CASCADE, related_name="pictures")
    pixel_hash = models.CharField(max_length=64, db_index=True)
    """SHA-256 of the upright RGB pixels."""
    original = models.FileField(upload_to=original_path)
    shown = models.FileField(upload_to=shown_path)
    """A JPEG file for pages, without the metadata of the original."""
    thumbnail = models.FileField(upload_to=thumbnail_path)
    name = models.CharField(max_length=255)
    """The name that the original file came with."""
    format = models.CharField(max_length=8)
    """Format of the original, one of `photographs.FORMATS`."""
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    created = models.DateTimeField(auto_now_add=True)

    sentence = models.TextField()
    correction = models.TextField(blank=True)
    corrected = models.DateTimeField(null=True, blank=True)
    description = models.GeneratedField(
        expression=Coalesce(NullIf("correction", models.Value("")), "sentence"),
        output_field=models.TextField(),
        db_persist=True,
    )
    """What search, exports and copies use: the correction if there is one."""

    share_token = models.CharField(max_length=64, null=True, blank=True, unique=True)
    """The secret part of the shared link; null where there is none, as it must be unique."""

    class Meta:
        ordering = ["-created", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "pixel_hash"], name="picture_kept_once")
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.description}"

    def get_absolute_url(self) -> str:
        """Address of the page that its owner sees."""
        return reverse("captioning:picture", args=[self.pk])

    @property
    def media_type(self) -> str:
        """Media type of the original file."""
        return f"image/{self.format.lower()}"

    @property
    def files(self) -> list[models.fields.files.FieldFile]:
        """All files of the picture."""
        return [self.original, self.shown, self.thumbnail]

    @property
    def caption(self) -> StoredCaption:
        """The caption that was last asked for."""
        return self.captions.select_related("checkpoint").latest("asked")


class StoredCaption(models.Model):
    """A caption of a picture by one checkpoint under one set of settings."""

    picture = models.ForeignKey(Picture, on_delete=models.CASCADE, related_name="captions")
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="captions")
    settings = models.JSONField()
    """The decoding settings."""
    data = models.JSONField()
    """The caption and the other candidates, as `caption_data.caption_data` writes them."""
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
        """The best caption as a person writes it."""
        data: dict[str, Any] = self.data
        return str(data["sentence"])
