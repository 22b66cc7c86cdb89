"""The admin, as somebody who may do everything there uses it."""

import pytest

from captioning.library import services
from captioning.models import Checkpoint, Owner, Picture, StoredCaption
from tests.captioning.library.kept import keep, kept_files, visitor, without_files
from tests.captioning.pictures import decoded, encoded

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PICTURES = "/admin/captioning/picture/"


@pytest.fixture
def picture(coffee_jpeg):
    return keep(visitor(), coffee_jpeg, "coffee.jpg")


@pytest.fixture
def corrected(picture, coffee):
    """Another picture, corrected."""
    other = keep(picture.owner, encoded(coffee.rotate(90), "PNG"), "other.png")
    services.correct(other, "Cups on <b>tables</b>.")
    return other


def test_pictures_are_listed_with_thumbnails(admin_client, picture, corrected):
    html = admin_client.get(PICTURES).text
    for each in (picture, corrected):
        assert f'<img src="{PICTURES}{each.pk}/thumbnail.jpg" width="120"' in html
    assert "Cups on &lt;b&gt;tables&lt;/b&gt;." in html
    assert picture.sentence in html


@pytest.mark.parametrize("model", ["picture", "owner", "checkpoint"])
def test_more_rows_take_no_more_queries(admin_client, picture, count_queries, model):
    def add_rows(number):
        for _ in range(number):
            row = without_files(visitor(), "A copy.")
            checkpoint = Checkpoint.objects.create(name="other", hash=row.pixel_hash)
            row.captions.create(checkpoint=checkpoint, settings={}, data={}, asked=row.created)

    address = f"/admin/captioning/{model}/"
    add_rows(1)
    before = count_queries(admin_client, address)
    add_rows(10)
    assert count_queries(admin_client, address) == before


@pytest.mark.parametrize(("kind", "side"), [("thumbnail", 480), ("shown", 600)])
def test_files_of_a_picture_are_sent(admin_client, picture, kind, side):
    response = admin_client.get(f"{PICTURES}{picture.pk}/{kind}.jpg")
    assert decoded(response.getvalue()).width == side
    assert "private" in response.headers["Cache-Control"]
    assert admin_client.get(f"{PICTURES}{picture.pk + 1}/{kind}.jpg").status_code == 404


def test_the_search_is_that_of_the_gallery(admin_client, picture, corrected):
    html = admin_client.get(PICTURES, {"q": "cup on the table"}).text
    assert f"{PICTURES}{corrected.pk}/change/" in html
    assert f"{PICTURES}{picture.pk}/change/" not in html


@pytest.mark.parametrize("is_empty", [0, 1])
def test_corrections_can_be_filtered(admin_client, picture, corrected, is_empty):
    html = admin_client.get(PICTURES, {"correction__isempty": is_empty}).text
    assert (f"{PICTURES}{corrected.pk}/change/" in html) == (not is_empty)
    assert (f"{PICTURES}{picture.pk}/change/" in html) == bool(is_empty)


def test_the_correction_and_nothing_else_can_be_changed(admin_client, picture):
    address = f"{PICTURES}{picture.pk}/change/"
    fields = {"correction": "A cup\nof coffee.", "sentence": "Mine", "owner": "7", "name": "x"}
    assert admin_client.post(address, fields).status_code == 302
    changed = Picture.objects.get()
    assert (changed.correction, changed.description) == ("A cup of coffee.", "A cup of coffee.")
    assert changed.corrected is not None
    assert (changed.sentence, changed.name) == (picture.sentence, "coffee.jpg")
    assert changed.owner == picture.owner
    admin_client.post(address, {"correction": ""})
    assert Picture.objects.get().corrected is None


@pytest.mark.parametrize("in_list", [True, False])
def test_a_deleted_picture_takes_its_files_along(
    admin_client, picture, in_list, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        if in_list:
            action = {"action": "delete_selected", "_selected_action": picture.pk, "post": "yes"}
            admin_client.post(PICTURES, action)
        else:
            admin_client.post(f"{PICTURES}{picture.pk}/delete/", {"post": "yes"})
    assert not Picture.objects.exists()
    assert kept_files() == []


def test_a_deleted_owner_takes_the_pictures_along(
    admin_client, picture, django_capture_on_commit_callbacks
):
    html = admin_client.get("/admin/captioning/owner/").text
    assert f"visitor {picture.owner.visitor}" in html
    with django_capture_on_commit_callbacks(execute=True):
        address = f"/admin/captioning/owner/{picture.owner.pk}/delete/"
        assert admin_client.post(address, {"post": "yes"}).status_code == 302
    assert not Owner.objects.exists()
    assert kept_files() == []


def test_checkpoints_are_counted_and_stay(admin_client, picture, corrected):
    checkpoint = Checkpoint.objects.get()
    html = admin_client.get("/admin/captioning/checkpoint/").text
    assert checkpoint.hash[:12] in html
    assert '<td class="field-caption_count">2</td>' in html
    address = f"/admin/captioning/checkpoint/{checkpoint.pk}/"
    assert checkpoint.hash in admin_client.get(f"{address}change/").text
    assert admin_client.post(f"{address}change/", {"name": "x"}).status_code == 403
    assert admin_client.post(f"{address}delete/", {"post": "yes"}).status_code == 403
    assert StoredCaption.objects.count() == 2


@pytest.mark.parametrize("model", ["picture", "owner", "checkpoint"])
def test_nothing_is_added_by_hand(admin_client, model):
    assert admin_client.get(f"/admin/captioning/{model}/add/").status_code == 403
