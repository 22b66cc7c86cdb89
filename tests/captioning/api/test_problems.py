import pytest
from django.http import HttpResponse
from django.test import Client

from captioning import engine
from captioning.api.problems import problems_for_programs
from tests.captioning.api.calls import CAPTIONS, problem

pytestmark = pytest.mark.django_db


def middleware(status, **headers):
    return problems_for_programs(lambda _: HttpResponse("page", status=status, headers=headers))


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/api/", "/api/v2/captions", "/api/v1/captions/x"]
)
def test_an_unknown_address_is_a_problem(client, path):
    assert problem(client.get(path)) == "not_found"


def test_a_method_that_is_not_allowed_is_a_problem_that_lists_the_allowed_ones(client):
    response = client.put(f"{CAPTIONS}/1")
    assert problem(response) == "method_not_allowed"
    assert set(response.headers["Allow"].split(", ")) == {"GET", "PATCH", "DELETE"}


def test_an_internal_error_is_a_problem_without_its_cause(monkeypatch):
    def fail():
        raise ZeroDivisionError("a secret of ours")

    monkeypatch.setattr(engine, "get_captioner", fail)
    response = Client(raise_request_exception=False).get("/api/v1/models")
    assert (response.status_code, problem(response)) == (500, "internal_error")
    assert b"secret" not in response.content


def test_an_unknown_host_is_a_problem(client):
    assert problem(client.get(CAPTIONS, headers={"host": "elsewhere.example"})) == (
        "malformed_request"
    )


@pytest.mark.parametrize("status", [400, 404, 405, 500])
def test_pages_for_people_stay_pages(rf, status):
    assert middleware(status)(rf.get("/pictures")).content == b"page"
    assert problem(middleware(status)(rf.get("/api/v1/captions")))


def test_successful_responses_are_unchanged(rf):
    assert middleware(200)(rf.get("/api/v1/captions")).content == b"page"
