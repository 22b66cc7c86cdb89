import base64
import io
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError
from PIL import Image

from pytorch.evaluation.html_report import (
    bullets,
    figure,
    note,
    page,
    picture,
    render,
    side_by_side,
    table,
)
from pytorch.evaluation.line_chart import line_chart

HOSTILE = "<script>alert('1')</script> & \"two\" {{ 1 }} {% raw %} \udcff"
IMAGE = Image.new("RGB", (2, 2))


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cn"])))
def test_text_and_attributes_come_back_as_they_were(value):
    parsed = ElementTree.fromstring(figure(IMAGE, value))
    assert (parsed.find("figcaption").text or "") == value
    assert parsed.find("img").get("alt") == value


def test_nothing_in_a_page_is_markup_that_should_be_text():
    parts = [
        note(HOSTILE),
        table([HOSTILE], [[HOSTILE]]),
        bullets([HOSTILE], class_=HOSTILE),
        figure(IMAGE, HOSTILE),
        # Its title stands in two places; so does the name of a series, with the dot and alone.
        line_chart({HOSTILE: [(1, 2)]}, title=HOSTILE, x_label=HOSTILE),
        HOSTILE,  # text in place of a part
    ]
    written = page(HOSTILE, *parts)
    assert "<script" not in written
    assert '"two"' not in written
    assert written.count("&lt;script&gt;alert(&#39;1&#39;)") == 15
    assert written.count("{{ 1 }} {% raw %} ?") == 15
    written.encode("utf-8")


def test_a_value_that_a_template_needs_must_be_given():
    with pytest.raises(UndefinedError, match="title"):
        render("page.html", parts=[])


def test_a_page_forbids_scripts_and_loads_nothing():
    written = page("Title", note("Hello"))
    assert "default-src 'none'" in written
    assert not re.search(r"<script|<link|@import|url\(|https?:", written)
    assert "prefers-color-scheme: dark" in written


def test_a_table_has_a_header_and_rows():
    parsed = ElementTree.fromstring(table(["a", "b"], [["1", "2"], ["3", "4"]]))
    assert [cell.text for cell in parsed.iter("th")] == ["a", "b"]
    assert [[cell.text for cell in row] for row in parsed.find(".//tbody")] == [
        ["1", "2"],
        ["3", "4"],
    ]


@pytest.mark.parametrize(
    ("size", "shown"), [((300, 150), (100, 50)), ((20, 60), (20, 60))], ids=["large", "small"]
)
def test_a_picture_is_a_small_jpeg_within_the_page(size, shown):
    original = Image.new("RGB", size, "#c03020")
    parsed = ElementTree.fromstring(picture(original, "red", longest=100))
    kind, data = parsed.get("src").split(",")
    assert kind == "data:image/jpeg;base64"
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.size == shown == (int(parsed.get("width")), int(parsed.get("height")))
    assert image.getpixel((5, 5)) == pytest.approx((0xC0, 0x30, 0x20), abs=6)
    assert parsed.get("alt") == "red"
    assert original.size == size


def test_figures_side_by_side_have_captions():
    figures = [figure(Image.new("RGB", (2, 2)), f"epoch {number}") for number in (1, 2)]
    parsed = ElementTree.fromstring(side_by_side(*figures))
    assert [each.text for each in parsed.iter("figcaption")] == ["epoch 1", "epoch 2"]
