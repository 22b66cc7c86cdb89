"""Every page is accessible in light and dark, and fits windows of every width."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import choose, expect_captions, rows, sign_up, violations

pytestmark = pytest.mark.slow


def start(open_page, photograph):
    return open_page()


def options_open(open_page, photograph):
    page = open_page()
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Creative").check()
    return page


def captioned(open_page, photograph):
    page = open_page()
    choose(page, photograph, {**photograph, "name": "broken.jpg", "buffer": b"broken"})
    expect_captions(page)
    expect(rows(page, "failed")).to_have_count(1)
    page.get_by_text("Word by word").click()
    page.locator(".caption button").nth(1).click()
    return page


def uploading(open_page, photograph):
    page = open_page()
    page.route(page.url, lambda route: None)
    choose(page, photograph)
    expect(rows(page, "uploading")).to_have_count(1)
    return page


def without_our_scripts(open_page):
    """The page with empty scripts. They stay turned on, because axe is a script."""
    page = open_page()
    empty = {"body": "", "content_type": "text/javascript"}
    page.route("**/*.js", lambda route: route.fulfill(**empty))
    page.reload()
    return page


def captioned_without_scripts(open_page, photograph):
    page = without_our_scripts(open_page)
    choose(page, photograph)
    page.get_by_role("button", name="Get a caption").click()
    expect(page.locator(".caption")).to_be_visible()
    return page


def refused_without_scripts(open_page, photograph):
    page = without_our_scripts(open_page)
    choose(page, {**photograph, "buffer": b"no picture"})
    page.get_by_role("button", name="Get a caption").click()
    expect(page.get_by_role("alert")).to_be_visible()
    return page


def model_card(open_page, photograph):
    return open_page("/model")


def kept(open_page, photograph):
    """The page of a kept photograph, with a correction of very long words and a shared link."""
    page = open_page()
    choose(page, photograph)
    expect_captions(page)
    page.get_by_role("link", name="Pictures", exact=True).click()
    page.locator(".gallery a").click()
    page.get_by_label("Your description").fill("A cup of coffee. " + "A-very-long-word-" * 12)
    page.get_by_role("button", name="Save correction").click()
    page.get_by_role("button", name="Create link").click()
    expect(page.get_by_label("Anyone with this link")).to_be_visible()
    return page


def deletion(open_page, photograph):
    page = kept(open_page, photograph)
    page.get_by_role("link", name="Delete this picture").click()
    return page


def shared(open_page, photograph):
    page = kept(open_page, photograph)
    page.get_by_role("link", name="Open the link").click()
    return page


def gallery(open_page, photograph):
    page = kept(open_page, photograph)
    page.get_by_role("link", name="All pictures").click()
    return page


def found(open_page, photograph):
    page = gallery(open_page, photograph)
    page.get_by_label("Search captions and corrections").fill("cups")
    page.keyboard.press("Enter")
    expect(page.locator(".gallery mark")).to_have_text("cup")
    return page


def nothing_found(open_page, photograph):
    return open_page("/pictures?q=" + "zebra" * 30)


def new_account(open_page, photograph):
    return open_page("/account/sign-up")


def refused_account(open_page, photograph):
    page = open_page("/account/sign-up")
    sign_up(page, "1", "2")
    expect(page.get_by_role("alert").first).to_be_visible()
    return page


def log_in(open_page, photograph):
    return open_page("/account/log-in")


def lost_password(open_page, photograph):
    return open_page("/account/password")


PAGES = [
    start,
    options_open,
    uploading,
    captioned,
    captioned_without_scripts,
    refused_without_scripts,
    model_card,
    kept,
    deletion,
    shared,
    gallery,
    found,
    nothing_found,
    new_account,
    refused_account,
    log_in,
    lost_password,
]


def expect_accessible(page):
    for color_scheme in ("light", "dark"):
        page.emulate_media(color_scheme=color_scheme)
        assert violations(page) == []


def expect_fitting(page):
    for width in (320, 360, 640, 768, 1280, 2560):  # 640 is 1280 zoomed to 200 percent
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("page_in_state", PAGES)
def test_axe_finds_no_violation_in_light_and_dark(open_page, photograph, page_in_state):
    expect_accessible(page_in_state(open_page, photograph))


@pytest.mark.parametrize("page_in_state", PAGES)
def test_no_page_is_wider_than_the_window(open_page, photograph, page_in_state):
    expect_fitting(page_in_state(open_page, photograph))


@pytest.mark.parametrize("confidence", [0.8, 0.1])
@pytest.mark.parametrize("page_in_state", [captioned, captioned_without_scripts, kept])
def test_tags_and_confidence_are_accessible_and_fit(
    open_page, photograph, tagging, page_in_state, confidence
):
    tagging(confidence, cup=0.9, spoon=0.8, **{"a-very-long-word-" * 6: 0.7})
    page = page_in_state(open_page, photograph)
    expect(page.get_by_text("Confidence 0.")).to_be_visible()
    expect_accessible(page)
    expect_fitting(page)


def test_the_page_is_dark_if_the_reader_prefers_it(open_page):
    brightness = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"
    light, dark = open_page(color_scheme="light"), open_page(color_scheme="dark")
    assert light.evaluate(brightness) > 200
    assert dark.evaluate(brightness) < 60
    assert dark.screenshot() != light.screenshot()
