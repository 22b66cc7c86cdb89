"""The admin in a real browser."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.browser.conftest import violations
from tests.captioning.library.kept import keep, visitor

pytestmark = pytest.mark.slow


def test_axe_finds_no_violation(open_page, coffee_jpeg):
    # The policy would stop axe from styling what it measures, and the browser would complain.
    page = open_page("/admin/captioning/picture/", bypass_csp=True)
    keep(visitor(), coffee_jpeg)
    User.objects.create_superuser("root", password="correct horse battery")
    assert violations(page) == []
    page.get_by_label("Username").fill("root")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#result_list")).to_be_visible()
    assert violations(page) == []
    page.locator(".field-thumbnail_image a").first.click()
    expect(page.locator(".field-shown_image img")).to_be_visible()
    assert violations(page) == []
