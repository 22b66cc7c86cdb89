"""Errors of the API: problem details (RFC 9457), each with a code that never changes."""

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
    """What all problems with the same code have in common."""

    status: int
    title: str


KINDS = {
    "malformed_request": Kind(400, "The request is malformed"),
    "photograph_empty": Kind(400, "The file is empty"),
    "photograph_too_many_pixels": Kind(400, "The picture has too many pixels"),
    "photograph_truncated": Kind(400, "The picture is damaged"),
    "photograph_unreadable": Kind(400, "The file is not a picture"),
    "photograph_unsupported_format": Kind(400, "The format is not accepted"),
    "authentication_required": Kind(401, "A token is needed"),
    "invalid_token": Kind(401, "The token is not valid"),
    "csrf_failed": Kind(403, "The CSRF token is missing or wrong"),
    "not_found": Kind(404, "Not found"),
    "no_such_word": Kind(404, "The caption has no such word"),
    "no_attention": Kind(404, "The model has no attention"),
    "method_not_allowed": Kind(405, "The method is not allowed"),
    "too_large": Kind(413, "The request is too large"),
    "unsupported_media_type": Kind(415, "The media type is not accepted"),
    "invalid_parameters": Kind(422, "A parameter is invalid"),
    "internal_error": Kind(500, "The server failed"),
    "model_unusable": Kind(500, "The server has no usable model"),
    "model_unavailable": Kind(503, "The model cannot answer now"),
}


class ProblemError(Exception):
    """An error that the API answers as problem details.

    Attributes:
        code: One of KINDS.
        detail: What went wrong, in a sentence.
        errors: The single errors, if there may be several.
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
        """Status of the response."""
        return KINDS[self.code].status

    @property
    def headers(self) -> dict[str, str]:
        """Headers that a response with this status needs."""
        return HEADERS.get(self.status, {})

    @property
    def data(self) -> dict[str, Any]:
        """The problem as plain data, in the form of `schemas.Problem`."""
        return {
            "type": f"urn:imagecaptioner:problem:{self.code}",
            "title": KINDS[self.code].title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        } | ({"errors": self.errors} if self.errors else {})

    @property
    def response(self) -> HttpResponse:
        """The problem as a response."""
        return JsonResponse(
            self.data, status=self.status, headers=self.headers, content_type=MEDIA_TYPE
        )


def photograph_problem(error: ValidationError) -> ProblemError:
    """Convert an error of `forms.PhotographField`."""
    return ProblemError(f"photograph_{error.code}", " ".join(error.messages))


def parameters_problem(errors: list[Any]) -> ProblemError:
    """Convert errors as pydantic lists them.

    The first part of an error's `loc` is `path`, `query` or `body`; the rest becomes a JSON pointer
    (RFC 6901).
    """
    listed = [
        {
            "location": str(place),
            "pointer": "".join(f"/{_escaped(step)}" for step in pointer),
            "detail": str(error["msg"]),
        }
        for error in errors
        for place, *pointer in [error["loc"]]
    ]
    sentence = "; ".join(
        f"{each['location']}{each['pointer']}: {each['detail']}" for each in listed
    )
    return ProblemError("invalid_parameters", sentence, errors=listed)


def _escaped(step: object) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def schema_problem(error: SchemaError) -> ProblemError:
    """Convert the errors of a body that does not fit its schema."""
    return parameters_problem(
        [{"loc": ("body", *each["loc"]), "msg": each["msg"]} for each in error.errors()]
    )


def problem_of(error: Exception) -> ProblemError:
    """Convert an exception that `handle_errors` registers."""
    match error:
        case ProblemError():
            return error
        case ParametersError():
            return parameters_problem(error.errors)
        case AuthenticationError():
            return ProblemError(
                "authentication_required",
                "Send an API token in the header `Authorization: Bearer TOKEN`.",
            )
        case Http404():
            return ProblemError(
                "not_found", "There is nothing at this address, or it belongs to somebody else."
            )
        case EngineError():
            code = "model_unusable" if error.permanent else "model_unavailable"
            return ProblemError(code, f"{error} {error.advice}")
    return ProblemError("malformed_request", "The body does not match the header `Content-Type`.")


def handle_errors(api: NinjaAPI) -> None:
    """Answer the errors of callers and of the engine as problems."""
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


# Problems in place of the pages that Django sends for these statuses.
PLAIN_ANSWERS = {
    400: ProblemError("malformed_request", "The request is malformed."),
    404: ProblemError("not_found", "There is nothing at this address."),
    405: ProblemError(
        "method_not_allowed",
        "This address does not support the method. The header `Allow` lists those it does.",
    ),
    500: ProblemError(
        "internal_error", "Something went wrong on the server. Its log has the details."
    ),
}


def problems_for_programs(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware that replaces Django's error pages under `/api/` by problems."""

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
