"""The library in a real browser. Its pages work without scripts, so most tests turn them off."""

import re
import zipfile

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from captioning.metadata import description_of
from tests.browser.conftest import sign_up
from tests.captioning.library.kept import keep, visitor

pytestmark = pytest.mark.slow


@pytest.fixture
def open_kept(open_page, photograph):
    """Keep a photograph and open its page."""

    def open_kept(**options):
        page = open_page(**{"java_script_enabled": False} | options)
        page.locator("input[type=file]").set_input_files(photograph)
        page.get_by_role("button", name="Get a caption").click()
        expect(page).to_have_url(re.compile(r"/pictures/\d+$"))
        return page

    return open_kept


def correct(page, correction):
    page.get_by_label("Your description").fill(correction)
    page.get_by_role("button", name="Save correction").click()
    expect(page.get_by_role("status")).to_have_text("Correction saved.")


def shown_width(image):
    expect(image).to_be_visible()
    return image.evaluate("image => image.naturalWidth")


def test_a_kept_photograph_has_a_page(open_kept):
    page = open_kept()
    assert shown_width(page.locator("main img").first) == 600
    expect(page.locator(".caption")).to_have_text(page.title().split(" · ")[0])


def test_a_correction_replaces_the_caption_until_it_is_removed(open_kept):
    page = open_kept()
    said = page.locator(".caption").text_content()
    correct(page, "A cup of coffee on a table.")
    expect(page.get_by_role("heading", level=1)).to_have_text("A cup of coffee on a table.")
    expect(page.locator(".caption")).to_have_text(said)
    page.get_by_label("Your description").fill("")
    page.get_by_role("button", name="Save correction").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(said)


def test_a_search_finds_other_forms_of_the_words(open_kept):
    page = open_kept()
    correct(page, "A cup of coffee on a table.")
    page.get_by_role("link", name="Pictures", exact=True).click()
    page.get_by_label("Search captions and corrections").fill("cups on the tables")
    page.keyboard.press("Enter")
    expect(page.locator(".gallery mark")).to_have_text(["cup", "table"])
    assert shown_width(page.locator(".gallery img")) == 480
    page.get_by_label("Search captions and corrections").fill("zebra")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("status")).to_contain_text("No pictures found for “zebra”")


def test_a_search_finds_what_the_caption_does_not_say(open_kept, tagging):
    tagging(0.8, banana=0.9, spoon=0.8)
    page = open_kept()
    expect(page.get_by_text("Also seen: banana, spoon")).to_be_visible()
    page.get_by_role("link", name="Pictures", exact=True).click()
    page.get_by_label("Search captions and corrections").fill("bananas")
    page.keyboard.press("Enter")
    expect(page.locator(".gallery .note")).to_have_text("Also seen: banana")
    expect(page.locator(".gallery mark")).to_have_text(["banana"])


def test_a_picture_is_deleted_after_confirmation(open_kept):
    page = open_kept()
    page.get_by_role("link", name="Delete this picture").click()
    page.get_by_role("link", name="Keep it").click()
    page.get_by_role("link", name="Delete this picture").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status")).to_have_text("Picture deleted.")
    expect(page.locator(".gallery")).to_have_count(0)


def test_a_shared_link_works_for_anyone_until_it_is_revoked(open_kept, open_page):
    page = open_kept()
    page.get_by_role("button", name="Create link").click()
    link = page.get_by_label("Anyone with this link").input_value()
    other = open_page()
    other.goto(link)
    assert shown_width(other.locator("figure img")) == 600
    expect(other.get_by_role("heading", level=1)).to_have_text(page.title().split(" · ")[0])
    page.get_by_role("button", name="Revoke link").click()
    expect(page.get_by_role("status")).to_contain_text("Link revoked.")
    assert page.request.get(link).status == 404


def test_pictures_move_to_a_new_account(open_kept):
    page = open_kept()
    page.get_by_role("link", name="Sign up").click()
    sign_up(page)
    expect(page.locator(".gallery li")).to_have_count(1)
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("link", name="Pictures", exact=True).click()
    expect(page.locator(".gallery")).to_have_count(0)


def test_the_pictures_found_can_be_downloaded(open_kept):
    page = open_kept()
    correct(page, "A cup of coffee on a table.")
    page.get_by_role("link", name="Pictures", exact=True).click()
    page.get_by_label("Search captions and corrections").fill("cup")
    page.get_by_role("button", name="Search").click()
    with page.expect_download() as download:
        page.get_by_role("region", name="Download").get_by_role("link", name="Pictures").click()
    assert download.value.suggested_filename == "pictures.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        described = archive.read("coffee.jpg")
    assert description_of(described, "JPEG") == "A cup of coffee on a table."


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_the_admin_works_under_the_content_security_policy(open_page, coffee_jpeg, color_scheme):
    page = open_page("/admin/captioning/picture/", color_scheme=color_scheme)
    keep(visitor(), coffee_jpeg)
    User.objects.create_superuser("root", password="correct horse battery")
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in").click()
    assert shown_width(page.locator(".field-thumbnail_image img")) == 480
    page.locator(".field-thumbnail_image a").first.click()
    assert shown_width(page.locator(".field-shown_image img")) == 600
    page.get_by_label("Correction").fill("A cup of coffee.")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("was changed successfully")
    expect(page.locator("#result_list")).to_contain_text("A cup of coffee.")
