"""Pages."""

from __future__ import annotations

import logging
import time
from typing import Any, cast

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from captioning import engine, library
from captioning.forms import PhotographForm
from captioning.owners import owner_of, remember_visitor
from captioning.photographs import jpeg_data_uri

logger = logging.getLogger(__name__)


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """Show the form; keep an upload and go to its page, or show it here with its caption."""
    if request.method != "POST":
        # Several pictures may come at once later; all must find the same visitor's cookie.
        remember_visitor(request)
        return _index_page(request, PhotographForm())
    form = PhotographForm(request.POST, request.FILES)
    if not form.is_valid():
        return _index_page(request, form, status=400)
    photograph = form.cleaned_data["photograph"]
    started = time.perf_counter()
    try:
        if form.cleaned_data["keep"]:
            file = cast(UploadedFile, request.FILES["photograph"])
            return redirect(library.keep(owner_of(request), photograph, file))
        [caption] = engine.caption_photographs([photograph])
    except engine.EngineError as error:
        logger.exception("An uploaded photograph could not be captioned.")
        form.add_error("photograph", str(error))
        return _index_page(request, form, status=503)
    seconds = time.perf_counter() - started
    return _index_page(
        request,
        PhotographForm(),
        photograph=jpeg_data_uri(photograph),
        caption=caption,
        seconds=seconds,
    )


def _index_page(
    request: HttpRequest, form: PhotographForm, *, status: int = 200, **context: Any
) -> HttpResponse:
    context |= {"form": form, "captioner": engine.get_captioner()}
    return render(request, "captioning/index.html", context, status=status)
