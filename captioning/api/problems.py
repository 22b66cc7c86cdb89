"""Errors of the API: problem details (RFC 9457), each with a code that stays the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import SuspiciousOperation, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError
from ninja.errors import ValidationError as ParametersError
from pydantic import ValidationError as SchemaError

from captioning.engine import EngineError

MEDIA_TYPE = "application/problem+json"
HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "60"}}  # seconds


@dataclass(frozen=True)
class Kind:
    """What all problems of one code have in common."""

    status: int
    title: str


KINDS = {
    "malformed_request": Kind(400, "The request cannot be read"),
    "photograph_empty": Kind(400, "The file is empty"),
    "photograph_too_many_pixels": Kind(400, "The picture has too many pixels"),
    "photograph_truncated": Kind(400, "The picture is damaged"),
    "photograph_unreadable": Kind(400, "The file is no picture"),
    "photograph_unsupported_format": Kind(400, "The format is not accepted"),
    "authentication_required": Kind(401, "A token is needed"),
    "invalid_token": Kind(401, "The token is not valid"),
    "csrf_failed": Kind(403, "The browser's request is not confirmed"),
    "not_found": Kind(404, "There is no such thing"),
    "no_such_word": Kind(404, "The caption has no such word"),
    "no_attention": Kind(404, "The model has no attention"),
    "method_not_allowed": Kind(405, "The method is not allowed"),
    "too_large": Kind(413, "The request is too large"),
    "unsupported_media_type": Kind(415, "The media type is not accepted"),
    "invalid_parameters": Kind(422, "Something sent is out of bounds"),
    "internal_error": Kind(500, "The server failed"),
    "model_unusable": Kind(500, "The server has no usable model"),
    "model_unavailable": Kind(503, "The model cannot answer now"),
}


class ProblemError(Exception):
    """Answered as problem details; `detail` is a sentence for the reader.

    `errors` are the single things that are wrong, where there may be several.
    """

    def __init__(
        self, code: str, detail: str, *, errors: list[dict[str, str]] | None = None
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors

    @property
    def status(self) -> int:
        """Status of the answer."""
        return KINDS[self.code].status

    @property
    def headers(self) -> dict[str, str]:
        """Headers that an answer of this status needs."""
        return HEADERS.get(self.status, {})

    @property
    def data(self) -> dict[str, Any]:
        """The problem as plain data, as `schemas.Problem` describes it."""
        return {
            "type": f"urn:imagecaptioner:problem:{self.code}",
            "title": KINDS[self.code].title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        } | ({"errors": self.errors} if self.errors else {})

    @property
    def response(self) -> HttpResponse:
        """The problem as the answer to a request."""
        return JsonResponse(
            self.data, status=self.status, headers=self.headers, content_type=MEDIA_TYPE
        )


def photograph_problem(error: ValidationError) -> ProblemError:
    """Say what `forms.PhotographField` found wrong with a file."""
    return ProblemError(f"photograph_{error.code}", " ".join(error.messages))


def parameters_problem(errors: list[Any]) -> ProblemError:
    """Say what is out of bounds, from errors as pydantic lists them; `loc` begins with the place.

    The place is `path`, `query` or `body`; pointers (RFC 6901) lead on from there.
    """
    described = [
        {
            "location": str(place),
            "pointer": "".join(f"/{_escaped(step)}" for step in pointer),
            "detail": str(error["msg"]),
        }
        for error in errors
        for place, *pointer in [error["loc"]]
    ]
    sentence = "; ".join(
        f"{each['location']}{each['pointer']}: {each['detail']}" for each in described
    )
    return ProblemError("invalid_parameters", sentence, errors=described)


def _escaped(step: object) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def schema_problem(error: SchemaError) -> ProblemError:
    """Say what is wrong with a body that does not fit its schema."""
    return parameters_problem(
        [{"loc": ("body", *each["loc"]), "msg": each["msg"]} for each in error.errors()]
    )


def problem_of(error: Exception) -> ProblemError:
    """Say what an exception means to whoever sent the request."""
    match error:
        case ProblemError():
            return error
        case ParametersError():
            return parameters_problem(error.errors)
        case AuthenticationError():
            return ProblemError(
                "authentication_required",
                "Send a token of your account in the header `Authorization: Bearer TOKEN`.",
            )
        case Http404():
            return ProblemError("not_found", "There is nothing at this address that you may reach.")
        case EngineError():
            code = "model_unusable" if error.permanent else "model_unavailable"
            return ProblemError(code, f"{error} {error.advice}")
    return ProblemError("malformed_request", "The body of the request is not what its header says.")


def handle_errors(api: NinjaAPI) -> None:
    """Let the API answer all errors that are the sender's, or the engine's, as problems."""
    for kind in (
        ProblemError,
        ParametersError,
        AuthenticationError,
        Http404,
        EngineError,
        MultiPartParserError,
        SuspiciousOperation,
    ):
        api.add_exception_handler(kind, _answer)


def _answer(_: HttpRequest, error: Any) -> HttpResponse:
    return problem_of(error).response


# What others answer within the API's addresses, by its status.
PLAIN_ANSWERS = {
    400: ProblemError("malformed_request", "The request is not what its headers say."),
    404: ProblemError("not_found", "There is nothing at this address."),
    405: ProblemError(
        "method_not_allowed", "The header `Allow` lists the methods of this address."
    ),
    500: ProblemError("internal_error", "Something went wrong here; the server's log tells what."),
}


def problems_for_programs(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer errors under `/api/` as problems where Django would send a page."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not request.path.startswith("/api/"):
            return response
        problem = PLAIN_ANSWERS.get(response.status_code)
        if problem is None or response.headers.get("Content-Type") == MEDIA_TYPE:
            return response
        answer = problem.response
        if "Allow" in response.headers:
            answer["Allow"] = response["Allow"]
        return answer

    return middleware
