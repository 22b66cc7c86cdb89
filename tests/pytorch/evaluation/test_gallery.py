from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pytorch.evaluation.gallery import (
    GROUP_SIZE,
    Entry,
    attention_overlay,
    card,
    extremes,
    gallery_page,
)
from pytorch.evaluation.score_report import ScoreReport
from pytorch.model.captioner import CaptionWord

WHITE = Image.new("RGB", (80, 40), "white")
REPORT = ScoreReport({"BLEU-4": 0.25, "ROUGE-L": 0.125}, {"ROUGE-L": "A variant.", "SPICE": "Out."})


def word(text, probability, attention=None):
    return CaptionWord(text, probability, runners_up=(), attention=attention)


def entry(*words, sentence="A <dog> runs."):
    return Entry(WHITE, "dog.jpg", sentence, ("A dog & a ball", "dogs"), 1.234, words)


def texts(parsed):
    return " ".join("".join(parsed.itertext()).split())


def test_extremes_of_many_scores():
    scores = [float(number) for number in range(100)]
    groups = extremes(scores)
    assert groups == {
        "Best": [99, 98, 97, 96, 95],
        "Median": [52, 51, 50, 49, 48],
        "Worst": [4, 3, 2, 1, 0],
    }


@given(st.lists(st.floats(0, 10), min_size=1, max_size=40))
def test_extremes_are_the_extremes(scores):
    groups = extremes(scores)
    size = max(1, min(GROUP_SIZE, len(scores) // 3))
    assert [len(places) for places in groups.values()] == [size] * 3
    ordered = sorted(scores, reverse=True)
    assert [scores[place] for place in groups["Best"]] == ordered[:size]
    assert [scores[place] for place in groups["Worst"]] == ordered[-size:]
    if len(scores) >= 3:
        assert len({place for places in groups.values() for place in places}) == 3 * size


def test_a_photograph_is_bright_where_the_attention_is():
    overlay = attention_overlay(WHITE, [[0.0, 0.0], [0.2, 0.8]])
    assert overlay.size == WHITE.size
    brightness = [overlay.getpixel(place)[0] for place in [(75, 37), (5, 37), (5, 3)]]
    assert brightness == sorted(brightness, reverse=True)
    assert brightness[0] == 255
    assert brightness[2] == pytest.approx(0.2 * 255, abs=3)


def test_even_attention_leaves_the_photograph_bright():
    assert attention_overlay(WHITE, [[0.25, 0.25], [0.25, 0.25]]).getcolors() == [
        (80 * 40, (255, 255, 255))
    ]


def test_attention_of_nothing_but_zeros_is_dark():
    assert max(attention_overlay(WHITE, [[0.0, 0.0]]).getpixel((40, 20))) < 60


def test_an_overlay_is_small_and_does_not_change_the_image():
    large = Image.new("RGB", (900, 300))
    assert attention_overlay(large, [[1.0]], longest=90).size == (90, 30)
    assert large.size == (900, 300)


def test_a_card_shows_everything_about_an_image():
    words = [word("dog", 0.834, ((0.1, 0.9),)), word("runs", 0.05, ((0.5, 0.5),))]
    parsed = ElementTree.fromstring(card(entry(*words)))
    shown = texts(parsed)
    for part in ["A <dog> runs.", "CIDEr-D 1.23", "dog.jpg", "A dog & a ball", "83 %", "5 %"]:
        assert part in shown
    assert [image.get("alt") for image in parsed.iter("img")] == [
        "A <dog> runs.",
        "where the model looked for “dog”",
        "where the model looked for “runs”",
    ]


def test_words_without_attention_have_no_pictures():
    parsed = ElementTree.fromstring(card(entry(word("dog", 0.5))))
    assert len(list(parsed.iter("img"))) == 1
    assert "50 %" in texts(parsed)


def test_a_caption_from_elsewhere_has_no_words():
    assert ElementTree.fromstring(card(entry())).find("ol") is None


def test_a_page_has_the_groups_the_scores_and_their_notes():
    groups = {"Best": [entry(word("dog", 0.5))], "Worst": [entry(sentence="No.")]}
    page = gallery_page("Captions of x", groups, REPORT)
    for part in ["<h1>Captions of x</h1>", "<h2>Best</h2>", "<h2>Worst</h2>", "No."]:
        assert part in page
    for part in ["ROUGE-L", "0.125", "ROUGE-L: A variant.", "SPICE: Out."]:
        assert part in page


@pytest.mark.parametrize(
    ("words", "explained"),
    [
        ([], []),
        ([word("dog", 0.5)], ["probability that the model gave"]),
        (
            [word("dog", 0.5, ((1.0,),))],
            ["probability that the model gave", "bright where the model looked"],
        ),
    ],
    ids=["no words", "words", "attention"],
)
def test_a_page_explains_what_it_shows_and_no_more(words, explained):
    page = gallery_page("Captions", {"Best": [entry(*words)]}, REPORT)
    for part in ["probability that the model gave", "bright where the model looked"]:
        assert (part in page) == (part in explained)


def test_nothing_of_a_model_or_a_data_set_becomes_markup():
    hostile = "<script>alert('1')</script> & \"two\" \udcff"
    words = (word(hostile, 0.5, ((1.0,),)),)
    shown = Entry(WHITE, hostile, hostile, (hostile, hostile), 1.0, words)
    report = ScoreReport({hostile: 0.5}, {hostile: hostile})
    page = gallery_page(hostile, {hostile: [shown]}, report)
    assert "<script" not in page
    assert '"two"' not in page
    # The page's title twice; a score's name, its note with the name; the group; the sentence twice
    # (once as the picture's description), the file name, the references; the word, also twice.
    assert page.count("&lt;script&gt;alert(&#39;1&#39;)") == 13
    page.encode("utf-8")
