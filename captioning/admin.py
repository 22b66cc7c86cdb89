"""The admin: pictures and their corrections, owners, and checkpoints."""

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
"""The files of a picture that the admin shows, with their width on the page in pixels."""


class RecordAdmin(admin.ModelAdmin):
    """Rows that only the application creates: staff may read them, and delete some."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse to add a row by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse to change a row by hand."""
        return False


@admin.register(Picture)
class PictureAdmin(admin.ModelAdmin):
    """Pictures, which staff can search as in the gallery, correct, and delete with their files."""

    list_display = ("thumbnail_image", "description", "is_corrected", "owner", "created")
    list_display_links = ("thumbnail_image", "description")
    list_filter = (("correction", admin.EmptyFieldListFilter), "corrected", "created")
    list_select_related = ("owner__account",)
    list_per_page = 50
    view_on_site = False  # only the owner may open that page
    search_fields = ("description",)
    readonly_fields = (
        "shown_image",
        "sentence",
        "confidence",
        "tags",
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
        """Refuse: pictures are added by the upload page, which captions them."""
        return False

    @admin.display(description="picture")
    def thumbnail_image(self, picture: Picture) -> SafeString:
        """The thumbnail, for the list."""
        return _image(picture, "thumbnail")

    @admin.display(description="picture")
    def shown_image(self, picture: Picture) -> SafeString:
        """The copy that pages show, for the form."""
        return _image(picture, "shown")

    @admin.display(description="corrected", boolean=True, ordering="corrected")
    def is_corrected(self, picture: Picture) -> bool:
        """Whether a person corrected the caption."""
        return bool(picture.correction)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Picture], search_term: str
    ) -> tuple[QuerySet[Picture], bool]:
        """Search the descriptions as the gallery does."""
        return find_pictures(queryset, search_term), False

    def save_model(self, request: HttpRequest, obj: Picture, form: ModelForm, change: bool) -> None:
        """Save the correction as if the owner had written it."""
        services.correct(obj, obj.correction)

    def get_urls(self) -> list[URLPattern]:
        """Add addresses of the files: all others work only for the owner of a picture."""
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
        """Send a file of a picture to staff who may view pictures."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        picture = get_object_or_404(Picture, pk=pk)
        return file_response(request, getattr(picture, kind), "image/jpeg")


@admin.register(Owner)
class OwnerAdmin(RecordAdmin):
    """Owners. Deleting one deletes the pictures and their files."""

    list_display = ("__str__", "picture_count")
    list_filter = (("account", admin.EmptyFieldListFilter),)
    list_select_related = ("account",)
    search_fields = ("account__username",)
    fields = ("account", "visitor", "picture_count")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Owner]:
        """Count the pictures of each owner in the same query."""
        owners: QuerySet[Owner] = super().get_queryset(request)
        return owners.annotate(picture_count=Count("pictures"))

    @admin.display(description="pictures", ordering="picture_count")
    def picture_count(self, owner: Any) -> int:
        """Number of pictures in the owner's library."""
        count: int = owner.picture_count
        return count


@admin.register(Checkpoint)
class CheckpointAdmin(RecordAdmin):
    """Checkpoints that wrote stored captions. They stay as long as those captions do."""

    list_display = ("name", "short_hash", "caption_count", "created")
    fields = ("name", "hash", "caption_count", "created")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: every stored caption names its checkpoint."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Checkpoint]:
        """Count the captions of each checkpoint in the same query."""
        checkpoints: QuerySet[Checkpoint] = super().get_queryset(request)
        return checkpoints.annotate(caption_count=Count("captions"))

    @admin.display(description="hash", ordering="hash")
    def short_hash(self, checkpoint: Checkpoint) -> str:
        """The first digits of the hash, enough to tell checkpoints apart."""
        return checkpoint.hash[:12]

    @admin.display(description="captions", ordering="caption_count")
    def caption_count(self, checkpoint: Any) -> int:
        """Number of stored captions by the checkpoint."""
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
