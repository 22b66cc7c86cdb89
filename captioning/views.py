"""Pages."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.http import require_http_methods, require_safe

from captioning import engine
from captioning.forms import DecodingForm, PhotographForm
from captioning.library import services
from captioning.library.owners import owner_of, remember_visitor
from captioning.markdown import render_markdown
from captioning.models import Picture
from captioning.renditions import jpeg_data_uri, shown_copy

logger = logging.getLogger(__name__)


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """Show the form; keep an upload and go to its page, or show it here with its caption.

    Scripts send one photograph at a time and ask for JSON: `{"html": ...}`, the result alone, or
    `{"error": ...}`, what was wrong in a sentence.
    """
    if request.method != "POST":
        # Several pictures may come at once later; all must find the same visitor's cookie.
        remember_visitor(request)
        return _index_page(request, PhotographForm())
    form = PhotographForm(request.POST, request.FILES)
    if not form.is_valid():
        return _refusal(request, form, status=400)
    started = time.perf_counter()
    try:
        picture = _keep(request, form) if form.cleaned_data["keep"] else None
        caption = picture.caption.data if picture else _caption(form)
    except engine.EngineError as error:
        logger.exception("An uploaded photograph could not be captioned.")
        form.add_error("photograph", str(error))
        return _refusal(request, form, status=503)
    if picture and not _wants_json(request):
        return redirect(picture)
    seconds = time.perf_counter() - started
    result = _result(form, caption) | {"picture": picture, "seconds": seconds}
    if _wants_json(request):
        return JsonResponse({"html": render_to_string("captioning/_result.html", result)})
    # The options stay as they were chosen; the photograph is to be another one.
    options = {name: form.cleaned_data[name] for name in (*DecodingForm.base_fields, "keep")}
    return _index_page(request, PhotographForm(initial=options), **result)


@require_safe
def model_card(request: HttpRequest) -> HttpResponse:
    """Show what the checkpoint says about itself."""
    try:
        card = engine.read_model_card()
    except engine.EngineError as error:
        return render(request, "captioning/model_card.html", {"missing": str(error)}, status=404)
    return render(request, "captioning/model_card.html", {"card": render_markdown(card)})


def _keep(request: HttpRequest, form: PhotographForm) -> Picture:
    """Keep the photograph of a valid form with its caption; raises EngineError."""
    return services.keep(owner_of(request), form.cleaned_data["photograph"], form.decoding)


def _caption(form: PhotographForm) -> dict[str, Any]:
    """Caption the photograph of a valid form; raises EngineError."""
    return services.describe(form.cleaned_data["photograph"], form.decoding)


def _result(form: PhotographForm, caption: dict[str, Any]) -> dict[str, Any]:
    """The photograph of a valid form and its caption, as the templates show them."""
    shown = shown_copy(form.cleaned_data["photograph"].image)
    return {
        "caption": caption,
        "model": engine.served_model(),
        "decoding": form.decoding,
        "height": shown.height,
        "photograph": jpeg_data_uri(shown),
        "width": shown.width,
    }


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
    context |= {"form": form, "model": engine.served_model()}
    return render(request, "captioning/index.html", context, status=status)
