import pytest

from pytorch.model.decoding import DecodingConfig


def test_a_beam_size_below_one_is_refused():
    with pytest.raises(ValueError, match="beam_size must be at least 1, not 0"):
        DecodingConfig(beam_size=0)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"top_p": 0.0}, "top_p must be above 0"),
        ({"top_p": 1.5}, r"at most 1, not 1\.5"),
        ({"max_words": 0}, "max_words must be at least 1, not 0"),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram must be at least 0, not -1"),
        ({"length_normalization": -0.1}, r"length_normalization must be at least 0, not -0\.1"),
        (
            {"length_normalization": float("nan")},
            "length_normalization must be a finite number, not nan",
        ),
    ],
)
def test_an_option_out_of_range_is_refused(option, message):
    with pytest.raises(ValueError, match=message):
        DecodingConfig(**option)
