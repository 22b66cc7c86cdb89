"""No URL of the site gives access to other people's pictures."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, get_resolver
from django.urls.converters import IntConverter, PathConverter

from captioning.library import services
from captioning.models import Picture
from tests.captioning.api.calls import program_of
from tests.captioning.library.kept import kept_files

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
SECRET = "Our house by the lake"
OF_ROWS = (IntConverter, PathConverter)


@pytest.fixture(autouse=True)
def _tiny_engine(engine_with_tiny_checkpoint):
    """Serve the tiny checkpoint instead of the shipped one."""


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
    """The browser of somebody with a corrected picture."""
    client = visitor() if request.param == "visitor" else account("alice")
    upload(client, coffee_jpeg)
    services.correct(Picture.objects.get(), SECRET)
    return client


def addresses(patterns=None, prefix="", arguments=None):
    """Yield the pattern of every URL of the site, with the converters of its arguments."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        converters = (arguments or {}) | entry.pattern.converters
        if isinstance(entry, URLPattern):
            yield prefix + str(entry.pattern), converters
        else:
            yield from addresses(entry.url_patterns, prefix + str(entry.pattern), converters)


def filled(address, converters, picture):
    """The URL with the picture's key for each number and its name for any other argument."""
    for name, converter in converters.items():
        value = str(picture.pk) if isinstance(converter, OF_ROWS) else "secret.jpg"
        for spelling in (f"<{name}>", f"<int:{name}>", f"<str:{name}>", f"<path:{name}>"):
            address = address.replace(spelling, value)
    # Two addresses of the admin are regular expressions.
    address = re.sub(r"\^\(\?P<app_label>.*\)/\$", "captioning/", address)
    return "/" + address.replace("(?P<url>.*)$", "secret.jpg")


def of_pictures():
    return [
        found
        for found in addresses()
        if any(isinstance(c, IntConverter) for c in found[1].values())
        and not found[0].startswith("admin/")
    ]


def of_the_admin():
    return [found for found in addresses() if found[0].startswith("admin/")]


def test_addresses_finds_the_urls_of_pictures():
    found = {address for address, _ in of_pictures()}
    assert {"pictures/<int:pk>", "pictures/<int:pk>/original", "pictures/<int:pk>/delete"} <= found
    assert {
        "api/v1/captions/<int:pk>",
        "api/v1/captions/<int:pk>/attention/<int:word>.png",
    } <= found
    assert {"admin/captioning/picture/<int:pk>/shown.jpg", "admin/"} <= {
        address for address, _ in of_the_admin()
    }
    picture = Picture(pk=7)
    assert {filled(*found, picture) for found in of_the_admin()} >= {
        "/admin/captioning/picture/7/change/",
        "/admin/captioning/picture/7/thumbnail.jpg",
        "/admin/captioning/",
        "/admin/secret.jpg",
    }


def test_the_owner_reaches_the_picture(owner):
    picture = Picture.objects.get()
    for address in ["", "/original", "/shown.jpg", "/thumbnail.jpg", "/delete"]:
        assert owner.get(f"/pictures/{picture.pk}{address}").status_code == 200
    for address in ["", "/attention/0.png"]:
        assert owner.get(f"/api/v1/captions/{picture.pk}{address}").status_code == 200


@pytest.mark.parametrize("browser", BROWSERS)
def test_others_get_nothing_at_the_urls_of_a_picture(owner, browser):
    picture, other = Picture.objects.get(), BROWSERS[browser]()
    for address, converters in of_pictures():
        for method in METHODS:
            response = other.generic(method, filled(address, converters, picture))
            assert response.status_code in (404, 405), (method, address)
        # Not only 405: at least one method reached the view.
        answers = {
            other.generic(m, filled(address, converters, picture)).status_code for m in METHODS
        }
        assert 404 in answers, address
    assert Picture.objects.get().description == SECRET
    assert len(kept_files()) == 3


@pytest.mark.parametrize("browser", BROWSERS)
def test_no_other_url_reveals_a_picture(owner, browser):
    picture, other = Picture.objects.get(), BROWSERS[browser]()
    for address, converters in addresses():
        for method in ["GET", "POST"]:
            response = other.generic(method, filled(address, converters, picture))
            content = response.getvalue()
            for repeated in (b"/shared/secret.jpg", b"/admin/secret.jpg"):
                content = content.replace(repeated, b"")
            for secret in (SECRET, "secret.jpg", f"pictures/{picture.pk}", picture.sentence):
                assert secret.encode() not in content, address
    assert Picture.objects.get().share_token is None


@pytest.mark.parametrize("browser", BROWSERS)
def test_files_have_no_public_url(owner, browser):
    picture, other = Picture.objects.get(), BROWSERS[browser]()
    for file in picture.files:
        for folder in ("/", "/media/", "/static/", "/static/../media/"):
            assert other.get(folder + file.name).status_code == 404


def staff(*permissions):
    """The browser of a staff member with these permissions."""
    client = Client()
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


@pytest.mark.parametrize("browser", BROWSERS)
def test_the_admin_sends_everybody_but_staff_to_log_in(owner, browser):
    picture = Picture.objects.get()
    for other in (owner, BROWSERS[browser]()):
        for address, converters in of_the_admin():
            path = filled(address, converters, picture)
            for method in METHODS:
                response = other.generic(method, path)
                if path not in ("/admin/login/", "/admin/logout/"):
                    assert response.status_code == 302, (method, path)
                    assert response.headers["Location"].startswith("/admin/login/?next=/admin/")
    assert Picture.objects.get().description == SECRET
    assert len(kept_files()) == 3


def test_staff_without_permissions_reach_no_picture(owner):
    picture, other = Picture.objects.get(), staff()
    for address, converters in of_the_admin():
        path = filled(address, converters, picture)
        for method in METHODS if path != "/admin/logout/" else ["GET"]:
            response = other.generic(method, path)
            assert SECRET.encode() not in response.getvalue(), (method, path)
            if path.startswith("/admin/captioning/picture/"):
                expected = (302, 403) if path.endswith(f"/picture/{picture.pk}/") else (403,)
                assert response.status_code in expected, (method, path)
    assert Picture.objects.get().description == SECRET
    assert len(kept_files()) == 3


def test_staff_who_may_only_see_pictures_cannot_change_them(owner):
    picture, other = Picture.objects.get(), staff("view_picture")
    path = f"/admin/captioning/picture/{picture.pk}/"
    assert SECRET in other.get(f"{path}change/").text
    assert other.get(f"{path}shown.jpg").status_code == 200
    assert other.post(f"{path}change/", {"correction": "Mine"}).status_code == 403
    assert other.post(f"{path}delete/", {"post": "yes"}).status_code == 403
    assert Picture.objects.get().description == SECRET


def test_staff_see_only_their_own_pictures_outside_the_admin(owner):
    picture, other = Picture.objects.get(), staff("view_picture", "change_picture")
    for address, converters in of_pictures():
        assert other.get(filled(address, converters, picture)).status_code in (404, 405), address
