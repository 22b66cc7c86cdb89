import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from accounts.models import Token
from accounts.tokens import PREFIX, account_of, make_token

pytestmark = pytest.mark.django_db

URL = "/account/tokens"


@pytest.fixture
def alice():
    return User.objects.create_user("alice")


@pytest.fixture
def client(alice):
    client = Client()
    client.force_login(alice)
    return client


def test_a_token_is_made_and_shown_once(client, alice):
    page = client.post(URL, {"name": "nightly job"})
    [token] = re.findall(rf'value="({PREFIX}[^"]+)"', page.text)
    assert account_of(token) == alice
    assert "no-store" in page.headers["Cache-Control"]
    again = client.get(URL)
    assert "nightly job" in again.text
    assert token not in again.text


def test_a_token_needs_a_name(client):
    page = client.post(URL, {"name": ""})
    assert page.status_code == 400
    assert 'role="alert">This field is required.' in page.text
    assert not Token.objects.exists()


def test_a_revoked_token_stops_working(client, alice):
    token = make_token(alice, "nightly job")
    page = client.post(f"{URL}/{Token.objects.get().pk}/revoke", follow=True)
    assert "Token “nightly job” revoked." in page.text
    assert account_of(token) is None


@pytest.mark.parametrize("browser", ["bob", "nobody"])
def test_only_its_owner_revokes_a_token(alice, browser):
    token, other = make_token(alice, "script"), Client()
    if browser == "bob":
        other.force_login(User.objects.create_user("bob"))
    assert other.post(f"{URL}/{Token.objects.get().pk}/revoke").status_code == 404
    assert account_of(token) == alice


def test_only_their_owner_sees_tokens(alice):
    make_token(alice, "nightly job")
    bob = Client()
    bob.force_login(User.objects.create_user("bob"))
    assert "nightly job" not in bob.get(URL).text
    assert "You have no tokens yet." in bob.get(URL).text


def test_visitors_are_asked_to_log_in(db):
    assert Client().get(URL).headers["Location"] == "/account/log-in?next=/account/tokens"


def test_pages_link_to_the_tokens_of_an_account(client):
    assert f'<a href="{URL}">' in client.get("/pictures").text
    assert URL not in Client().get("/pictures").text
