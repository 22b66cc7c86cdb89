"""The views of the library, as a visitor's browser asks them."""

import re

import pytest
from django.test import Client
from django.utils.html import escape

from captioning.library import services, views
from captioning.models import Owner, Picture
from tests.captioning.library.kept import (
    client_of,
    copies,
    keep,
    kept_files,
    visitor,
    without_files,
)
from tests.captioning.pictures import decoded, encoded

pytestmark = pytest.mark.django_db


def url(picture, action=""):
    return f"/pictures/{picture.pk}{action}"


def shown_text(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_the_gallery_shows_the_pictures_with_their_descriptions(client, picture):
    html = client.get("/pictures").text
    assert f'<a href="{url(picture)}">' in html
    assert picture.description in html


def test_thumbnails_are_lazy_and_sized(client, picture):
    [image] = re.findall("<img[^>]+>", client.get("/pictures").text)
    assert f'src="{url(picture)}/thumbnail.jpg" width="600" height="400"' in image
    assert 'loading="lazy"' in image


def test_the_newest_pictures_come_on_the_first_page(client, picture):
    copies(picture, 2 * views.PICTURES_PER_PAGE)
    first, second, third = (client.get("/pictures", {"page": page}).text for page in (1, 2, 3))
    assert first.count("<li>") == second.count("<li>") == views.PICTURES_PER_PAGE
    assert url(picture) not in first
    assert f'<a href="{url(picture)}">' in third
    assert 'rel="next" href="?page=2"' in first
    assert 'rel="prev" href="?page=1"' in second


@pytest.mark.parametrize("address", ["/pictures", "/pictures?q=copy"])
def test_more_pictures_take_no_more_queries(client, picture, count_queries, address):
    copies(picture, 1)
    before = count_queries(client, address)
    copies(picture, 10)
    assert count_queries(client, address) == before


@pytest.mark.parametrize("page", ["0", "99", "x", "-1"])
def test_an_invalid_page_number_shows_an_existing_page(client, page):
    assert client.get("/pictures", {"page": page}).status_code == 200


def test_a_search_shows_what_it_finds_with_the_matches_marked(client, picture, coffee):
    services.correct(picture, "A cup of <b>coffee</b>.")
    other = keep(picture.owner, encoded(coffee, "PNG"))
    html = client.get("/pictures", {"q": "cups"}).text
    assert "A <mark>cup</mark> of &lt;b&gt;coffee&lt;/b&gt;." in html
    assert url(other) not in html


def test_pages_of_a_search_keep_the_query(client, picture):
    copies(picture, views.PICTURES_PER_PAGE + 1)
    assert 'href="?q=copy&amp;page=2"' in client.get("/pictures", {"q": "copy"}).text


def test_a_search_that_finds_nothing_says_so_and_escapes_the_query(client):
    html = client.get("/pictures", {"q": "<zebra>"}).text
    assert "No pictures found for “&lt;zebra&gt;”." in html


def test_an_empty_library_says_what_it_is_for():
    assert "The pictures you caption are kept here" in Client().get("/pictures").text


def test_a_picture_has_its_page(client, picture):
    response = client.get(url(picture))
    assert response.status_code == 200
    assert f"<title>{picture.sentence} · Image Captioner</title>" in response.text
    assert f'src="{url(picture)}/shown.jpg"' in response.text
    assert "Written by tiny" in response.text


def test_a_picture_keeps_its_tags_and_confidence(coffee_jpeg, tagging):
    tagging(0.8, cup=0.9)
    picture = keep(visitor(), coffee_jpeg)
    html = client_of(picture.owner).get(url(picture)).text
    assert "Also seen: cup" in html
    assert "Confidence 0.80" in html


def test_a_caption_of_before_there_were_tags_is_shown(client, picture):
    stored = picture.caption
    del stored.data["tags"], stored.data["confidence"]
    stored.save()
    html = client.get(url(picture)).text
    assert escape(picture.sentence) in html
    assert "Confidence" not in html


def test_a_search_says_which_tags_it_found(client, picture):
    without_files(picture.owner, "A bowl.", tags="banana spoon", thumbnail="x.jpg")
    html = client.get("/pictures", {"q": "bananas"}).text
    assert "Also seen: <mark>banana</mark></p>" in html
    assert "spoon" not in html


def test_pages_of_the_library_are_not_left_in_caches(client, picture):
    for address in ["/pictures", url(picture), url(picture, "/delete")]:
        assert "no-store" in client.get(address).headers["Cache-Control"]


def test_a_correction_is_kept_and_shown_beside_the_caption(client, picture):
    response = client.post(
        url(picture, "/correct"), {"correction": "<i>Coffee</i> & cake"}, follow=True
    )
    assert response.redirect_chain == [(url(picture), 302)]
    assert "<h1>&lt;i&gt;Coffee&lt;/i&gt; &amp; cake</h1>" in response.text
    assert "Correction saved." in response.text
    assert escape(picture.sentence) in response.text
    picture.refresh_from_db()
    assert picture.description == "<i>Coffee</i> & cake"


def test_an_empty_correction_brings_the_models_caption_back(client, picture):
    services.correct(picture, "Coffee")
    response = client.post(url(picture, "/correct"), {"correction": ""}, follow=True)
    assert "caption is back" in response.text
    picture.refresh_from_db()
    assert picture.correction == ""


def test_a_correction_that_is_too_long_is_refused_with_a_message(client, picture):
    response = client.post(url(picture, "/correct"), {"correction": "x" * 1001})
    assert response.status_code == 400
    assert "at most 1000 characters" in response.text
    assert 'aria-invalid="true"' in response.text


def test_deleting_asks_first_and_then_leaves_nothing(
    client, picture, django_capture_on_commit_callbacks
):
    page = client.get(url(picture, "/delete")).text
    assert "Delete this picture?" in page
    assert Picture.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(url(picture, "/delete"), follow=True)
    assert response.redirect_chain == [("/pictures", 302)]
    assert "Picture deleted." in response.text
    assert not Picture.objects.exists()
    assert kept_files() == []


def shared_address(html):
    return re.search(r'value="http://testserver(/shared/[\w-]+)"', html)[1]


def test_a_shared_picture_is_seen_by_anyone_who_has_the_link(client, picture, coffee):
    address = shared_address(client.post(url(picture, "/share"), follow=True).text)
    response = Client().get(address)
    assert response.status_code == 200
    assert picture.description in response.text
    assert response.headers["X-Robots-Tag"] == "noindex"
    file = Client().get(f"{address}/shown.jpg")
    assert decoded(file.getvalue()).size == coffee.size


def test_a_shared_picture_tells_nothing_of_its_owner(client, picture):
    services.correct(picture, "Coffee")
    address = shared_address(client.post(url(picture, "/share"), follow=True).text)
    page, file = Client().get(address), Client().get(f"{address}/shown.jpg")
    told = page.text + str(page.headers) + str(file.headers)
    assert "coffee.jpg" not in told
    assert f"/pictures/{picture.pk}" not in told
    assert picture.sentence not in told
    assert str(picture.owner.visitor) not in told


def test_a_revoked_link_leads_nowhere(client, picture):
    address = shared_address(client.post(url(picture, "/share"), follow=True).text)
    response = client.post(url(picture, "/revoke"), follow=True)
    assert "Link revoked." in response.text
    for path in [address, f"{address}/shown.jpg"]:
        assert Client().get(path).status_code == 404


def test_a_picture_without_a_link_is_not_shared():
    assert Client().get("/shared/None").status_code == 404


def test_the_owner_can_download_the_original(client, picture, coffee_jpeg):
    response = client.get(url(picture, "/original"))
    assert response.getvalue() == coffee_jpeg
    assert response.headers["Content-Type"] == "image/jpeg"
    assert response.headers["Content-Disposition"] == 'inline; filename="coffee.jpg"'


@pytest.mark.parametrize("kind", ["original", "shown.jpg", "thumbnail.jpg"])
def test_only_the_owners_browser_caches_files_and_it_revalidates_them(client, picture, kind):
    address = url(picture, f"/{kind}")
    response = client.get(address)
    assert response.getvalue()
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert set(response.headers["Cache-Control"].split(", ")) == {"private", "no-cache"}
    assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    again = client.get(address, headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    services.delete(picture)
    gone = client.get(address, headers={"If-None-Match": response.headers["ETag"]})
    assert gone.status_code == 404


@pytest.mark.parametrize("file_format", ["TIFF", "BMP"])
def test_formats_that_browsers_may_not_show_are_downloaded(coffee, file_format):
    picture = keep(visitor(), encoded(coffee, file_format), "coffee")
    client = client_of(picture.owner)
    headers = client.get(url(picture, "/original")).headers
    assert headers["Content-Disposition"].startswith("attachment")
    assert client.get(url(picture, "/shown.jpg")).headers["Content-Type"] == "image/jpeg"


def test_the_content_and_not_the_name_determines_the_media_type(coffee):
    picture = keep(visitor(), encoded(coffee, "PNG"), 'x".html')
    headers = client_of(picture.owner).get(url(picture, "/original")).headers
    assert headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("action", ["/correct", "/share", "/revoke"])
def test_links_change_nothing(client, picture, action):
    assert client.get(url(picture, action)).status_code == 405


@pytest.mark.parametrize("action", ["/correct", "/share", "/revoke", "/delete"])
def test_forms_on_other_sites_change_nothing(picture, action):
    client = client_of(picture.owner)
    client.handler.enforce_csrf_checks = True
    assert client.post(url(picture, action)).status_code == 403
    assert Owner.objects.get() == picture.owner
    assert Picture.objects.filter(share_token=None).exists()
