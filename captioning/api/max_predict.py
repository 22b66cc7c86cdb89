"""The operation of IBM's MAX Image Caption Generator, for programs written for it.

https://github.com/IBM/MAX-Image-Caption-Generator
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import SuspiciousOperation, ValidationError
from django.http import HttpRequest, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from captioning import engine
from captioning.api.authentication import is_served
from captioning.api.problems import ProblemError, problem_of
from captioning.engine import EngineError
from captioning.forms import PhotographField
from captioning.library import services
from pytorch.files.photographs import Photograph

PREDICTIONS = 3


@csrf_exempt  # it changes nothing
@require_POST
def predict(request: HttpRequest) -> JsonResponse:
    """Caption the file in the field `image` without keeping it."""
    try:
        if not is_served(request):
            return _error(401, "Send a token in the header `Authorization: Bearer TOKEN`.")
        photograph = PhotographField().clean(request.FILES.get("image"))
        captions = _captions(request, photograph)
    except ValidationError as error:
        return _error(400, " ".join(error.messages))
    except (ProblemError, EngineError, MultiPartParserError, SuspiciousOperation) as error:
        problem = problem_of(error)
        return _error(problem.status, problem.detail, problem.headers)
    predictions = [
        {"index": str(index), "caption": each["text"], "probability": each["probability"]}
        for index, each in enumerate(captions)
    ]
    return JsonResponse({"status": "ok", "predictions": predictions})


def _captions(request: HttpRequest, photograph: Photograph) -> list[dict[str, Any]]:
    """Find the best captions, the most probable first. Raises EngineError."""
    beam_size = max(engine.served_model().beam_size, PREDICTIONS)
    caption = services.caption_photograph(
        request,
        photograph,
        keep=False,
        decoding=engine.decoding(beam_size=beam_size),
        candidates=PREDICTIONS,
    ).caption
    return sorted(
        [caption, *caption["candidates"]], key=lambda each: each["probability"], reverse=True
    )


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> JsonResponse:
    content = {"status": "error", "message": message}
    return JsonResponse(content, status=status, headers=headers)
