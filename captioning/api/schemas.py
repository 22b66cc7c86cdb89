"""What the API takes and sends; the OpenAPI document is derived from it.

Options have the limits and the help texts of the forms on the pages.
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
MAX_MUST_SAY = 3
MAX_MUST_NOT_SAY = 100
MAX_ENTRY = 200  # characters


def _help(field: FormField) -> str:
    return str(field.help_text)


def _option(name: str, example: float) -> Any:
    """An optional number, with the limits and the help text of the form's field."""
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
        raise ValueError("This is not a base64 string.")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:  # binascii.Error, or text that is not ASCII
        raise ValueError("This is not base64.") from error


def _printable(name: str) -> str:
    return "".join(letter for letter in name if letter.isprintable())


def _whole(number: object) -> object:
    """Convert 3.0, which is a whole number in JSON too."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Whole = Annotated[int | None, BeforeValidator(_whole)]
Entry = Annotated[str, Field(max_length=MAX_ENTRY)]
Base64 = Annotated[
    bytes,
    BeforeValidator(_decoded),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]


class Options(Schema):
    """Options for captioning. The model decides about those left out."""

    model_config = ConfigDict(extra="forbid")

    beam_size: Whole = _option("beam_size", 5)
    candidates: Whole = _option("candidates", 3)
    creative: bool = Field(False, description=_help(DecodingForm.base_fields["creative"]))
    top_p: float | None = _option("top_p", DEFAULT_TOP_P)
    seed: Whole = _option("seed", 0)
    must_say: list[Entry] = Field(
        [],
        max_length=MAX_MUST_SAY,
        description="Words that the caption must say; of words joined by `|`, as in `dog|puppy`, "
        "one will do.",
    )
    must_not_say: list[Entry] = Field(
        [],
        max_length=MAX_MUST_NOT_SAY,
        description="Words that the caption must not say.",
    )
    keep: bool = Field(True, description=_help(PhotographForm.base_fields["keep"]))


class SentPhotograph(Schema):
    """A photograph in JSON."""

    model_config = ConfigDict(extra="forbid")

    content: Base64 = Field(description="The file, in base64.")
    name: Annotated[str, AfterValidator(_printable)] = Field(
        "", max_length=255, description="The name of the file."
    )


class SentPhotographs(Options):
    """Photographs in JSON, and options for captioning them."""

    photographs: list[SentPhotograph] = Field(min_length=1, max_length=MAX_PHOTOGRAPHS)


class Correction(Schema):
    """A person's own words for a picture; an empty text brings the model's caption back."""

    model_config = ConfigDict(extra="forbid")

    correction: str = Field(max_length=MAX_CORRECTION)


class CaptionsQuery(Schema):
    """Which pictures to list."""

    q: str = Field(
        "", max_length=MAX_QUERY, description="Words that the description or the tags must have."
    )
    page: int = Field(1, ge=1, le=MAX_PAGE)
    page_size: int = Field(PICTURES_PER_PAGE, ge=1, le=MAX_PICTURES_PER_PAGE)


class RunnerUp(Schema):
    """Another word that was probable in the same place."""

    text: str
    probability: float


class Word(Schema):
    """A word of a caption."""

    text: str
    part: str = Field(
        description="The word's part of the sentence; joined, the parts are the sentence."
    )
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


class Tag(Schema):
    """A word for something in the picture, whether or not the sentence says it."""

    word: str
    score: float = Field(description="How probable it is that the picture shows it, 0 to 1.")


class CaptionData(Candidate):
    """The model's caption of a picture, word by word."""

    confidence: float | None = Field(
        None,
        description=(
            "How probable it is that the sentence fits the picture, 0 to 1. Null if the model "
            "cannot tell."
        ),
    )
    tags: list[Tag] = Field([], description="The most probable first; none if the model has none.")
    words: list[Word]
    candidates: list[Candidate] = Field(
        description="The other captions that the search found, best first."
    )


class FieldError(Schema):
    """One error in the request."""

    location: str = Field(description="`path`, `query` or `body`.")
    pointer: str = Field(description="Where in it, as a JSON pointer (RFC 6901).")
    detail: str


class Problem(Schema):
    """Problem details (RFC 9457)."""

    type: str = Field(description="The code as a URI.")
    title: str
    status: int
    detail: str = Field(description="What went wrong, in a sentence.")
    code: str = Field(description="Never changes; docs/api.md lists all codes.")
    errors: list[FieldError] | None = Field(None, description="Only with `invalid_parameters`.")


class Result(Schema):
    """The result for one photograph: either `caption` or `problem` is null."""

    name: str = Field(description="The name of the file.")
    id: int | None = Field(
        None, description="The picture's number in your library, if it was kept."
    )
    caption: CaptionData | None = None
    problem: Problem | None = None


class Results(Schema):
    """One result for each photograph, in the same order."""

    results: list[Result]


class Picture(Schema):
    """A picture in your library."""

    id: int
    name: str
    width: int
    height: int
    created: datetime
    description: str = Field(description="The correction if there is one, else the sentence.")
    sentence: str
    correction: str


class PictureWithCaption(Picture):
    """A picture in your library, with the whole caption."""

    model: str = Field(description="The model that wrote the caption.")
    settings: dict[str, Any] = Field(description="The settings that it used.")
    caption: CaptionData


class Page(Schema):
    """A page of the pictures found, newest first."""

    count: int = Field(description="Number of pictures found, on all pages.")
    page: int
    page_size: int
    results: list[Picture]


class Model(Schema):
    """A model in use."""

    name: str
    hash: str = Field(description="SHA-256 of its configuration, which identifies the model.")
    dataset: str | None = None
    split: str | None = Field(None, description="The split of the data set that was scored.")
    scores: dict[str, float]
    settings: dict[str, Any] = Field(description="Settings that apply without options.")


class Models(Schema):
    """The models in use."""

    models: list[Model]
