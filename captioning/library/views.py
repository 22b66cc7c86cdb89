"""Pages of the library. Every view looks for its picture among those that the request may reach."""

from __future__ import annotations

from pathlib import PurePosixPath

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.db.models.fields.files import FieldFile
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.cache import get_conditional_response, patch_cache_control
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from captioning.forms import CorrectionForm
from captioning.library import services
from captioning.library.owners import pictures_of
from captioning.library.queries import MAX_QUERY, corrected, find_pictures
from captioning.models import Picture

PICTURES_PER_PAGE = 24

# Browsers show these as pictures, and never as anything else; other files are downloaded.
SHOWN_INLINE = ("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif")


@never_cache
@require_safe
def gallery(request: HttpRequest) -> HttpResponse:
    """Show the pictures that a search finds, or all pictures, newest first."""
    found, query = find_requested_pictures(request)
    context = {
        "page": Paginator(found, PICTURES_PER_PAGE).get_page(request.GET.get("page")),
        "query": query,
        "has_corrections": corrected(found).exists(),
    }
    return render(request, "captioning/gallery.html", context)


@never_cache
@require_safe
def picture(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a picture with its caption and its correction."""
    picture = _own_picture(request, pk)
    form = CorrectionForm(initial={"correction": picture.description})
    return _picture_page(request, picture, form)


@require_POST
def correct(request: HttpRequest, pk: int) -> HttpResponse:
    """Save a correction."""
    picture = _own_picture(request, pk)
    form = CorrectionForm(request.POST)
    if not form.is_valid():
        return _picture_page(request, picture, form, status=400)
    services.correct(picture, form.cleaned_data["correction"])
    messages.success(
        request,
        "Correction saved." if picture.correction else "The model's caption is back.",
    )
    return redirect(picture)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask whether to delete a picture, or delete it."""
    picture = _own_picture(request, pk)
    if request.method != "POST":
        return render(request, "captioning/delete.html", {"picture": picture})
    services.delete(picture)
    messages.success(request, "Picture deleted.")
    return redirect("captioning:gallery")


@require_POST
def share(request: HttpRequest, pk: int) -> HttpResponse:
    """Create a link that shows the picture to anyone."""
    picture = _own_picture(request, pk)
    services.share(picture)
    messages.success(request, "Link created. Anyone who has it can see this picture.")
    return redirect(picture)


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove the link."""
    picture = _own_picture(request, pk)
    services.revoke(picture)
    messages.success(request, "Link revoked. It no longer works.")
    return redirect(picture)


@require_safe
def file(request: HttpRequest, pk: int, kind: str) -> HttpResponseBase:
    """Send a file of a picture to its owner; `kind` is original, shown or thumbnail."""
    picture = _own_picture(request, pk)
    if kind == "original":
        return file_response(request, picture.original, picture.media_type, name=picture.name)
    return file_response(request, getattr(picture, kind), "image/jpeg")


@never_cache
@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """Show a picture and its description, but nothing about its owner, to anyone with the link."""
    picture = get_object_or_404(Picture, share_token=token)
    response = render(request, "captioning/shared.html", {"picture": picture})
    response["X-Robots-Tag"] = "noindex"
    return response


@require_safe
def shared_file(request: HttpRequest, token: str) -> HttpResponseBase:
    """Send a shared picture's copy without metadata."""
    picture = get_object_or_404(Picture, share_token=token)
    return file_response(request, picture.shown, "image/jpeg")


def find_requested_pictures(request: HttpRequest) -> tuple[QuerySet[Picture], str]:
    """Find those of the request's own pictures that match its query; returns the query as well."""
    query = request.GET.get("q", "")[:MAX_QUERY].strip()
    return find_pictures(pictures_of(request), query), query


def _own_picture(request: HttpRequest, pk: int) -> Picture:
    return get_object_or_404(pictures_of(request), pk=pk)


def _picture_page(
    request: HttpRequest, picture: Picture, form: CorrectionForm, *, status: int = 200
) -> HttpResponse:
    made = picture.caption
    context = {
        "picture": picture,
        "made": made,
        "caption": made.data,
        "form": form,
        "shared_link": _shared_link(request, picture),
    }
    return render(request, "captioning/picture.html", context, status=status)


def _shared_link(request: HttpRequest, picture: Picture) -> str | None:
    if picture.share_token is None:
        return None
    return request.build_absolute_uri(reverse("captioning:shared", args=[picture.share_token]))


def file_response(
    request: HttpRequest, file: FieldFile, media_type: str, *, name: str = ""
) -> HttpResponseBase:
    """Send a file that the browser may cache but must revalidate: it may be deleted by then."""
    # Names are random and never reused, so that a name stands for one content.
    etag = f'"{PurePosixPath(str(file.name)).stem}"'
    response: HttpResponseBase = get_conditional_response(request, etag=etag) or FileResponse(
        file.open("rb"),
        content_type=media_type,
        as_attachment=media_type not in SHOWN_INLINE,
        filename=name,
    )
    response["ETag"] = etag
    patch_cache_control(response, private=True, no_cache=True)
    return response
