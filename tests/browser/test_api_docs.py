"""The API documentation in a real browser."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from captioning.library.owners import owner_of_account
from captioning.models import Picture
from tests.browser.conftest import violations
from tests.captioning.library.kept import keep

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

DOCS = "/api/v1/docs"


def operation(page, name):
    return page.locator(f"#operations-captions-{name}")


def try_out(page, name):
    operation(page, name).locator(".opblock-summary").click()
    operation(page, name).get_by_role("button", name="Try it out").click()


def execute(page, name):
    operation(page, name).get_by_role("button", name="Execute").click()
    return operation(page, name).locator(".live-responses-table .response .response-col_status")


def test_every_operation_is_shown_without_requests_to_other_hosts(open_page):
    page = open_page(DOCS)  # a request that the content security policy blocks would fail the test
    expect(page.locator(".opblock")).to_have_count(7)
    expect(page.get_by_role("heading", name="Image Captioner")).to_be_visible()


def test_a_visitor_captions_a_photograph_on_the_page(open_page, coffee_jpeg):
    page = open_page(DOCS)
    try_out(page, "make_captions")
    body = operation(page, "make_captions")
    for name, example in (("beam_size", "5"), ("candidates", "3"), ("seed", "0")):
        field = body.locator(f"tr[data-property-name={name}] input[type=text]")
        expect(field).to_have_value(example)
    body.locator("input[type=file]").set_input_files(
        [{"name": "coffee.jpg", "mimeType": "image/jpeg", "buffer": coffee_jpeg}]
    )
    expect(execute(page, "make_captions")).to_have_text("200")
    expect(body.locator(".live-responses-table")).to_contain_text('"sentence"')


def test_a_browser_that_is_logged_in_acts_for_its_account(open_page, coffee_jpeg):
    alice = User.objects.create_user("alice", password="correct horse battery")
    picture = keep(owner_of_account(alice), coffee_jpeg)
    page = open_page("/account/log-in?next=" + DOCS)
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in").click()
    try_out(page, "delete_caption")
    operation(page, "delete_caption").get_by_placeholder("pk").fill(str(picture.pk))
    expect(execute(page, "delete_caption")).to_have_text("204")
    assert not Picture.objects.exists()


def test_axe_finds_no_violation(open_page):
    page = open_page(DOCS)
    expect(page.locator(".opblock")).to_have_count(7)
    assert violations(page) == []
