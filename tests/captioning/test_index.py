"""The view `index`."""

import base64
import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.html import escape
from PIL import Image

from captioning import engine
from captioning.models import Picture
from captioning.templatetags.captions import odds, percent, shown_word
from pytorch.files.photographs import open_photograph
from tests.captioning.library.kept import kept_files
from tests.captioning.pictures import (
    HEIC,
    blank_png,
    decoded,
    difference,
    encoded,
    grey_16_bit,
    photograph_of,
)
from tests.tiny import save_tiny_checkpoint

URL = "/"


def send(client, content, *, headers=None, **options):
    data = {"photograph": SimpleUploadedFile("photo", content), **options}
    return client.post(URL, data, headers=headers)


def send_as_scripts_do(client, content, **options):
    return send(client, content, headers={"accept": "application/json"}, **options)


def shown_sentence(html):
    paragraph = re.search(r'<p class="caption"[^>]*>(.+?)</p>', html)[1]
    return re.sub(r"<[^>]+>", "", paragraph)


def shown_photograph(html):
    return decoded(base64.b64decode(re.search(r"data:image/jpeg;base64,([^\"]+)", html)[1]))


@pytest.fixture
def arrived(coffee_jpeg):
    """The photograph as it is when it was sent."""
    return open_photograph(io.BytesIO(coffee_jpeg))


def test_get_shows_the_form(client):
    response = client.get(URL)
    assert response.status_code == 200
    assert '<label for="id_photograph"' in response.text
    assert 'enctype="multipart/form-data"' in response.text


def test_head_is_answered_without_a_body(client):
    response = client.head(URL)
    assert (response.status_code, response.content) == (200, b"")


def test_other_methods_are_refused(client):
    assert client.put(URL).status_code == 405


def test_a_photograph_is_shown_with_its_caption_and_how_long_it_took(client, coffee, coffee_jpeg):
    response = send(client, coffee_jpeg)
    [caption] = engine.caption_photographs([photograph_of(coffee)])
    assert response.status_code == 200
    assert shown_sentence(response.text) == caption.sentence
    assert re.search(r"in \d+\.\d\d seconds", response.text)
    assert difference(shown_photograph(response.text), coffee) < 8


def test_the_caption_is_the_alternative_text_and_the_title(client, coffee_jpeg):
    html = send(client, coffee_jpeg).text
    sentence = shown_sentence(html)
    assert f'alt="{sentence}"' in html
    assert f"<title>{sentence} · Image Captioner</title>" in html


def test_tags_and_the_confidence_stand_below_the_caption(client, coffee_jpeg, tagging):
    tagging(0.823, cup=0.9, table=0.5)
    html = send(client, coffee_jpeg).text
    assert '<p class="also-seen">Also seen: cup, table</p>' in html
    assert "<b>Confidence 0.82</b>: about 82 of 100 captions with this confidence fit" in html
    assert "Mostly guessing" not in html
    assert html.index('class="caption"') < html.index("Also seen") < html.index("Confidence 0.82")


def test_tags_that_the_caption_says_are_not_repeated(client, coffee_jpeg, tagging):
    said = shown_sentence(send(client, coffee_jpeg).text).lower().strip(".").split()
    tagging(0.8, **dict.fromkeys(said, 0.9))
    assert "Also seen" not in send(client, coffee_jpeg).text


def test_of_a_guess_the_tags_come_first(client, coffee_jpeg, tagging):
    tagging(0.04, cup=0.9, table=0.5)
    html = send(client, coffee_jpeg).text
    places = [
        "Mostly guessing",
        "Seen: cup, table",
        'class="caption"',
        "Confidence 0.04",
        "about 4",
    ]
    assert [html.index(each) for each in places] == sorted(map(html.index, places))
    assert "Also seen" not in html


def test_a_guess_without_tags_says_so_all_the_same(client, coffee_jpeg, tagging):
    tagging(0.04)
    html = send(client, coffee_jpeg).text
    assert "Mostly guessing" in html
    assert "Seen:" not in html


def test_without_a_confidence_nothing_is_said_of_it(client, coffee_jpeg):
    html = send(client, coffee_jpeg).text
    for text in ("Confidence", "Mostly guessing", "seen"):
        assert text not in html


def test_after_a_caption_another_photograph_can_be_sent(client, coffee_jpeg):
    assert ">Another photograph</label>" in send(client, coffee_jpeg).text


@pytest.mark.django_db
def test_a_kept_photograph_has_a_page(client, coffee_jpeg):
    file = SimpleUploadedFile("photo.jpg", coffee_jpeg)
    response = client.post(URL, {"photograph": file, "keep": "on"})
    picture = Picture.objects.get()
    assert response.status_code == 302
    assert response.headers["Location"] == f"/pictures/{picture.pk}"
    assert client.get(response.headers["Location"]).status_code == 200
    assert picture.original.read() == coffee_jpeg


