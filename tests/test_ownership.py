"""Nobody reaches another's pictures by any address of the site."""

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, get_resolver
from django.urls.converters import IntConverter

from captioning import library
from captioning.models import Picture
from tests.captioning.api.calls import program_of
from tests.captioning.kept import kept_files

pytestmark = pytest.mark.django_db

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
SECRET = "Our house by the lake"


@pytest.fixture(autouse=True)
def _tiny_engine(engine_with_tiny_checkpoint):
    """Pictures here are captioned with the tiny checkpoint."""


def upload(client, content):
    file = SimpleUploadedFile("secret.jpg", content)
    assert client.post("/", {"photograph": file, "keep": "on"}).status_code == 302


def visitor():
    client = Client()
    client.get("/")
    return client


def account(name):
    client = Client()
    client.force_login(User.objects.create_user(name, password="correct horse battery"))
    return client


BROWSERS = {
    "visitor": visitor,
    "account": lambda: account("mallory"),
    "program": lambda: program_of("mallory"),
    "nobody": Client,
}


@pytest.fixture(params=["visitor", "account"])
def owner(request, coffee_jpeg):
    """The browser of somebody who keeps a picture, corrected."""
    client = visitor() if request.param == "visitor" else account("alice")
    upload(client, coffee_jpeg)
    library.correct(Picture.objects.get(), SECRET)
    return client


def addresses(patterns=None, prefix="", arguments=None):
    """Every address of the site as a pattern, with the converters of what varies in it."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        converters = (arguments or {}) | entry.pattern.converters
        if isinstance(entry, URLPattern):
            yield prefix + str(entry.pattern), converters
        else:
            yield from addresses(entry.url_patterns, prefix + str(entry.pattern), converters)


def filled(address, converters, picture):
    """The address, where a number is that of the picture and anything else its name or secret."""
    for name, converter in converters.items():
        value = str(picture.pk) if isinstance(converter, IntConverter) else "secret.jpg"
        for spelling in (f"<{name}>", f"<int:{name}>", f"<str:{name}>"):
            address = address.replace(spelling, value)
    return "/" + address


def of_pictures():
    return [
        found
        for found in addresses()
        if any(isinstance(c, IntConverter) for c in found[1].values())
    ]


def test_the_walk_knows_the_addresses_of_pictures():
    found = {address for address, _ in of_pictures()}
    assert {"pictures/<int:pk>", "pictures/<int:pk>/original", "pictures/<int:pk>/delete"} <= found
    assert {
        "api/v1/captions/<int:pk>",
        "api/v1/captions/<int:pk>/attention/<int:word>.png",
    } <= found


def test_the_owner_reaches_the_picture(owner):
    picture = Picture.objects.get()
    for address in ["", "/original", "/shown.jpg", "/thumbnail.jpg", "/delete"]:
        assert owner.get(f"/pictures/{picture.pk}{address}").status_code == 200
    for address in ["", "/attention/0.png"]:
        assert owner.get(f"/api/v1/captions/{picture.pk}{address}").status_code == 200


@pytest.mark.parametrize("browser", BROWSERS)
def test_addresses_of_a_picture_lead_others_nowhere(owner, browser):
    picture, other = Picture.objects.get(), BROWSERS[browser]()
    for address, converters in of_pictures():
        for method in METHODS:
            response = other.generic(method, filled(address, converters, picture))
            assert response.status_code in (404, 405), (method, address)
        # One of the methods is allowed, so that something was really asked for.
        answers = {
            other.generic(m, filled(address, converters, picture)).status_code for m in METHODS
        }
        assert 404 in answers, address
    assert Picture.objects.get().description == SECRET
    assert len(kept_files()) == 3


@pytest.mark.parametrize("browser", BROWSERS)
def test_no_other_address_tells_of_it(owner, browser):
    picture, other = Picture.objects.get(), BROWSERS[browser]()
    for address, converters in addresses():
        for method in ["GET", "POST"]:
            response = other.generic(method, filled(address, converters, picture))
            content = response.getvalue()
            for secret in (SECRET, "secret.jpg", f"pictures/{picture.pk}", picture.sentence):
                assert secret.encode() not in content.replace(b"/shared/secret.jpg", b""), address
    assert Picture.objects.get().share_token is None


@pytest.mark.parametrize("browser", BROWSERS)
def test_files_have_no_public_address(owner, browser):
    picture, other = Picture.objects.get(), BROWSERS[browser]()
    for file in picture.files:
        for folder in ("/", "/media/", "/static/", "/static/../media/"):
            assert other.get(folder + file.name).status_code == 404
