"""Remembered options in a real browser."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import choose, expect_captions

pytestmark = pytest.mark.slow


@pytest.fixture
def page(open_page):
    page = open_page()
    page.get_by_text("Options", exact=True).click()
    return page


def reopen(page):
    page.reload()
    page.get_by_text("Options", exact=True).click()


def test_options_are_remembered_until_the_next_visit(page):
    page.get_by_label("Beam size").fill("5")
    page.get_by_label("Creative").check()
    page.get_by_label("Seed").fill("42")
    page.get_by_label("Seed").blur()
    reopen(page)
    expect(page.get_by_label("Beam size")).to_have_value("5")
    expect(page.get_by_label("Creative")).to_be_checked()
    expect(page.get_by_label("Seed")).to_have_value("42")


def test_unchanged_options_follow_the_model(page):
    stored = "localStorage.getItem('image-captioner.options')"
    for value, expected in [("5", '{"beam_size":"5"}'), ("2", "{}")]:  # the model's own is 2
        page.get_by_label("Beam size").fill(value)
        page.get_by_label("Beam size").blur()
        assert page.evaluate(stored) == expected


def test_the_defaults_can_be_restored(page):
    page.get_by_label("Beam size").fill("5")
    page.get_by_label("Creative").check()
    page.get_by_role("button", name="Reset to defaults").click()
    expect(page.get_by_label("Beam size")).to_have_value("2")
    reopen(page)
    expect(page.get_by_label("Beam size")).to_have_value("2")
    expect(page.get_by_label("Creative")).not_to_be_checked()


def test_top_p_and_seed_are_shown_only_with_creative(page):
    expect(page.get_by_label("Seed")).to_be_hidden()
    page.get_by_label("Creative").check()
    expect(page.get_by_label("Seed")).to_be_visible()


def test_remembered_options_reach_the_search(page, photograph):
    page.get_by_label("Beam size").fill("4")
    page.get_by_label("Candidates").fill("4")
    page.get_by_label("Candidates").blur()
    page.reload()
    choose(page, photograph)
    expect_captions(page)
    expect(page.locator(".candidates tr")).to_have_count(4)


def test_an_option_out_of_range_gets_a_message(page, photograph):
    page.get_by_label("Beam size").fill("99")
    choose(page, photograph)
    expect(page.locator(".row")).to_contain_text("Beam size: choose a number from 1 to 10.")
