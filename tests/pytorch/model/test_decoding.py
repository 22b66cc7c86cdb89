import dataclasses
import json

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
        ({"name_above": 1.5}, r"name_above must be from 0 to 1, not 1\.5"),
        ({"no_people_below": float("nan")}, "no_people_below must be from 0 to 1, not nan"),
        ({"must_say": ("a", "b", "c", "d")}, "must_say may have at most 3 entries, not 4"),
        ({"must_say": ("a|b",), "must_not_say": ("B",)}, "'b' is in must_say and in must_not_say"),
    ],
)
def test_an_option_out_of_range_is_refused(option, message):
    with pytest.raises(ValueError, match=message):
        DecodingConfig(**option)


def test_options_survive_json():
    config = DecodingConfig(must_say=("dog|cat", "ball"), must_not_say=("man",), name_above=0.4)
    assert DecodingConfig(**json.loads(json.dumps(dataclasses.asdict(config)))) == config


def test_words_are_in_lower_case_without_spaces_around_them():
    config = DecodingConfig(must_say=[" Dog | CAT ", "ball"], must_not_say=["Man "])
    assert config == DecodingConfig(must_say=("dog|cat", "ball"), must_not_say=("man",))
    assert config.words_to_say == ("dog", "cat", "ball")
