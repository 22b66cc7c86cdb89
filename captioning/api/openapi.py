"""The OpenAPI document: django-ninja derives it from the code, and this adds what it cannot know.

That is: bodies in several media types, problems, and whether an account is needed.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from ninja import NinjaAPI
from ninja.openapi.docs import Swagger
from ninja.openapi.schema import REF_TEMPLATE, OpenAPISchema
from ninja.operation import Operation
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from captioning.api.problems import KINDS, MEDIA_TYPE
from captioning.api.schemas import MAX_PHOTOGRAPHS, Correction, Options, SentPhotographs
from captioning.api.submissions import FORM, JSON, PHOTOGRAPHS

# Problems that every operation may have.
EVERYWHERE = ("authentication_required", "invalid_token", "csrf_failed", "internal_error")


class DocumentedAPI(NinjaAPI):
    """An API whose document includes the bodies that its operations read themselves."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Return the document, with the schemas of those bodies."""
        document = super().get_openapi_schema(**options)
        bodies: list[tuple[type[BaseModel], Any]] = [
            (SentPhotographs, "validation"),
            (Correction, "validation"),
        ]
        _, schemas = models_json_schema(bodies, ref_template=REF_TEMPLATE)
        document["components"]["schemas"] |= schemas["$defs"]
        if settings.API_ANONYMOUS:
            for operations in document["paths"].values():
                for operation in operations.values():
                    operation["security"].append({})
        return document

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Name an operation after its function, which gives generated clients short names."""
        return operation.view_func.__name__


FILE = {"type": "string", "format": "binary"}
DOCS = Swagger(
    settings={
        "validatorUrl": None,  # the validator runs on another host
        "deepLinking": False,  # it nests links in buttons, which is not accessible
        "defaultModelsExpandDepth": -1,  # hide the list: each operation shows its schemas
    }
)


def photographs_body() -> dict[str, Any]:
    """Document a body of photographs and options, as a form or in JSON."""
    form = Options.model_json_schema()
    for option in form["properties"].values():
        if "anyOf" in option:  # a type or null; in a form an empty field stands for null
            option.update(option.pop("anyOf")[0])
            del option["default"]
    form["properties"][PHOTOGRAPHS] = {
        "type": "array",
        "items": FILE,
        "minItems": 1,
        "maxItems": MAX_PHOTOGRAPHS,
    }
    form["required"] = [PHOTOGRAPHS]
    return _body({FORM: form, JSON: _reference(SentPhotographs)})


def json_body(schema: type[BaseModel]) -> dict[str, Any]:
    """Document a body in JSON."""
    return _body({JSON: _reference(schema)})


def may_fail(*codes: str, sends: str | None = None) -> dict[str, Any]:
    """Document the responses of an operation that may have problems.

    Args:
        codes: The codes of its problems, besides EVERYWHERE.
        sends: The media type of a successful response that is a file.
    """
    by_status: dict[int, list[str]] = {}
    for code in (*codes, *EVERYWHERE):
        by_status.setdefault(KINDS[code].status, []).append(code)
    problem = REF_TEMPLATE.format(model="Problem")
    answers: dict[int, dict[str, Any]] = {
        status: {
            "description": " or ".join(f"`{code}`" for code in of_status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": problem}}},
        }
        for status, of_status in by_status.items()
    }
    if sends is not None:
        answers[200] = {"content": {sends: {"schema": FILE}}}
    return {"responses": answers}


def _body(schemas: dict[str, Any]) -> dict[str, Any]:
    content = {media_type: {"schema": schema} for media_type, schema in schemas.items()}
    return {"requestBody": {"required": True, "content": content}}


def _reference(schema: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": REF_TEMPLATE.format(model=schema.__name__)}
