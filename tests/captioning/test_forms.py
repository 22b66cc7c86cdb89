import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from captioning import engine
from captioning.forms import DecodingForm, PhotographForm
from tests.captioning.pictures import PDF, blank_png, encoded


def form_with(content):
    files = {} if content is None else {"photograph": SimpleUploadedFile("photo.jpg", content)}
    return PhotographForm({}, files)


def decoding_form(**options):
    form = DecodingForm(options)
    form.is_valid()
    return form


def codes(form):
    return [error.code for error in form.errors["photograph"].as_data()]


def test_a_photograph_is_cleaned_to_an_rgb_image(coffee):
    form = form_with(encoded(coffee.convert("L"), "PNG"))
    assert form.is_valid()
    photograph = form.cleaned_data["photograph"]
    assert (photograph.image.mode, photograph.image.size) == ("RGB", coffee.size)
    assert (photograph.format, photograph.width, photograph.height) == ("PNG", 600, 400)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "missing"),
        (b"", "empty"),
        (bytes(10_000_001), "too_large_bytes"),
        (blank_png(10_000, 5_001), "too_many_pixels"),
        (PDF, "unsupported_format"),
        (b"not a picture", "unreadable"),
        (encoded(Image.effect_noise((90, 90), 99), "JPEG")[:2000], "truncated"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_bad_input_has_its_code_and_a_sentence(content, code):
    form = form_with(content)
    assert not form.is_valid()
    assert codes(form) == [code]
    assert form.errors["photograph"][0].endswith(".")


def test_10_mb_are_accepted(coffee_jpeg):
    assert form_with(coffee_jpeg + bytes(10_000_000 - len(coffee_jpeg))).is_valid()


def test_the_name_of_the_file_does_not_matter(coffee_jpeg):
    file = SimpleUploadedFile("x" * 300 + ".txt", coffee_jpeg, content_type="text/plain")
    assert PhotographForm({}, {"photograph": file}).is_valid()


def test_the_widget_states_the_limits_and_accepts_only_pictures():
    html = PhotographForm().as_p()
    assert (
        'accept="image/jpeg,image/png,image/gif,image/webp,image/avif,image/bmp,image/tiff"' in html
    )
    assert "at most 10 MB and 50 megapixels" in html
    assert 'aria-describedby="id_photograph_helptext"' in html


def test_an_error_is_tied_to_the_input():
    html = str(form_with(b"")["photograph"])
    assert 'aria-describedby="id_photograph_helptext id_photograph_error"' in html
    assert 'aria-invalid="true"' in html


def test_without_options_the_checkpoint_decides():
    assert decoding_form().decoding == engine.get_captioner().decoding
    assert decoding_form().cleaned_data["candidates"] is None


def test_options_become_a_decoding_config():
    form = decoding_form(beam_size="5", candidates="2")
    assert form.decoding == engine.decoding(beam_size=5)
    assert form.cleaned_data["candidates"] == 2


def test_top_p_and_seed_apply_only_with_creative():
    chance = {"top_p": "0.7", "seed": "12"}
    assert decoding_form(**chance).decoding == engine.decoding()
    assert decoding_form(**chance, creative="on").decoding == engine.decoding(top_p=0.7, seed=12)


def test_creative_alone_has_defaults():
    assert decoding_form(creative="on").decoding == engine.decoding(top_p=0.9, seed=0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("beam_size", "0", "Beam size: choose a number from 1 to 10."),
        ("beam_size", "11", "Beam size: choose a number from 1 to 10."),
        ("beam_size", "many", "Beam size: choose a number from 1 to 10."),
        ("candidates", "2.5", "Candidates: choose a number from 1 to 10."),
        ("top_p", "0", "Top-p: choose a number from 0.05 to 1."),
        ("top_p", "nan", "Top-p: choose a number from 0.05 to 1."),
        ("seed", "-1", "Seed: choose a number from 0 to 2147483647."),
        ("seed", "2147483648", "Seed: choose a number from 0 to 2147483647."),
    ],
)
def test_options_out_of_range_are_refused_with_a_sentence(name, value, message):
    form = decoding_form(**{name: value})
    assert form.errors == {name: [message]}
    assert form.decoding_errors


def test_the_form_starts_with_the_checkpoints_options():
    html = str(DecodingForm()["beam_size"])
    assert f'value="{engine.get_captioner().decoding.beam_size}"' in html
