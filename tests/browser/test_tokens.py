"""The page of an account's tokens in a real browser."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.browser.conftest import violations

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def page(open_page):
    """The page with a token that was just created."""
    User.objects.create_user("alice", password="correct horse battery")
    page = open_page("/account/log-in?next=/account/tokens")
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Name").fill("a backup script with a long name")
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_label("Copy it now")).to_be_visible()
    return page


def test_axe_finds_no_violation_in_light_and_dark(page):
    for color_scheme in ("light", "dark"):
        page.emulate_media(color_scheme=color_scheme)
        assert violations(page) == []


def test_the_page_is_not_wider_than_the_window(page):
    for width in (320, 640, 1280):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_click_revokes_a_token(page):
    page.get_by_role("button", name="Revoke a backup script with a long name").click()
    expect(page.get_by_text("You have no tokens yet.")).to_be_visible()
