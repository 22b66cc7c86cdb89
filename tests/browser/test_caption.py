"""A caption and its words in a real browser."""

import base64
import html
import io
import json
import math

import pytest
from PIL import Image, ImageStat
from playwright.sync_api import expect

from tests.browser.conftest import choose, expect_captions
from tests.photographs import photographs
from tests.tiny import save_tiny_checkpoint

pytestmark = pytest.mark.slow


@pytest.fixture
def photograph():
    """A photograph for which the tiny model has uneven attention and doubtful words."""
    buffer = io.BytesIO()
    photographs()[3].save(buffer, "JPEG")
    return {"name": "rocket.jpg", "mimeType": "image/jpeg", "buffer": buffer.getvalue()}


@pytest.fixture
def captioned(open_page, photograph):
    """The page with a captioned photograph."""
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    choose(page, photograph)
    expect_captions(page)
    return page


def data(page):
    return json.loads(page.locator(".captioned script").text_content())


def word(page, number):
    return page.locator(".caption button").nth(number)


def drawn(page):
    """The opacity of the drawing over the photograph."""
    address = page.locator("canvas.attention").evaluate("canvas => canvas.toDataURL()")
    content = base64.b64decode(address.partition(",")[2])
    return Image.open(io.BytesIO(content)).getchannel("A")


def expect_looked(page, number):
    """Expect a drawing of the word's attention, darkest where the model looked least."""
    expect(page.locator("canvas.attention")).to_be_visible()
    weights = data(page)["words"][number]["attention"]
    places = [(x, y) for y in range(len(weights)) for x in range(len(weights[0]))]
    by_weight = sorted(places, key=lambda place: weights[place[1]][place[0]])
    drawing = drawn(page)
    width, height = drawing.width / len(weights[0]), drawing.height / len(weights)
    centres = [((x + 0.5) * width, (y + 0.5) * height) for x, y in by_weight]
    least, *_, most = map(drawing.getpixel, centres)
    assert least > 150
    assert most < 50


def expect_word_info(page, number):
    info = page.locator("[data-word-info]")
    expect(info).to_contain_text(data(page)["words"][number]["text"])
    expect(info).to_contain_text("%")
    expect(info).to_contain_text("Or: ")
    expect(info).to_contain_text("The model looked")


def test_pointing_at_a_word_shows_where_the_model_looked(captioned):
    expect(captioned.locator("canvas.attention")).to_be_hidden()
    word(captioned, 1).hover()
    expect_looked(captioned, 1)
    expect_word_info(captioned, 1)
    captioned.mouse.move(0, 0)
    expect(captioned.locator("canvas.attention")).to_be_hidden()
    expect(captioned.locator("[data-word-info]")).to_contain_text("Point at a word")


def test_tab_reaches_every_word_and_shows_where_the_model_looked(captioned):
    word(captioned, 0).focus()
    for number in range(len(data(captioned)["words"])):
        expect(word(captioned, number)).to_be_focused()
        expect_looked(captioned, number)
        expect_word_info(captioned, number)
        captioned.keyboard.press("Tab")
    expect(captioned.locator("canvas.attention")).to_be_hidden()


def test_a_click_pins_a_word(captioned):
    word(captioned, 1).click()
    captioned.mouse.move(0, 0)
    expect(word(captioned, 1)).to_have_attribute("aria-pressed", "true")
    expect_looked(captioned, 1)
    captioned.keyboard.press("Escape")
    expect(word(captioned, 1)).to_have_attribute("aria-pressed", "false")
    expect(captioned.locator("canvas.attention")).to_be_hidden()


def test_a_second_click_unpins_the_word(captioned):
    word(captioned, 1).click()
    word(captioned, 1).click()
    expect(captioned.locator("canvas.attention")).to_be_hidden()


def test_a_word_can_be_tapped(open_page, photograph):
    page = open_page(has_touch=True, is_mobile=True)
    choose(page, photograph)
    expect_captions(page)
    word(page, 0).tap()
    expect_looked(page, 0)
    expect_word_info(page, 0)


def test_the_drawing_lies_on_the_photograph(captioned):
    word(captioned, 0).click()
    boxes = [captioned.locator(each).bounding_box() for each in (".frame img", ".frame canvas")]
    assert boxes[0] == boxes[1]
    photograph = captioned.locator(".frame img").evaluate("i => i.naturalWidth / i.naturalHeight")
    drawing = captioned.locator(".frame canvas").evaluate("c => c.width / c.height")
    assert drawing == pytest.approx(photograph, rel=0.01)


