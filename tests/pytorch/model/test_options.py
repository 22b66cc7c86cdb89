from dataclasses import dataclass
from pathlib import Path

import pytest

from pytorch.model.options import Option, option, options_of


@dataclass(frozen=True)
class Config:
    colour: str = option("red", "colour of the circle", choices=["red", "blue"])
    line_width: float = option(1.0, "width of its line")
    sides: int | None = option(None, "number of sides, instead of a circle")
    file: Path | None = option(None, "file to draw it into")
    labels: tuple[str, ...] = option((), "words to write beside it")


COLOUR, LINE_WIDTH, SIDES, FILE, LABELS = options_of(Config)


def test_an_option_is_a_field_with_its_default_and_its_help():
    assert Config() == Config("red", 1.0, None, None, ())
    assert Option("colour", str, "red", "colour of the circle", ("red", "blue")) == COLOUR
    assert Option("line_width", float, 1.0, "width of its line") == LINE_WIDTH


def test_the_type_of_an_optional_value_is_that_of_the_value():
    assert (SIDES.kind, FILE.kind) == (int, Path)


def test_an_option_may_have_several_values_of_a_type():
    assert (LABELS.kind, LABELS.is_tuple, COLOUR.is_tuple) == (str, True, False)


def test_the_flag_is_written_with_dashes():
    assert LINE_WIDTH.flag == "--line-width"


@pytest.mark.parametrize(
    ("an_option", "value", "checked"),
    [
        (FILE, "some/where", Path("some/where")),
        (LINE_WIDTH, 2, 2.0),
        (SIDES, 3, 3),
        (LABELS, ["a", "b"], ("a", "b")),
        (LABELS, (), ()),
    ],
)
def test_a_value_is_converted_if_nothing_is_lost(an_option, value, checked):
    assert an_option.checked(value) == checked
    assert type(an_option.checked(value)) is type(checked)


@pytest.mark.parametrize(
    ("an_option", "value"), [(SIDES, 3.0), (SIDES, True), (LINE_WIDTH, "2"), (COLOUR, 1), (FILE, 1)]
)
def test_a_value_of_another_type_is_refused(an_option, value):
    message = f"^{an_option.name} must be of type {an_option.kind.__name__}, not {value!r}"
    with pytest.raises(ValueError, match=message):
        an_option.checked(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [("a", "labels must be a list, not 'a'"), ([1], "labels must be of type str, not 1")],
)
def test_several_values_are_a_list_of_their_type(value, message):
    with pytest.raises(ValueError, match=message):
        LABELS.checked(value)
