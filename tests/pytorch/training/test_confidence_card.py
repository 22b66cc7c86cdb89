from __future__ import annotations

import pytest

from captioning.markdown import render_markdown
from pytorch.training.confidence_card import confidence_section

TENTHS = [{"least": n / 10, "captions": 0, "confidence": 0.0, "good": 0.0} for n in range(10)]
FIGURES = {
    "good CIDEr-D": 0.4,
    "folds": 5,
    "datasets": {
        "flickr8k": {
            "images": 1000,
            "good": 0.43,
            "confidence": 0.41,
            "Spearman with CIDEr-D": 0.5,
            "calibration error": 0.03,
        }
    },
    "calibration error": 0.03,
    "tenths": [*TENTHS[:8], {"least": 0.8, "captions": 60, "confidence": 0.84, "good": 0.8}],
    "negatives": {"images": 160, "confidence": 0.05, "guessed": 0.99},
    "weights": {},
}


@pytest.fixture
def section():
    return confidence_section({"confidence": FIGURES})


def test_without_figures_there_is_no_section():
    assert confidence_section({"scores": {}}) == ""


def test_it_says_what_good_means_and_that_the_figures_are_cross_validated(section):
    assert "a CIDEr-D of\n0.4 or more" in section
    assert "cross-validated over 5 folds" in section
    assert "160 drawn pictures that no caption fits" in section
    assert "get 0.05 on average, and 99%" in section


def test_the_tables_have_a_line_for_each_data_set_and_each_tenth_with_captions(section):
    assert "| `flickr8k` | 1000 | 0.430 | 0.410 | 0.030 | 0.500 |" in section
    assert f"| 0.8 to 0.9 | 60 | 80% | {'█' * 16} |" in section
    assert "0.7 to 0.8" not in section


def test_the_tables_can_be_shown_on_the_page(section):
    html = str(render_markdown(section))
    assert html.count("<table>") == 2
    assert "<td>80%</td>" in html
