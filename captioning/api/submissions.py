"""Reading requests: photographs as files in a form or as base64 in JSON, and other JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeVar

from django.core.files.base import ContentFile, File
from django.http import HttpRequest
from pydantic import BaseModel, ValidationError

from captioning import engine
from captioning.api.problems import ProblemError, schema_problem
from captioning.api.schemas import MAX_PHOTOGRAPHS, Options, SentPhotographs
from captioning.forms import MAX_MEGABYTES, DecodingForm
from captioning.uploads import MAX_UPLOAD_BYTES

FORM, JSON = "multipart/form-data", "application/json"
PHOTOGRAPHS = "photographs"
LISTS = {"must_say", "must_not_say"}  # in a form, their fields may be repeated
# Base64 takes four letters for three bytes. The rest is for names and options.
MAX_JSON_BYTES = MAX_UPLOAD_BYTES * 4 // 3 + 100_000

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class Submission:
    """Files to caption, and options."""

    files: list[File[bytes]]
    keep: bool
    decoding: engine.DecodingConfig
    candidates: int | None


def read_submission(request: HttpRequest) -> Submission:
    """Read photographs and options from a form or from JSON.

    Raises:
        ProblemError: The body cannot be read, or something in it is invalid.
        EngineError: The checkpoint is missing or damaged.
    """
    if request.content_type == FORM:
        files, options = _read_form(request)
    elif request.content_type == JSON:
        sent = read_json(request, SentPhotographs)
        files = [ContentFile(each.content, name=each.name) for each in sent.photographs]
        options = sent
    else:
        raise ProblemError("unsupported_media_type", f"Send {FORM} with files, or {JSON}.")
    if sum(file.size or 0 for file in files) > MAX_UPLOAD_BYTES:
        raise _too_large()
    return Submission(files, options.keep, _decoding(options), options.candidates)


def read_json(request: HttpRequest, schema: type[Body]) -> Body:
    """Read JSON of a schema from the request's body.

    Raises:
        ProblemError: The body cannot be read, or does not fit the schema.
    """
    if request.content_type != JSON:
        raise ProblemError("unsupported_media_type", f"Send {JSON}.")
    # `request.body` would be limited to DATA_UPLOAD_MAX_MEMORY_SIZE, which is for forms.
    body = request.read(MAX_JSON_BYTES + 1)
    if len(body) > MAX_JSON_BYTES:
        raise _too_large()
    try:
        data = json.loads(body)
    except ValueError as error:  # JSONDecodeError or UnicodeDecodeError
        raise ProblemError("malformed_request", f"This is not JSON: {error}.") from error
    except RecursionError as error:
        raise ProblemError("malformed_request", "This JSON is nested too deeply.") from error
    return _validated(schema, data, strict=True)


def _read_form(request: HttpRequest) -> tuple[list[File[bytes]], Options]:
    """Read files and options from a form; an empty field counts as left out."""
    files: list[File[bytes]] = list(request.FILES.getlist(PHOTOGRAPHS))
    if not 1 <= len(files) <= MAX_PHOTOGRAPHS or PHOTOGRAPHS in request.POST:
        detail = f"Send 1 to {MAX_PHOTOGRAPHS} files in the field `{PHOTOGRAPHS}`."
        error = {"location": "body", "pointer": f"/{PHOTOGRAPHS}", "detail": detail}
        raise ProblemError("invalid_parameters", detail, errors=[error])
    options: dict[str, Any] = {name: text for name, text in request.POST.items() if text != ""}
    for name in LISTS & options.keys():
        options[name] = [text for text in request.POST.getlist(name) if text != ""]
    others = {name: file for name, file in request.FILES.items() if name != PHOTOGRAPHS}
    return files, _validated(Options, options | others, strict=False)


def _validated(schema: type[Body], data: Any, *, strict: bool) -> Body:
    try:
        return schema.model_validate(data, strict=strict)
    except ValidationError as error:
        raise schema_problem(error) from error


def _decoding(options: Options) -> engine.DecodingConfig:
    """Read the options by the page's form, which knows the defaults.

    Raises:
        ProblemError: The model cannot say what it must.
        EngineError: The checkpoint is missing or damaged.
    """
    form = DecodingForm(options.model_dump())
    if not form.is_valid():
        raise RuntimeError(f"The schema accepts what the form refuses: {form.errors.as_text()}")
    try:
        return form.decoding_with(must_say=options.must_say, must_not_say=options.must_not_say)
    except engine.OptionsError as error:
        detail = str(error)
        problem = {"location": "body", "pointer": "/must_say", "detail": detail}
        raise ProblemError("invalid_parameters", detail, errors=[problem]) from error


def _too_large() -> ProblemError:
    return ProblemError(
        "too_large",
        f"The photographs in a request may have {MAX_MEGABYTES} MB together. "
        "Send smaller copies, or several requests.",
    )
