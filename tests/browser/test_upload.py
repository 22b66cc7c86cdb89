"""The upload page in a real browser."""

import base64
import re

import pytest
from playwright.sync_api import expect

DROP = """
(base64) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], "coffee.jpg", { type: "image/jpeg" }));
    return ["dragover", "drop"].map((kind) => !document.body.dispatchEvent(
        new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer })));
}
"""


def choose(page, file):
    page.get_by_label("Photograph", exact=True).set_input_files(file)


def expect_caption(page):
    expect(page.locator("figcaption .caption")).to_have_text(page.title().split(" · ")[0])
    shown = page.locator("figure img")
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.naturalWidth") == 600


@pytest.mark.parametrize("java_script", [False, True], ids=["without scripts", "with scripts"])
def test_a_photograph_is_captioned(open_page, photograph, java_script):
    page = open_page(java_script_enabled=java_script)
    choose(page, photograph)
    page.get_by_role("button", name="Write a caption").click()
    expect_caption(page)


@pytest.mark.parametrize("java_script", [False, True], ids=["without scripts", "with scripts"])
def test_a_broken_file_is_refused_beside_the_input(open_page, photograph, java_script):
    page = open_page(java_script_enabled=java_script)
    choose(page, {**photograph, "buffer": photograph["buffer"][:9000]})
    page.get_by_role("button", name="Write a caption").click()
    expect(page.get_by_role("alert")).to_contain_text("This picture is damaged or cut short")
    described = page.get_by_label("Photograph", exact=True)
    expect(described).to_have_accessible_description(re.compile("damaged or cut short"))


def test_a_second_photograph_can_follow(open_page, photograph):
    page = open_page()
    page.get_by_label("Keep this picture").uncheck()
    choose(page, photograph)
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Write a caption").click()
    page.get_by_label("Another photograph").set_input_files(photograph)
    page.get_by_role("button", name="Write a caption").click()
    expect_caption(page)


def test_a_chosen_photograph_is_previewed_at_once(open_page, photograph):
    page = open_page()
    preview = page.get_by_alt_text("The chosen photograph")
    expect(preview).to_be_hidden()
    choose(page, photograph)
    expect(preview).to_be_visible()
    assert preview.evaluate("image => image.naturalWidth") == 600


def test_what_the_browser_cannot_show_has_no_preview(open_page, photograph):
    page = open_page()
    choose(page, photograph)
    expect(page.get_by_alt_text("The chosen photograph")).to_be_visible()
    choose(page, {**photograph, "buffer": b"no picture"})
    expect(page.get_by_alt_text("The chosen photograph")).to_be_hidden()


def test_a_photograph_can_be_dropped_anywhere(open_page, coffee_jpeg):
    page = open_page()
    expect(page.get_by_text("You can also drop it anywhere on this page.")).to_be_visible()
    prevented = page.evaluate(DROP, base64.b64encode(coffee_jpeg).decode())
    assert prevented == [True, True]  # else the browser would leave the page for the file
    expect(page.get_by_alt_text("The chosen photograph")).to_be_visible()
    expect(page.get_by_role("button", name="Write a caption")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).not_to_have_title("A sentence for your photograph · Image Captioner")
    expect_caption(page)


def test_dropping_is_not_offered_without_scripts(open_page):
    page = open_page(java_script_enabled=False)
    expect(page.get_by_text("You can also drop it")).to_be_hidden()


def test_while_the_photograph_is_on_its_way_the_page_is_busy(open_page, photograph):
    page = open_page()
    choose(page, photograph)
    # The answer never comes, so that the state before it can be looked at.
    page.evaluate("addEventListener('submit', (event) => event.preventDefault())")
    page.get_by_role("button", name="Write a caption").click()
    expect(page.get_by_role("button", name="Looking at it …")).to_be_disabled()
    expect(page.get_by_text("The photograph is being captioned.")).to_be_attached()
    # What happens when the reader comes back to a page that the browser kept as it was.
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(page.get_by_role("button", name="Write a caption")).to_be_enabled()


@pytest.mark.parametrize("width", [360, 1280, 2560])
def test_nothing_is_wider_than_the_window(open_page, photograph, width):
    page = open_page(viewport={"width": width, "height": 740})
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.locator("input[type=file]").set_input_files(photograph)
        page.get_by_label("Keep this picture").uncheck()
        page.get_by_role("button", name="Write a caption").click()
        expect_caption(page)


def test_the_page_is_dark_where_the_reader_likes_it_dark(open_page):
    brightness = "Number(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])"
    light, dark = open_page(color_scheme="light"), open_page(color_scheme="dark")
    assert light.evaluate(brightness) > 200
    assert dark.evaluate(brightness) < 60
    assert dark.screenshot() != light.screenshot()
