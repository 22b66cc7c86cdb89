"""The upload page and the model card."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from captioning import engine
from captioning.forms import DecodingForm, PhotographForm
from captioning.library import services
from captioning.library.owners import remember_visitor
from captioning.markdown import render_markdown
from captioning.models import Picture
from captioning.renditions import jpeg_data_uri, shown_copy
from pytorch.files.photographs import Photograph

logger = logging.getLogger(__name__)


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """Show the form, or caption an upload and show the result.

    A kept picture has a page of its own, where a browser without scripts is sent. Scripts send one
    photograph at a time and ask for JSON: `{"html": ...}` is the result, `{"error": ...}` a
    sentence about what went wrong.
    """
    if request.method != "POST":
        # Scripts send several photographs at once. All must carry the same visitor's cookie.
        remember_visitor(request)
        return _index_page(request, PhotographForm())
    form = PhotographForm(request.POST, request.FILES)
    if not form.is_valid():
        return _refusal(request, form, status=400)
    started = time.perf_counter()
    try:
        captioned = services.caption_photograph(
            request,
            form.cleaned_data["photograph"],
            keep=form.cleaned_data["keep"],
            decoding=form.decoding,
            candidates=form.cleaned_data["candidates"],
        )
    except engine.EngineError as error:
        logger.exception("An uploaded photograph could not be captioned.")
        form.add_error("photograph", f"{error} {error.advice}")
        return _refusal(request, form, status=500 if error.permanent else 503)
    if captioned.picture and not _wants_json(request):
        return redirect(captioned.picture)
    result = _result(form, captioned) | {"seconds": time.perf_counter() - started}
    if _wants_json(request):
        return JsonResponse({"html": render_to_string("captioning/_result.html", result)})
    # Keep the chosen options for the next photograph.
    options = {name: form.cleaned_data[name] for name in (*DecodingForm.base_fields, "keep")}
    return _index_page(request, PhotographForm(initial=options), **result)


@require_safe
def model_card(request: HttpRequest) -> HttpResponse:
    """Show the model card of the checkpoint."""
    try:
        card = engine.read_model_card()
    except engine.EngineError as error:
        return render(request, "captioning/model_card.html", {"missing": str(error)}, status=404)
    return render(request, "captioning/model_card.html", {"card": render_markdown(card)})


def _result(form: PhotographForm, captioned: services.CaptionedPhotograph) -> dict[str, Any]:
    """The context of `_result.html`, but for the time it took."""
    return {
        "caption": captioned.caption,
        "picture": captioned.picture,
        "model": engine.served_model(),
        "decoding": form.decoding,
        "options": form.cleaned_data,
    } | _shown_image(form.cleaned_data["photograph"], captioned.picture)


def _shown_image(photograph: Photograph, picture: Picture | None) -> dict[str, Any]:
    """Address and size of the image on the result page."""
    if picture is not None:
        address = reverse("captioning:shown", args=[picture.pk])
        return {"photograph": address, "width": picture.width, "height": picture.height}
    # Nothing is stored, so the page carries the image itself.
    copy = shown_copy(photograph.image)
    return {"photograph": jpeg_data_uri(copy), "width": copy.width, "height": copy.height}


def _refusal(request: HttpRequest, form: PhotographForm, *, status: int) -> HttpResponse:
    if _wants_json(request):
        errors = [str(error) for of_field in form.errors.values() for error in of_field]
        return JsonResponse({"error": " ".join(errors)}, status=status)
    return _index_page(request, form, status=status)


def _wants_json(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def _index_page(
    request: HttpRequest, form: PhotographForm, *, status: int = 200, **context: Any
) -> HttpResponse:
    try:
        context |= {"form": form, "model": engine.served_model()}
    except engine.EngineError as error:
        return render(request, "captioning/no_model.html", {"error": error}, status=500)
    return render(request, "captioning/index.html", context, status=status)
