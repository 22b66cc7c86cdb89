"""Operations on captions: make, list, read, correct and delete them, and draw their attention."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query, Router
from ninja.responses import Status
from PIL import Image

from captioning import models
from captioning.api import schemas
from captioning.api.attention_image import draw_attention
from captioning.api.openapi import json_body, may_fail, photographs_body
from captioning.api.problems import ProblemError, photograph_problem
from captioning.api.submissions import Submission, read_json, read_submission
from captioning.forms import PhotographField
from captioning.library import services
from captioning.library.owners import pictures_of
from captioning.library.queries import find_pictures

BAD_BODY = ("malformed_request", "too_large", "unsupported_media_type", "invalid_parameters")
BAD_PHOTOGRAPH = tuple(
    f"photograph_{code}"
    for code in ("empty", "unsupported_format", "unreadable", "truncated", "too_many_pixels")
)
NO_MODEL = ("model_unusable", "model_unavailable")
PNG = "image/png"

router = Router(tags=["captions"])


@router.post(
    "/captions",
    response=schemas.Results,
    openapi_extra=photographs_body() | may_fail(*BAD_BODY, *BAD_PHOTOGRAPH, *NO_MODEL),
)
def make_captions(request: HttpRequest) -> dict[str, Any]:
    """Caption photographs, and keep them in your library unless `keep` is false.

    Each photograph has its own result: a caption, or a problem. If you send only one, and it cannot
    be read, the response is the problem itself.
    """
    submission = read_submission(request)
    results = [_result(request, submission, file) for file in submission.files]
    return {"results": results}


@router.get(
    "/captions",
    response=schemas.Page,
    openapi_extra=may_fail("invalid_parameters"),
)
def list_captions(request: HttpRequest, query: Query[schemas.CaptionsQuery]) -> dict[str, Any]:
    """List the pictures in your library that `q` finds, or all of them.

    Its description and its tags must have all words of `q` between them, in any form. Tags of a
    picture that has a correction are not searched.
    """
    found = find_pictures(pictures_of(request), query.q)
    start = (query.page - 1) * query.page_size
    return {
        "count": found.count(),
        "page": query.page,
        "page_size": query.page_size,
        "results": list(found[start : start + query.page_size]),
    }


@router.get(
    "/captions/{int:pk}",
    response=schemas.PictureWithCaption,
    openapi_extra=may_fail("not_found"),
)
def read_caption(request: HttpRequest, pk: int) -> dict[str, Any]:
    """Read a picture's caption, correction and description."""
    return _with_caption(_own_picture(request, pk))


@router.patch(
    "/captions/{int:pk}",
    response=schemas.PictureWithCaption,
    openapi_extra=json_body(schemas.Correction) | may_fail("not_found", *BAD_BODY),
)
def correct_caption(request: HttpRequest, pk: int) -> dict[str, Any]:
    """Put a correction beside the model's caption; an empty one removes the correction."""
    picture = _own_picture(request, pk)
    services.correct(picture, read_json(request, schemas.Correction).correction)
    return _with_caption(picture)


@router.delete(
    "/captions/{int:pk}",
    response={204: None},
    openapi_extra=may_fail("not_found"),
)
def delete_caption(request: HttpRequest, pk: int) -> Status[None]:
    """Delete a picture with its captions, its correction and its files."""
    services.delete(_own_picture(request, pk))
    return Status(204, None)


@router.get(
    "/captions/{int:pk}/attention/{int:word}.png",
    openapi_extra=may_fail("not_found", "no_such_word", "no_attention", sends=PNG),
)
def draw_caption_attention(request: HttpRequest, pk: int, word: int) -> HttpResponse:
    """Draw the attention for a word of the caption; the first word has number 0."""
    picture = _own_picture(request, pk)
    words = picture.caption.data["words"]
    if word >= len(words):
        raise ProblemError(
            "no_such_word", f"The caption has {len(words)} words. The first one has number 0."
        )
    attention = words[word]["attention"]
    if attention is None:
        raise ProblemError(
            "no_attention",
            "The caption's model was trained without attention, so there is none to draw.",
        )
    with picture.shown.open("rb") as file, Image.open(file) as photograph:
        return HttpResponse(draw_attention(photograph.convert("RGB"), attention), content_type=PNG)


def _result(request: HttpRequest, submission: Submission, file: File[bytes]) -> dict[str, Any]:
    """Caption one of the files. Raises ProblemError if it is the only one and cannot be read."""
    result: dict[str, Any] = {"name": file.name or ""}
    try:
        photograph = PhotographField().clean(file)
    except ValidationError as error:
        problem = photograph_problem(error)
        if len(submission.files) == 1:
            raise problem from error
        return result | {"problem": problem.data}
    captioned = services.caption_photograph(
        request,
        photograph,
        keep=submission.keep,
        decoding=submission.decoding,
        candidates=submission.candidates,
    )
    picture = captioned.picture
    return result | {"id": picture and picture.pk, "caption": captioned.caption}


def _own_picture(request: HttpRequest, pk: int) -> models.Picture:
    return get_object_or_404(pictures_of(request), pk=pk)


def _with_caption(picture: models.Picture) -> dict[str, Any]:
    made = picture.caption
    fields = {name: getattr(picture, name) for name in schemas.Picture.model_fields}
    return fields | {
        "model": made.checkpoint.name,
        "settings": made.settings,
        "caption": made.data,
    }