@pytest.mark.django_db
def test_the_result_of_a_kept_photograph_shows_its_stored_copy(client, coffee_jpeg):
    html = send_as_scripts_do(client, coffee_jpeg, keep="on").json()["html"]
    picture = Picture.objects.get()
    [address] = re.findall(r'<img src="([^"]+)" width="600" height="400"', html)
    assert address == f"/pictures/{picture.pk}/shown.jpg"
    assert "data:" not in html
    assert decoded(client.get(address).getvalue()).size == (600, 400)


@pytest.mark.django_db
def test_nothing_stays_of_a_photograph_that_is_not_kept(client, coffee_jpeg):
    assert "Keep this picture" in client.get(URL).text
    assert send(client, coffee_jpeg).status_code == 200
    assert not Picture.objects.exists()
    assert kept_files() == []


@pytest.mark.django_db
def test_simultaneous_uploads_belong_to_one_visitor(client, coffee, coffee_jpeg):
    client.get(URL)
    for content in (coffee_jpeg, encoded(coffee, "PNG")):
        other = Client()
        other.cookies = client.cookies.copy()
        other.post(URL, {"photograph": SimpleUploadedFile("photo", content), "keep": "on"})
    assert client.get("/pictures").text.count("<li>") == 2


def test_a_sideways_photograph_is_shown_upright(client, coffee):
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = coffee.transpose(Image.Transpose.ROTATE_90)
    html = send(client, encoded(stored, "JPEG", exif=exif)).text
    assert difference(shown_photograph(html), coffee) < 8


def test_an_unusual_photograph_is_captioned(client, coffee):
    assert shown_sentence(send(client, encoded(grey_16_bit(coffee), "TIFF")).text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "This file is empty"),
        (b"not a picture", "This file is not a picture that can be read"),
        (HEIC, "HEIC files are not accepted"),
        (bytes(10_000_001), "This file is larger than 10 MB"),
        (blank_png(10_000, 5_001), "This picture has more than 50 megapixels"),
        (encoded(Image.effect_noise((90, 90), 99), "JPEG")[:2000], "This picture is damaged"),
    ],
    ids=["empty", "no picture", "format", "bytes", "pixels", "truncated"],
)
def test_bad_input_gets_a_message_in_the_form(client, coffee_jpeg, content, message):
    response = send(client, content)
    assert response.status_code == 400
    assert re.search(rf'id="id_photograph_error" role="alert">{message}', response.text)
    assert send(client, coffee_jpeg).status_code == 200


def test_no_file_gets_a_message_in_the_form(client):
    response = client.post(URL)
    assert response.status_code == 400
    assert "Choose a photograph first." in response.text


def test_text_in_place_of_the_file_gets_a_message_in_the_form(client):
    assert client.post(URL, {"photograph": "text"}).status_code == 400


def test_the_footer_names_the_model_and_its_scores(client):
    html = " ".join(client.get(URL).text.split())
    assert (
        'Model <a href="/model">tiny</a>: BLEU-4 0.012, CIDEr-D 0.046, '
        "measured on the dev split of flickr8k." in html
    )


def test_the_footer_says_that_scores_are_averages_over_several_data_sets(client, monkeypatch):
    captioner = engine.get_captioner()
    several = {"dataset": "flickr8k and coco", "dev": {"flickr8k": {}, "coco": {}}}
    monkeypatch.setattr(captioner, "metrics", captioner.metrics | several)
    html = " ".join(client.get(URL).text.split())
    assert "CIDEr-D 0.046, on average over the dev splits of flickr8k and coco." in html


def test_the_footer_does_without_scores(client, monkeypatch):
    monkeypatch.setattr(engine.get_captioner(), "metrics", {})
    assert '<p>Model <a href="/model">tiny</a>.</p>' in client.get(URL).text


def test_every_word_comes_with_its_probability_and_runners_up(client, coffee_jpeg, arrived):
    html = send(client, coffee_jpeg).text
    [caption] = engine.caption_photographs([arrived])
    for word in caption.words:
        assert f"<b>{word.text}</b> {percent(word.probability)}</span>" in html
        for text, probability in word.runners_up:
            assert f"{escape(shown_word(text))} {percent(probability)}" in html


def test_the_other_candidates_come_with_their_odds(client, coffee_jpeg, arrived):
    html = send(client, coffee_jpeg, beam_size=4).text
    [caption] = engine.caption_photographs([arrived], engine.decoding(beam_size=4))
    assert len(caption.candidates) == 3
    for each in (caption, *caption.candidates):
        cells = f'<td>{each.sentence}</td><td class="probability">{odds(each.log_probability)}</td>'
        assert cells in html


