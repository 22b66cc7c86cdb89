"""The OpenAPI document tells the truth: whatever is sent, every answer is one that it describes."""

import base64
import os

import hypothesis
import pytest
import schemathesis
from django.contrib.auth.models import User
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import strategies
from schemathesis import GenerationMode

from accounts.tokens import make_token
from captioning.api.urls import api
from captioning.forms import DecodingForm
from captioning.library import owners
from tests.captioning.library.kept import keep
from tests.photographs import jpegs

pytestmark = pytest.mark.django_db

DOCUMENT = "/api/v1/openapi.json"
# A few here, more by hand: SCHEMATHESIS_EXAMPLES=500
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "15"))
JPEG = jpegs()["cat.jpg"]


def operations():
    """Every operation, with what fits its description and with what does not."""
    for path, methods in api.get_openapi_schema()["paths"].items():
        for method, described in methods.items():
            yield method, path, GenerationMode.POSITIVE
            if described["parameters"] or "requestBody" in described:
                yield method, path, GenerationMode.NEGATIVE


def put_photographs_into(body):
    """Let what is sent as photographs be some: no schema can say what a picture is."""
    if isinstance(body, dict) and isinstance(body.get("photographs"), list):
        body["photographs"] = [
            {**each, "content": base64.b64encode(JPEG).decode()} if isinstance(each, dict) else JPEG
            for each in body["photographs"]
        ]


def put_words_into(body):
    """Let what must be said be words: no schema can say which ones the model knows."""
    if isinstance(body, dict) and isinstance(body.get("must_say"), list):
        body["must_say"] = ["dog|cat" for _ in body["must_say"]]


@pytest.fixture
def application():
    """The application, which leaves the test's transaction open between requests."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield get_wsgi_application()
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def account():
    return User.objects.create_user("alice")


@pytest.fixture
def picture(account):
    return keep(owners.owner_of_account(account), JPEG)


@pytest.mark.slow
@pytest.mark.parametrize("operation", list(operations()), ids=" ".join)
def test_every_response_is_documented(application, operation, account, picture):
    method, path, mode = operation
    operation = schemathesis.openapi.from_wsgi(DOCUMENT, application)[path][method]
    headers = {"Authorization": f"Bearer {make_token(account, 'schemathesis')}"}

    @hypothesis.seed(1)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(
        case=operation.as_strategy(generation_mode=mode), existing=strategies.booleans()
    )
    def check(case, existing):
        if mode is GenerationMode.POSITIVE:
            put_photographs_into(case.body)
            put_words_into(case.body)
            if existing and "pk" in case.path_parameters:
                case.path_parameters["pk"] = picture.pk
        case.call_and_validate(headers=headers)

    check()


def test_the_options_have_the_limits_of_the_page():
    options = api.get_openapi_schema()["components"]["schemas"]["SentPhotographs"]["properties"]
    for name in ("beam_size", "candidates", "top_p", "seed"):
        field = DecodingForm.base_fields[name]
        [number, _] = options[name]["anyOf"]
        assert (number["minimum"], number["maximum"]) == (field.min_value, field.max_value)
    assert {
        *DecodingForm.base_fields,
        "must_say",
        "must_not_say",
        "keep",
        "photographs",
    } == options.keys()


@pytest.mark.parametrize("anonymous", [True, False])
def test_the_document_tells_whether_a_token_is_needed(client, settings, anonymous):
    settings.API_ANONYMOUS = anonymous
    document = client.get(DOCUMENT).json()
    needed = document["paths"]["/api/v1/captions"]["get"]["security"]
    assert needed == [{"Token": []}, {"Session": []}, *([{}] if anonymous else [])]


def test_every_reference_leads_somewhere():
    document = api.get_openapi_schema()
    found = set()

    def walk(part):
        if isinstance(part, dict):
            if "$ref" in part:
                found.add(part["$ref"])
            part = list(part.values())
        if isinstance(part, list):
            for each in part:
                walk(each)

    walk(dict(document))
    assert found
    assert found <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
