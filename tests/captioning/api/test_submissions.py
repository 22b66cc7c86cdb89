import base64
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from captioning.api import submissions
from captioning.api.schemas import Correction
from captioning.models import Picture
from captioning.uploads import MAX_UPLOAD_BYTES
from tests.captioning.api.calls import CAPTIONS, problem, program_of, send, send_json

pytestmark = pytest.mark.django_db


@pytest.fixture
def program():
    return program_of("alice")


def post(client, body, content_type):
    return client.post(CAPTIONS, body, content_type=content_type)


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        ("x", "text/plain", "unsupported_media_type"),
        ("photographs=x", "application/x-www-form-urlencoded", "unsupported_media_type"),
        ("{", "application/json", "malformed_request"),
        (b"\xff", "application/json", "malformed_request"),
        ("[" * 100_000, "application/json", "malformed_request"),
        ("[]", "application/json", "invalid_parameters"),
        ("x", "multipart/form-data", "malformed_request"),
        ("--x--", "multipart/form-data; boundary=x", "invalid_parameters"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_problem(program, body, content_type, code):
    assert problem(post(program, body, content_type)) == code


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"beam_size": 11}, "/beam_size"),
        ({"beam_size": "many"}, "/beam_size"),
        ({"top_p": 0}, "/top_p"),
        ({"seed": -1}, "/seed"),
        ({"must_say": ["dog", "zebra"]}, "/must_say"),
        ({"must_say": ["dog", "cat", "snow", "grass"]}, "/must_say"),
        ({"must_say": ["dog"], "must_not_say": ["dog"]}, "/must_say"),
        ({"must_not_say": ["x" * 201]}, "/must_not_say/0"),
        ({"size": 3}, "/size"),
        ({"a/b~c": 3}, "/a~1b~0c"),
    ],
)
@pytest.mark.parametrize("sending", [send, send_json])
def test_options_out_of_bounds_are_named(program, coffee_jpeg, sending, options, pointer):
    response = sending(program, coffee_jpeg, **options)
    assert (response.status_code, problem(response)) == (422, "invalid_parameters")
    [error] = response.json()["errors"]
    assert (error["location"], error["pointer"]) == ("body", pointer)
    assert error["detail"] in response.json()["detail"]


def test_in_json_a_string_is_not_a_number(program, coffee_jpeg):
    assert problem(send_json(program, coffee_jpeg, beam_size="3")) == "invalid_parameters"
    assert send(program, coffee_jpeg, beam_size="3").status_code == 200


def test_in_json_a_whole_number_may_have_a_point(program, coffee_jpeg):
    assert send_json(program, coffee_jpeg, beam_size=3.0).status_code == 200
    assert problem(send_json(program, coffee_jpeg, beam_size=3.5)) == "invalid_parameters"


@pytest.mark.parametrize("content", ["no base64!", "Zm9v\n", "é", 12, None])
def test_invalid_base64_is_named(program, content):
    response = post(program, {"photographs": [{"content": content}]}, "application/json")
    assert problem(response) == "invalid_parameters"
    assert response.json()["errors"][0]["pointer"] == "/photographs/0/content"


@pytest.mark.parametrize("sending", [send, send_json])
@pytest.mark.parametrize("sizes", [[MAX_UPLOAD_BYTES + 1], [MAX_UPLOAD_BYTES - 9, 10]])
def test_photographs_that_are_together_too_large_are_refused(program, sending, sizes):
    response = sending(program, *[b"x" * size for size in sizes])
    assert (response.status_code, problem(response)) == (413, "too_large")


@pytest.mark.parametrize("sending", [send, send_json])
def test_the_largest_photograph_that_a_page_takes_is_taken(program, sending, coffee_jpeg):
    content = coffee_jpeg.ljust(MAX_UPLOAD_BYTES, b"\0")
    assert sending(program, content, keep=False).status_code == 200


def test_json_is_read_only_up_to_a_limit(rf, monkeypatch):
    monkeypatch.setattr(submissions, "MAX_JSON_BYTES", 30)
    short, long = json.dumps({"correction": "x"}), json.dumps({"correction": "x" * 30})
    requests = [rf.patch("/", body, content_type="application/json") for body in (short, long)]
    assert submissions.read_json(requests[0], Correction).correction == "x"
    with pytest.raises(submissions.ProblemError) as error:
        submissions.read_json(requests[1], Correction)
    assert error.value.code == "too_large"


def test_names_lose_unprintable_characters(program, coffee_jpeg):
    content = base64.b64encode(coffee_jpeg).decode()
    photograph = {"name": "\0photo\n.jpg", "content": content}
    post(program, {"photographs": [photograph]}, "application/json")
    assert Picture.objects.get().name == "photo.jpg"


@pytest.mark.parametrize("text", ["photo.jpg", ""])
def test_text_in_place_of_a_file_is_refused(program, coffee_jpeg, text):
    files = [SimpleUploadedFile("a.jpg", coffee_jpeg), text]
    response = program.post(CAPTIONS, {"photographs": files})
    assert problem(response) == "invalid_parameters"
    assert response.json()["errors"][0]["pointer"] == "/photographs"


def test_a_second_field_with_a_file_is_named(program, coffee_jpeg):
    files = {name: SimpleUploadedFile("a.jpg", coffee_jpeg) for name in ("photographs", "image")}
    response = program.post(CAPTIONS, files)
    assert problem(response) == "invalid_parameters"
    assert response.json()["errors"][0]["pointer"] == "/image"


def test_a_file_in_another_field_does_not_count(program, coffee_jpeg):
    response = program.post(CAPTIONS, {"image": SimpleUploadedFile("a.jpg", coffee_jpeg)})
    assert problem(response) == "invalid_parameters"
    assert "in the field `photographs`" in response.json()["detail"]
