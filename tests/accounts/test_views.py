"""The account pages, as a browser uses them."""

import re

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile

from captioning.models import Picture

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PASSWORD = "correct horse battery"
SIGN_UP = {
    "username": "alice",
    "email": "alice@example.org",
    "password1": PASSWORD,
    "password2": PASSWORD,
}


@pytest.fixture(autouse=True)
def _tiny_engine(engine_with_tiny_checkpoint):
    """Serve the tiny checkpoint instead of the shipped one."""


@pytest.fixture
def alice():
    return User.objects.create_user("alice", "alice@example.org", PASSWORD)


def keep_picture(client, coffee_jpeg):
    file = SimpleUploadedFile("photo.jpg", coffee_jpeg)
    assert client.post("/", {"photograph": file, "keep": "on"}).status_code == 302
    return Picture.objects.get()


def log_in(client, password=PASSWORD):
    return client.post("/account/log-in", {"username": "alice", "password": password}, follow=True)


def test_signing_up_logs_in_and_moves_the_visitors_pictures(client, coffee_jpeg):
    picture = keep_picture(client, coffee_jpeg)
    response = client.post("/account/sign-up", SIGN_UP, follow=True)
    assert response.redirect_chain == [("/pictures", 302)]
    assert "<span>alice</span>" in response.text
    assert f'href="/pictures/{picture.pk}"' in response.text
    picture.refresh_from_db()
    assert picture.owner.account.email == "alice@example.org"


def test_logging_in_moves_the_visitors_pictures(client, alice, coffee_jpeg):
    picture = keep_picture(client, coffee_jpeg)
    response = log_in(client)
    assert response.redirect_chain == [("/pictures", 302)]
    assert f'href="/pictures/{picture.pk}"' in response.text


def test_after_logging_out_the_pictures_are_out_of_reach(client, alice, coffee_jpeg):
    picture = keep_picture(client, coffee_jpeg)
    log_in(client)
    assert client.get(f"/pictures/{picture.pk}").status_code == 200
    client.post("/account/log-out")
    assert client.get(f"/pictures/{picture.pk}").status_code == 404


def test_a_wrong_password_is_refused_with_a_message(client, alice):
    response = log_in(client, "wrong")
    assert 'role="alert">Please enter a correct username and password' in response.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"password1": "12345", "password2": "12345"}, "This password is too short"),
        ({"password2": "another one"}, "The two password fields didn"),
        ({"email": ""}, "This field is required"),
        ({"username": "alice"}, "already exists"),
    ],
)
def test_a_bad_sign_up_is_refused_with_a_message(client, change, message):
    User.objects.create_user("alice")
    response = client.post("/account/sign-up", SIGN_UP | {"username": "bob"} | change)
    assert message in response.text
    assert User.objects.count() == 1


def test_logging_in_leads_back_to_a_page_but_not_to_another_site(client, alice):
    for target, reached in [("/model", "/model"), ("https://elsewhere.example", "/pictures")]:
        data = {"username": "alice", "password": PASSWORD, "next": target}
        response = client.post("/account/log-in", data)
        assert response.headers["Location"] == reached
        client.post("/account/log-out")


def test_logging_out_takes_a_post_request(client):
    assert client.get("/account/log-out").status_code == 405


def test_a_forgotten_password_is_reset_by_email(client, alice, mailoutbox):
    page = client.post("/account/password", {"email": "alice@example.org"}, follow=True)
    assert "a link to choose a new password is on its way" in page.text
    [mail] = mailoutbox
    [link] = re.findall(r"http://testserver(/account/password/\S+)", mail.body)
    form = client.get(link, follow=True)
    [(address, _)] = form.redirect_chain
    new = {"new_password1": "another battery staple", "new_password2": "another battery staple"}
    assert "Password changed" in client.post(address, new, follow=True).text
    assert "<span>alice</span>" in log_in(client, "another battery staple").text


def test_a_used_link_says_that_it_no_longer_works(client):
    assert "This link no longer works" in client.get("/account/password/MQ/set-x").text


def test_an_unknown_address_gets_the_same_answer_and_no_email(client, mailoutbox):
    page = client.post("/account/password", {"email": "bob@example.org"}, follow=True)
    assert "a link to choose a new password is on its way" in page.text
    assert mailoutbox == []
