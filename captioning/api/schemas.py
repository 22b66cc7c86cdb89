"""What the API takes and answers; the OpenAPI document is made of it.

The limits of options are those of the forms on the pages.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any

from django.forms import Field as FormField
from ninja import Schema
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import WithJsonSchema

from captioning.forms import DEFAULT_TOP_P, MAX_CORRECTION, DecodingForm, PhotographForm
from captioning.library.queries import MAX_QUERY
from captioning.library.views import PICTURES_PER_PAGE

MAX_PHOTOGRAPHS = 20
MAX_PICTURES_PER_PAGE = 100
MAX_PAGE = 1_000_000


def _help(field: FormField) -> str:
    return str(field.help_text)


def _option(name: str, example: float) -> Any:
    """Describe a number that may be left to the model, as the form describes it."""
    field: Any = DecodingForm.base_fields[name]
    return Field(
        None,
        ge=field.min_value,
        le=field.max_value,
        description=_help(field),
        examples=[example],
    )


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("This is no string of base64.")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:  # binascii.Error is one, and so is what is not in ASCII
        raise ValueError("This is not base64.") from error


def _printable(name: str) -> str:
    return "".join(letter for letter in name if letter.isprintable())


def _whole(number: object) -> object:
    """In JSON 3.0 is a whole number too."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Whole = Annotated[int | None, BeforeValidator(_whole)]
Base64 = Annotated[
    bytes,
    BeforeValidator(_decoded),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]


class Options(Schema):
    """How to caption. What is left out is the model's own choice."""

    model_config = ConfigDict(extra="forbid")

    beam_size: Whole = _option("beam_size", 5)
    candidates: Whole = _option("candidates", 3)
    creative: bool = Field(False, description=_help(DecodingForm.base_fields["creative"]))
    top_p: float | None = _option("top_p", DEFAULT_TOP_P)
    seed: Whole = _option("seed", 0)
    keep: bool = Field(True, description=_help(PhotographForm.base_fields["keep"]))


class SentPhotograph(Schema):
    """A photograph in JSON."""

    model_config = ConfigDict(extra="forbid")

    content: Base64 = Field(description="The file, in base64.")
    name: Annotated[str, AfterValidator(_printable)] = Field(
        "", max_length=255, description="The name of the file."
    )


class SentPhotographs(Options):
    """Photographs in JSON, and how to caption them."""

    photographs: list[SentPhotograph] = Field(min_length=1, max_length=MAX_PHOTOGRAPHS)


class Correction(Schema):
    """What a person says of a picture instead of the model; empty for what the model said."""

    model_config = ConfigDict(extra="forbid")

    correction: str = Field(max_length=MAX_CORRECTION)


class CaptionsQuery(Schema):
    """Which pictures to list."""

    q: str = Field("", max_length=MAX_QUERY, description="Words that the descriptions must have.")
    page: int = Field(1, ge=1, le=MAX_PAGE)
    page_size: int = Field(PICTURES_PER_PAGE, ge=1, le=MAX_PICTURES_PER_PAGE)


class RunnerUp(Schema):
    """A word that the model considered instead."""

    text: str
    probability: float


class Word(Schema):
    """A word of a caption."""

    text: str
    part: str = Field(description="The word as it stands in the sentence; joined, they are it.")
    probability: float
    runners_up: list[RunnerUp]
    attention: list[list[float]] | None = Field(
        description="Weights of the image's regions, rows from top to bottom; they sum to 1."
    )


class Candidate(Schema):
    """A caption that the search found."""

    sentence: str
    text: str = Field(description="The words in lower case, without punctuation.")
    probability: float
    log_probability: float


class CaptionData(Candidate):
    """What the model says of a picture."""

    words: list[Word]
    candidates: list[Candidate] = Field(description="The others that the search found, best first.")


class FieldError(Schema):
    """One thing that is wrong."""

    location: str = Field(description="`path`, `query` or `body`.")
    pointer: str = Field(description="Where it is there, a JSON pointer (RFC 6901).")
    detail: str


class Problem(Schema):
    """What went wrong, as problem details (RFC 9457)."""

    type: str = Field(description="The code as a URI.")
    title: str
    status: int
    detail: str = Field(description="A sentence for the reader.")
    code: str = Field(description="Stays the same; docs/api.md lists all.")
    errors: list[FieldError] | None = Field(None, description="Only with `invalid_parameters`.")


class Result(Schema):
    """What became of a photograph: `caption` or `problem` is null."""

    name: str = Field(description="The name of its file.")
    id: int | None = Field(None, description="Its number in the library, if it was kept.")
    caption: CaptionData | None = None
    problem: Problem | None = None


class Results(Schema):
    """One result for each photograph, in their order."""

    results: list[Result]


class Picture(Schema):
    """A picture in the library."""

    id: int
    name: str
    width: int
    height: int
    created: datetime
    description: str = Field(description="The correction if there is one, else the sentence.")
    sentence: str
    correction: str


class PictureWithCaption(Picture):
    """A picture in the library, with all that the model said."""

    model: str = Field(description="The model that said it.")
    settings: dict[str, Any] = Field(description="How it searched.")
    caption: CaptionData


class Page(Schema):
    """A page of the pictures that were found, newest first."""

    count: int = Field(description="How many were found, on all pages.")
    page: int
    page_size: int
    results: list[Picture]


class Model(Schema):
    """A model that captions here."""

    name: str
    hash: str = Field(description="SHA-256 of its configuration, which tells models apart.")
    dataset: str | None = None
    split: str | None = Field(None, description="The photographs that the scores are of.")
    scores: dict[str, float]
    settings: dict[str, Any] = Field(description="How it searches if nothing else is asked for.")


class Models(Schema):
    """The models that caption here."""

    models: list[Model]