def test_doubtful_words_are_marked_and_explained(open_page, photograph, monkeypatch):
    monkeypatch.setattr("captioning.templatetags.captions.DOUBTFUL_BELOW", 0.5)
    page = open_page()
    choose(page, photograph)
    expect_captions(page)
    doubtful = [each["part"].strip() for each in data(page)["words"] if each["probability"] < 0.5]
    assert 0 < len(doubtful) < len(data(page)["words"])
    marked = page.locator(".caption .doubtful")
    expect(marked).to_have_text(doubtful)
    expect(marked.first).to_have_css("text-decoration-style", "wavy")
    expect(marked.first).to_have_accessible_name(f"{doubtful[0]}, doubtful")
    expect(page.get_by_text("probability below 50%")).to_be_visible()


def test_a_caption_without_doubtful_words_may_still_be_wrong(captioned):
    expect(captioned.locator(".doubtful")).to_have_count(0)
    expect(captioned.get_by_text("The caption can still be wrong.")).to_be_visible()


def height(page, text):
    return page.get_by_text(text).bounding_box()["y"]


def announced(page):
    return page.locator("[data-announcements]")


def test_what_else_was_seen_and_the_confidence_stand_below_the_caption(
    open_page, photograph, tagging
):
    tagging(0.823, rocket=0.9, tower=0.7)
    page = open_page()
    choose(page, photograph)
    expect_captions(page)
    sentence = page.locator(".caption").bounding_box()["y"]
    assert sentence < height(page, "Also seen: rocket, tower") < height(page, "Confidence 0.82")
    expect(page.get_by_text("about 82 of 100 captions")).to_be_visible()
    expect(announced(page)).to_have_text(f"rocket.jpg: {data(page)['sentence']}")


def test_of_a_guess_the_tags_stand_above_the_caption(open_page, photograph, tagging):
    tagging(0.118, rocket=0.9, tower=0.7)
    page = open_page()
    choose(page, photograph)
    expect_captions(page)
    sentence = page.locator(".caption").bounding_box()["y"]
    guess = page.locator("[data-guess]").bounding_box()["y"]
    tags = height(page, "Seen: rocket, tower")
    assert guess < tags < sentence < height(page, "Confidence 0.12")
    expect(announced(page)).to_have_text(f"rocket.jpg: Mostly guessing: {data(page)['sentence']}")
    word(page, 0).hover()
    expect_looked(page, 0)


def test_a_checkpoint_without_attention_shows_the_rest(open_page, photograph, settings, tmp_path):
    settings.CAPTIONER_CHECKPOINT = save_tiny_checkpoint(tmp_path / "tiny", "init")
    page = open_page()
    choose(page, photograph)
    expect(page.get_by_text("This model was trained without attention")).to_be_visible()
    word(page, 0).hover()
    expect(page.locator("[data-word-info]")).to_contain_text("Or: ")
    expect(page.locator("canvas.attention")).to_be_hidden()
    expect(page.get_by_role("button", name="Save attention figure")).to_have_count(0)


def clipboard(page):
    return page.evaluate("navigator.clipboard.readText()")


def test_the_caption_can_be_copied(captioned):
    captioned.get_by_role("button", name="Copy caption").click()
    expect(captioned.get_by_text("Caption copied.")).to_be_visible()
    assert clipboard(captioned) == data(captioned)["sentence"]


def test_the_caption_can_be_copied_as_html(open_page, photograph):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    choose(page, {**photograph, "name": 'my "best" <cup> & more.jpg'})
    page.get_by_role("button", name="Copy as HTML").click()
    expect(page.get_by_text("HTML copied.")).to_be_visible()
    name = html.escape('my "best" <cup> & more.jpg', quote=True)
    copied = clipboard(page)
    assert html.unescape(copied) == (
        f'<img src="{html.unescape(name)}" alt="{data(page)["sentence"]}">'
    )
    assert "&quot;best&quot;" in copied
    assert "&amp; more" in copied


def test_a_blocked_clipboard_gets_a_message(open_page, photograph):
    page = open_page(permissions=[])
    choose(page, photograph)
    expect_captions(page)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    page.get_by_role("button", name="Copy caption").click()
    expect(page.get_by_text("Your browser blocked copying.")).to_be_visible()


def test_the_attention_can_be_saved_as_a_figure(captioned):
    with captioned.expect_download() as download:
        captioned.get_by_role("button", name="Save attention figure").click()
    assert download.value.suggested_filename == "rocket-attention.png"
    figure = Image.open(download.value.path()).convert("L")
    photograph, first_word = (figure.crop((x, 72, x + 320, 72 + 214)) for x in (16, 352))
    assert ImageStat.Stat(first_word).mean[0] < 0.9 * ImageStat.Stat(photograph).mean[0]
    lines = math.ceil((1 + len(data(captioned)["words"])) / 4)
    assert figure.size == (1360, 72 + lines * (214 + 36 + 16) + 16)
