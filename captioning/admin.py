"""The admin's pages: pictures with their corrections, whose they are, and the models in use."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from captioning.library import services
from captioning.library.queries import find_pictures
from captioning.library.views import file_response
from captioning.models import Checkpoint, Owner, Picture

admin.site.site_header = admin.site.site_title = "Image Captioner"

SHOWN_FILES = {"thumbnail": 120, "shown": 320}
"""Kinds of a picture's files that the admin shows, and how wide."""


class RecordAdmin(admin.ModelAdmin):
    """Rows that the application makes, to look at; some may be deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds one by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes one by hand."""
        return False


@admin.register(Picture)
class PictureAdmin(admin.ModelAdmin):
    """Pictures: searched as in the gallery, corrected, deleted with their files."""

    list_display = ("thumbnail_image", "description", "is_corrected", "owner", "created")
    list_display_links = ("thumbnail_image", "description")
    list_filter = (("correction", admin.EmptyFieldListFilter), "corrected", "created")
    list_select_related = ("owner__account",)
    list_per_page = 50
    view_on_site = False  # that page is the owner's alone
    search_fields = ("description",)
    readonly_fields = (
        "shown_image",
        "sentence",
        "corrected",
        "owner",
        "name",
        "format",
        "width",
        "height",
        "pixel_hash",
        "created",
    )
    fields = ("shown_image", "correction", *readonly_fields[1:])

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Pictures are added on the first page of the site, where they are captioned."""
        return False

    @admin.display(description="picture")
    def thumbnail_image(self, picture: Picture) -> SafeString:
        """The thumbnail, as a list shows it."""
        return _image(picture, "thumbnail")

    @admin.display(description="picture")
    def shown_image(self, picture: Picture) -> SafeString:
        """The copy for pages."""
        return _image(picture, "shown")

    @admin.display(description="corrected", boolean=True, ordering="corrected")
    def is_corrected(self, picture: Picture) -> bool:
        """Whether a person corrected it."""
        return bool(picture.correction)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Picture], search_term: str
    ) -> tuple[QuerySet[Picture], bool]:
        """Search as the gallery does."""
        return find_pictures(queryset, search_term), False

    def save_model(self, request: HttpRequest, obj: Picture, form: ModelForm, change: bool) -> None:
        """Keep the correction as if its owner had written it."""
        services.correct(obj, obj.correction)

    def get_urls(self) -> list[URLPattern]:
        """Add the files of a picture, which have no other address for who does not own it."""
        views = [
            path(
                f"<int:pk>/{kind}.jpg",
                self.admin_site.admin_view(self.file),
                {"kind": kind},
                name=f"captioning_picture_{kind}",
            )
            for kind in SHOWN_FILES
        ]
        return views + super().get_urls()

    def file(self, request: HttpRequest, pk: int, kind: str) -> HttpResponseBase:
        """Send a file of a picture to those who may see pictures here."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        picture = get_object_or_404(Picture, pk=pk)
        return file_response(request, getattr(picture, kind), "image/jpeg")


@admin.register(Owner)
class OwnerAdmin(RecordAdmin):
    """Owners, whose pictures and files are deleted with them."""

    list_display = ("__str__", "picture_count")
    list_filter = (("account", admin.EmptyFieldListFilter),)
    list_select_related = ("account",)
    search_fields = ("account__username",)
    fields = ("account", "visitor", "picture_count")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Owner]:
        """Count their pictures."""
        owners: QuerySet[Owner] = super().get_queryset(request)
        return owners.annotate(picture_count=Count("pictures"))

    @admin.display(description="pictures", ordering="picture_count")
    def picture_count(self, owner: Any) -> int:
        """How many pictures they keep."""
        count: int = owner.picture_count
        return count


@admin.register(Checkpoint)
class CheckpointAdmin(RecordAdmin):
    """Models whose captions are kept; they stay as long as those do."""

    list_display = ("name", "short_hash", "caption_count", "created")
    fields = ("name", "hash", "caption_count", "created")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Captions would lose what tells where they come from."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Checkpoint]:
        """Count their captions."""
        checkpoints: QuerySet[Checkpoint] = super().get_queryset(request)
        return checkpoints.annotate(caption_count=Count("captions"))

    @admin.display(description="hash", ordering="hash")
    def short_hash(self, checkpoint: Checkpoint) -> str:
        """The beginning of the hash, which tells checkpoints apart."""
        return checkpoint.hash[:12]

    @admin.display(description="captions", ordering="caption_count")
    def caption_count(self, checkpoint: Any) -> int:
        """How many captions it wrote that are kept."""
        count: int = checkpoint.caption_count
        return count


def _image(picture: Picture, kind: str) -> SafeString:
    address = reverse(f"admin:captioning_picture_{kind}", args=[picture.pk])
    return format_html(
        '<img src="{}" width="{}" alt="{}" loading="lazy">',
        address,
        SHOWN_FILES[kind],
        picture.description,
    )
