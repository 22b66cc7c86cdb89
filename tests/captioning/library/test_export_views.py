"""Downloads, as a visitor's browser asks for them."""

import csv
import io
import json
import zipfile

import pytest
from django.test import Client
from PIL import Image

from captioning.library import services, views
from captioning.library.export_views import EXPORTS
from captioning.metadata import description_of
from tests.captioning.library.kept import client_of, copies, keep, visitor
from tests.captioning.pictures import encoded

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_a_download_that_no_cache_keeps(client, name):
    response = client.get(f"/export/{name}")
    assert response.status_code == 200
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response.headers["Content-Type"] == EXPORTS[name][0]
    assert "no-store" in response.headers["Cache-Control"]
    assert response.getvalue()


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_refuses_post(client, name):
    assert client.post(f"/export/{name}").status_code == 405


def test_an_export_has_what_is_found_on_all_pages(client, picture):
    services.correct(picture, "A cup of coffee.")
    copies(picture, 2 * views.PICTURES_PER_PAGE)
    found = json.loads(client.get("/export/pictures.json", {"q": "cups", "page": 3}).getvalue())
    assert [row["description"] for row in found] == ["A cup of coffee."]
    rows = client.get("/export/pictures.csv").getvalue().decode("utf-8-sig")
    assert len(list(csv.DictReader(io.StringIO(rows, newline="")))) == 49


def test_the_pictures_come_with_their_descriptions(client, picture):
    content = client.get("/export/pictures.zip").getvalue()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert description_of(archive.read("coffee.jpg"), "JPEG") == picture.sentence


def test_the_training_set_has_only_corrected_pictures(client, picture, coffee):
    keep(picture.owner, encoded(coffee.rotate(90), "PNG"))
    services.correct(picture, "A cup of coffee.")
    content = client.get("/export/training-set.zip").getvalue()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert sorted(archive.namelist()) == [f"Images/{picture.pixel_hash}.jpg", "captions.csv"]


def test_the_gallery_links_to_exports_of_what_it_shows(client, picture):
    html = client.get("/pictures").text
    assert "training-set.zip" not in html
    services.correct(picture, "A cup of coffee.")
    html = client.get("/pictures", {"q": "cup", "page": 1}).text
    for name in EXPORTS:
        assert f'href="/export/{name}?q=cup"' in html


@pytest.mark.parametrize("name", EXPORTS)
def test_nobody_else_can_export_the_pictures(picture, name):
    services.correct(picture, "A cup of coffee.")
    others = keep(visitor(), encoded(Image.new("RGB", (8, 8)), "PNG"), "nothing.png")
    content = client_of(others.owner).get(f"/export/{name}").getvalue()
    empty = Client().get(f"/export/{name}").getvalue()
    for secret in (b"coffee", picture.pixel_hash.encode()):
        assert secret not in content + empty
