import pytest
from django.contrib.auth.models import User
from django.test import Client

from accounts.models import Token
from captioning.models import Picture
from tests.captioning.api.calls import CAPTIONS, problem, program_of, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def strangers_are_refused(settings):
    settings.API_ANONYMOUS = False


@pytest.fixture
def browser():
    """A browser that is logged in, and sends no CSRF token by itself."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("alice"))
    return client


def test_a_token_acts_for_its_account(coffee_jpeg):
    assert send(program_of("alice", enforce_csrf_checks=True), coffee_jpeg).status_code == 200
    assert Picture.objects.get().owner.account.username == "alice"


def test_a_token_counts_more_than_cookies(coffee_jpeg):
    program = program_of("alice", enforce_csrf_checks=True)
    program.force_login(User.objects.create_user("bob"))
    send(program, coffee_jpeg)
    assert Picture.objects.get().owner.account.username == "alice"


def test_an_unknown_token_is_refused_even_where_anybody_is_served(coffee_jpeg):
    response = send(Client(headers={"authorization": "Bearer unknown"}), coffee_jpeg)
    assert (response.status_code, problem(response)) == (401, "invalid_token")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_revoked_token_is_refused():
    program = program_of("alice")
    assert program.get(CAPTIONS).status_code == 200
    Token.objects.all().delete()
    assert problem(program.get(CAPTIONS)) == "invalid_token"


def test_anybody_is_served_by_default_and_keeps_pictures_by_the_cookie_of_the_answer(coffee_jpeg):
    stranger = Client(enforce_csrf_checks=True)
    assert send(stranger, coffee_jpeg).status_code == 200
    assert send(stranger, coffee_jpeg).status_code == 200
    assert stranger.get(CAPTIONS).json()["count"] == 1
    assert Client().get(CAPTIONS).json()["count"] == 0


def test_the_setting_asks_for_a_token(strangers_are_refused, coffee_jpeg):
    for response in (send(Client(), coffee_jpeg), Client().get("/api/v1/models")):
        assert (response.status_code, problem(response)) == (401, "authentication_required")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    assert program_of("alice").get("/api/v1/models").status_code == 200


def test_a_logged_in_browser_reads_without_a_token(browser, strangers_are_refused):
    assert browser.get(CAPTIONS).status_code == 200


def test_another_site_cannot_use_a_session(browser, coffee_jpeg):
    response = send(browser, coffee_jpeg)
    assert (response.status_code, problem(response)) == (403, "csrf_failed")
    assert not Picture.objects.exists()


def test_the_page_that_tries_the_api_out_can(browser, coffee_jpeg):
    browser.get("/api/v1/docs")
    browser.defaults["HTTP_X_CSRFTOKEN"] = browser.cookies["csrftoken"].value
    assert send(browser, coffee_jpeg).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"origin": "https://elsewhere.example"}, {"sec-fetch-site": "cross-site"}]
)
def test_another_site_can_use_no_visitors_cookie_and_give_none(coffee_jpeg, headers):
    browser = Client(enforce_csrf_checks=True, headers=headers)
    assert problem(send(browser, coffee_jpeg)) == "csrf_failed"
    assert "visitor" not in browser.cookies
