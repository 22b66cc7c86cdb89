"""Uploads in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import choose, expect_captions, hand_over, rows

pytestmark = pytest.mark.slow


def broken(photograph):
    return {**photograph, "name": "broken.jpg", "buffer": photograph["buffer"][:9000]}


def hold_uploads(page):
    """Hold all uploads back; return a list of them, to continue later."""
    uploads = []

    def hold(upload):
        uploads.append(upload)

    page.route(page.url, hold)
    return uploads


class TestWithoutScripts:
    @pytest.fixture
    def page(self, open_page):
        return open_page(java_script_enabled=False)

    def test_a_photograph_is_captioned(self, page, photograph):
        page.get_by_label("Photograph", exact=True).set_input_files(photograph)
        page.get_by_role("button", name="Get a caption").click()
        expect(page.locator(".caption")).to_have_text(page.title().split(" · ")[0])
        assert page.locator(".captioned img").evaluate("image => image.naturalWidth") == 600
        page.get_by_text("Word by word").click()
        expect(page.locator(".word-by-word li").first).to_contain_text(
            re.compile(r"\d%.*Or: ", re.DOTALL)
        )

    def test_a_second_photograph_can_follow(self, page, photograph):
        for label in ("Photograph", "Another photograph"):
            page.get_by_label(label, exact=True).set_input_files(photograph)
            page.get_by_label("Keep this picture").uncheck()
            page.get_by_role("button", name="Get a caption").click()
            expect(page.locator(".caption")).to_be_visible()

    def test_a_broken_file_is_refused_beside_the_input(self, page, photograph):
        page.get_by_label("Photograph", exact=True).set_input_files(broken(photograph))
        page.get_by_role("button", name="Get a caption").click()
        expect(page.get_by_role("alert")).to_contain_text("This picture is damaged or cut short")
        field = page.get_by_label("Photograph", exact=True)
        expect(field).to_have_accessible_description(re.compile("damaged or cut short"))

    def test_the_options_are_plain_fields(self, page, photograph):
        page.get_by_text("Options", exact=True).click()
        page.get_by_label("Candidates").fill("1")
        page.get_by_label("Photograph", exact=True).set_input_files(photograph)
        page.get_by_role("button", name="Get a caption").click()
        expect(page.locator(".candidates tr")).to_have_count(1)

    def test_buttons_that_need_scripts_are_not_shown(self, page, photograph):
        page.get_by_label("Photograph", exact=True).set_input_files(photograph)
        page.get_by_role("button", name="Get a caption").click()
        for name in ("Choose photographs", "Take a photograph", "Copy caption"):
            expect(page.get_by_role("button", name=name)).to_have_count(0)
        expect(page.get_by_text("drop or paste them anywhere")).to_be_hidden()


@pytest.mark.parametrize(
    ("keep", "address"), [(True, r"/pictures/\d+/shown\.jpg"), (False, "data:image/jpeg;base64,.+")]
)
def test_the_result_shows_the_stored_copy_or_else_carries_the_photograph(
    open_page, photograph, keep, address
):
    page = open_page()
    page.get_by_label("Keep this picture").set_checked(keep)
    choose(page, photograph)
    expect_captions(page)
    image = page.locator("[data-photograph]")
    expect(image).to_have_attribute("src", re.compile(address))
    assert image.evaluate("image => image.naturalWidth") == 600


def test_a_chosen_photograph_is_captioned_at_once(open_page, photograph):
    page = open_page()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose photographs").click()
    chooser.value.set_files([photograph])
    expect_captions(page)
    expect(rows(page).get_by_role("heading")).to_have_text("coffee.jpg")
    assert rows(page).locator("img").evaluate("image => image.naturalWidth") == 600


def test_photographs_can_be_dropped_anywhere(open_page, photograph):
    page = open_page()
    assert hand_over(page, "drop", photograph, photograph)  # else the browser would open the file
    expect_captions(page, 2)


def test_a_photograph_can_be_pasted(open_page, photograph):
    page = open_page()
    hand_over(page, "paste", photograph)
    expect_captions(page)


def test_a_phone_offers_its_camera(open_page, photograph):
    page = open_page(has_touch=True, is_mobile=True)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Take a photograph").tap()
    assert chooser.value.element.get_attribute("capture") == "environment"
    chooser.value.set_files([photograph])
    expect_captions(page)


def test_a_computer_does_not_offer_a_camera(open_page):
    expect(open_page().get_by_role("button", name="Take a photograph")).to_have_count(0)


def test_each_of_several_files_has_a_row_of_its_own(open_page, photograph):
    page = open_page()
    choose(page, *({**photograph, "name": f"{number}.jpg"} for number in range(4)))
    expect_captions(page, 4)
    expect(rows(page).get_by_role("heading")).to_have_text(["0.jpg", "1.jpg", "2.jpg", "3.jpg"])


def test_the_newest_photographs_come_first(open_page, photograph):
    page = open_page()
    choose(page, photograph)
    choose(page, {**photograph, "name": "later.jpg"})
    expect(rows(page).get_by_role("heading")).to_have_text(["later.jpg", "coffee.jpg"])


def test_a_broken_file_among_others_says_what_is_wrong_with_it(open_page, photograph):
    page = open_page()
    choose(page, photograph, broken(photograph))
    expect_captions(page, 1)
    expect(rows(page, "failed")).to_contain_text("broken.jpg")
    expect(rows(page, "failed")).to_contain_text("This picture is damaged or cut short")


def test_a_row_without_a_result_reserves_no_space_for_one(open_page, photograph):
    page = open_page(viewport={"width": 360, "height": 800})
    choose(page, broken(photograph))
    expect(rows(page, "failed").locator("[data-preview]")).to_be_visible()
    assert rows(page).bounding_box()["height"] < 500
    hold_uploads(page)
    page.get_by_role("button", name="Try again").click()
    assert rows(page).bounding_box()["height"] > 1000
    page.get_by_role("button", name="Cancel").click()
    assert rows(page).bounding_box()["height"] < 500


def test_no_more_than_two_files_upload_at_once(open_page, photograph):
    page = open_page()
    hold_uploads(page)
    choose(page, photograph, photograph, photograph)
    expect(rows(page, "waiting")).to_have_count(1)
    expect(rows(page, "waiting")).to_contain_text("Waiting…")
    rows(page, "uploading").first.get_by_role("button", name="Cancel").click()
    expect(rows(page, "waiting")).to_have_count(0)  # the next one took the place


def test_an_upload_can_be_cancelled_and_tried_again(open_page, photograph):
    page = open_page()
    hold_uploads(page)
    choose(page, photograph)
    page.get_by_role("button", name="Cancel coffee.jpg").click()
    expect(rows(page, "cancelled")).to_contain_text("Cancelled.")
    page.unroute_all()
    page.get_by_role("button", name="Try again coffee.jpg").click()
    expect_captions(page)


def test_an_upload_that_fails_can_be_tried_again(open_page, photograph, live_server):
    page = open_page()
    page.context.set_offline(True)
    choose(page, photograph)
    expect(rows(page, "failed")).to_contain_text("The connection failed")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect_captions(page)


def test_an_unexpected_answer_gets_a_message(open_page, photograph, live_server):
    page = open_page()
    page.route(live_server.url + "/", lambda route: route.fulfill(status=200, body="<html>"))
    choose(page, photograph)
    expect(rows(page, "failed")).to_contain_text("unexpected answer (status 200)")


def test_a_photograph_can_be_captioned_again_with_other_options(open_page, photograph):
    page = open_page()
    choose(page, photograph)
    expect(page.locator(".candidates tr")).to_have_count(2)
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Candidates").fill("1")
    page.get_by_role("button", name="Caption again").click()
    expect(page.locator(".candidates tr")).to_have_count(1)


def test_a_row_can_be_removed(open_page, photograph):
    page = open_page()
    choose(page, photograph)
    page.get_by_role("button", name="Remove coffee.jpg").click()
    expect(rows(page)).to_have_count(0)
    expect(page.get_by_role("button", name="Choose photographs")).to_be_focused()


def test_cancelling_by_keyboard_moves_the_focus_to_try_again(open_page, photograph):
    page = open_page()
    hold_uploads(page)
    choose(page, photograph)
    page.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Try again")).to_be_focused()


def test_the_focus_moves_to_the_heading_when_its_button_disappears(open_page, photograph):
    page = open_page()
    choose(page, photograph)
    page.get_by_role("button", name="Caption again").focus()
    page.keyboard.press("Enter")
    expect(rows(page).get_by_role("heading")).to_be_focused()
    expect_captions(page)


def test_results_are_announced(open_page, photograph):
    page = open_page()
    announced = page.locator("[data-announcements]")
    expect(announced).to_have_role("status")
    choose(page, photograph)
    expect_captions(page)
    expect(announced).to_have_text(f"coffee.jpg: {page.locator('.caption').inner_text()}")
    choose(page, broken(photograph))
    expect(announced).to_contain_text("broken.jpg: This picture is damaged")


def test_the_photograph_is_shown_while_it_uploads(open_page, photograph):
    page = open_page()
    hold_uploads(page)
    choose(page, photograph)
    preview = page.locator("[data-preview]")
    expect(preview).to_be_visible()
    assert preview.evaluate("image => image.naturalWidth") == 600


def test_a_file_that_the_browser_cannot_show_has_no_preview(open_page, photograph):
    page = open_page()
    hold_uploads(page)
    choose(page, {**photograph, "buffer": b"no picture"})
    expect(rows(page, "uploading")).to_be_visible()
    expect(page.locator("[data-preview]")).to_be_hidden()


PLACES = """
() => [...document.querySelectorAll(".row, .row h2, .row img, footer")].map((element) => {
    const { x, y, height } = element.getBoundingClientRect();
    return [element.localName, x, y, height];
})
"""
SHIFTS = """
() => new Promise((resolve) => {
    new PerformanceObserver((list) => resolve(list.getEntries().map(({ value }) => value)))
        .observe({ type: "layout-shift", buffered: true });
    setTimeout(() => resolve([]), 300);
})
"""


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_moves_when_the_page_opens_or_a_result_arrives(open_page, photograph, width):
    page = open_page(viewport={"width": width, "height": 800})
    assert page.evaluate(SHIFTS) == []
    uploads = hold_uploads(page)
    choose(page, photograph, photograph)
    for number in range(2):
        expect(rows(page, "uploading").nth(number).locator("img")).to_be_visible()
    before = page.evaluate(PLACES)
    for upload in uploads:
        upload.continue_()
    expect_captions(page, 2)
    assert page.evaluate(PLACES) == before