def test_options_reach_the_search_and_are_shown(client, coffee_jpeg, arrived):
    html = send(client, coffee_jpeg, creative="on", top_p="1", seed="5", beam_size="1").text
    decoding = engine.decoding(beam_size=1, top_p=1.0, seed=5)
    [caption] = engine.caption_photographs([arrived], decoding)
    assert shown_sentence(html) == caption.sentence
    assert "(creative, top-p 1.0, seed 5)." in html


def test_options_stay_as_they_were_chosen(client, coffee_jpeg):
    html = send(client, coffee_jpeg, creative="on", seed="5").text
    assert re.search(r'name="seed" value="5"', html)
    assert re.search(r'name="creative"[^>]* checked', html)


def test_a_refused_option_is_open_to_be_corrected(client, coffee_jpeg):
    response = send(client, coffee_jpeg, beam_size="11")
    assert response.status_code == 400
    assert '<details class="options" data-options open>' in response.text
    assert "Beam size: choose a number from 1 to 10." in response.text


def test_a_checkpoint_without_attention_says_so(client, coffee_jpeg, settings, tmp_path):
    settings.CAPTIONER_CHECKPOINT = save_tiny_checkpoint(tmp_path / "tiny", "init")
    html = send(client, coffee_jpeg).text
    assert "This model was trained without attention" in html
    assert "Save attention figure" not in html
    assert "Word by word" in html


def test_scripts_get_the_result_alone(client, coffee_jpeg, arrived):
    response = send_as_scripts_do(client, coffee_jpeg)
    assert response.status_code == 200
    html = response.json()["html"]
    [caption] = engine.caption_photographs([arrived])
    assert shown_sentence(html) == caption.sentence
    assert "<form" not in html


def test_scripts_get_what_was_wrong_as_a_sentence(client, coffee_jpeg):
    response = send_as_scripts_do(client, b"not a picture", beam_size="0")
    assert response.status_code == 400
    assert response.json() == {
        "error": "Beam size: choose a number from 1 to 10. "
        "This file is not a picture that can be read. "
        "Send a JPEG, PNG, GIF, WebP, AVIF, BMP or TIFF file."
    }


def test_a_passing_failure_of_the_engine_is_shown_in_the_form(client, coffee_jpeg, monkeypatch):
    def fail(*_, **__):
        raise engine.EngineError("The model is busy.", permanent=False)

    monkeypatch.setattr(engine, "caption_photographs", fail)
    response = send(client, coffee_jpeg)
    assert response.status_code == 503
    assert "The model is busy. Please try again in a minute." in response.text
    response = send_as_scripts_do(client, coffee_jpeg)
    assert response.status_code == 503
    assert response.json() == {"error": "The model is busy. Please try again in a minute."}


def test_without_a_usable_model_the_page_says_that_trying_again_will_not_help(
    client, coffee_jpeg, settings, tmp_path
):
    settings.CAPTIONER_CHECKPOINT = tmp_path / "absent"
    for response in (client.get(URL), send(client, coffee_jpeg)):
        assert response.status_code == 500
        assert f"There is no checkpoint at {tmp_path / 'absent'}" in response.text
        assert "Trying again will not help" in response.text
        assert '<a href="/pictures">' in response.text
    response = send_as_scripts_do(client, coffee_jpeg)
    assert response.status_code == 500
    assert "Trying again will not help" in response.json()["error"]


def test_a_form_from_another_site_is_refused_with_an_explanation(coffee_jpeg):
    response = send(Client(enforce_csrf_checks=True), coffee_jpeg)
    assert response.status_code == 403
    assert "Please send the form again" in response.text


def test_an_unknown_address_gets_our_own_page(client):
    response = client.get("/absent")
    assert response.status_code == 404
    assert "Page not found" in response.text


def test_a_failure_gets_our_own_page(client, monkeypatch):
    def fail():
        raise ValueError("a defect")

    monkeypatch.setattr(engine, "get_captioner", fail)
    client.raise_request_exception = False
    response = client.get(URL)
    assert response.status_code == 500
    assert "<h1>Something went wrong</h1>" in response.text


def test_a_request_for_another_host_gets_our_own_page(client, settings):
    settings.ALLOWED_HOSTS = ["localhost"]
    response = client.get(URL, headers={"host": "elsewhere.example"})
    assert response.status_code == 400
    assert "This request is not valid" in response.text


def test_pages_carry_the_security_headers(client):
    headers = client.get(URL).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
