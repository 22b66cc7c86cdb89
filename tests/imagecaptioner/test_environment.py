import re
import stat

import pytest
from django.core.exceptions import ImproperlyConfigured

from imagecaptioner.environment import (
    read_bool,
    read_choice,
    read_int,
    read_list,
    read_path,
    read_secret_key,
)


@pytest.fixture
def variable(monkeypatch):
    """Set the variable VALUE to a text."""
    monkeypatch.delenv("VALUE", raising=False)
    return lambda text: monkeypatch.setenv("VALUE", text)


@pytest.mark.parametrize("text", ["1", "true", "YES", " On "])
def test_true_is_read_in_the_usual_spellings(variable, text):
    variable(text)
    assert read_bool("VALUE", default=False) is True


@pytest.mark.parametrize("text", ["0", "false", "No", " off "])
def test_false_is_read_in_the_usual_spellings(variable, text):
    variable(text)
    assert read_bool("VALUE", default=True) is False


def test_other_spellings_are_refused_by_name_and_value(variable):
    variable("maybe")
    with pytest.raises(ImproperlyConfigured, match="VALUE must be true or false, not 'maybe'"):
        read_bool("VALUE", default=True)


@pytest.mark.parametrize("text", [None, "", " "])
def test_an_unset_or_empty_variable_means_the_default(variable, tmp_path, text):
    if text is not None:
        variable(text)
    assert read_bool("VALUE", default=True) is True
    assert read_int("VALUE", default=7) == 7
    assert read_choice("VALUE", default="A", choices=["A"]) == "A"
    assert read_list("VALUE", default=["x"]) == ["x"]
    assert read_path("VALUE", default=tmp_path) == tmp_path


def test_an_int_is_read(variable):
    variable("8000")
    assert read_int("VALUE", default=1, minimum=1, maximum=65535) == 8000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("many", "VALUE must be a whole number, not 'many'."),
        ("1.5", "VALUE must be a whole number, not '1.5'."),
        ("0", "VALUE must be at least 1, not 0."),
        ("99999", "VALUE must be at most 65535, not 99999."),
    ],
)
def test_an_invalid_int_is_refused(variable, text, message):
    variable(text)
    with pytest.raises(ImproperlyConfigured, match=re.escape(message)):
        read_int("VALUE", default=1, minimum=1, maximum=65535)


def test_a_choice_is_read_in_any_case(variable):
    variable("warning")
    assert read_choice("VALUE", default="INFO", choices=["INFO", "WARNING"]) == "WARNING"


def test_another_choice_is_refused_with_the_valid_ones(variable):
    variable("loud")
    with pytest.raises(ImproperlyConfigured, match="VALUE must be one of INFO, ERROR, not 'LOUD'"):
        read_choice("VALUE", default="INFO", choices=["INFO", "ERROR"])


def test_a_list_is_split_at_commas(variable):
    variable("captions.example, localhost ,")
    assert read_list("VALUE") == ["captions.example", "localhost"]


def test_a_tilde_is_the_home_directory(variable, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    variable("~/checkpoint")
    assert read_path("VALUE", default=tmp_path) == tmp_path / "checkpoint"


def test_a_relative_path_is_below_the_current_directory(variable, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    variable("checkpoint")
    assert read_path("VALUE", default=tmp_path) == tmp_path / "checkpoint"


def test_a_secret_key_in_the_environment_needs_no_file(variable, tmp_path):
    variable("from the environment")
    assert read_secret_key("VALUE", file=tmp_path / "key") == "from the environment"
    assert not (tmp_path / "key").exists()


def test_a_secret_key_is_made_once_and_only_its_owner_can_read_it(variable, tmp_path):
    file = tmp_path / "key"
    key = read_secret_key("VALUE", file=file)
    assert len(key) >= 50
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_secret_key("VALUE", file=file) == key


def test_two_secret_keys_differ(variable, tmp_path):
    assert read_secret_key("VALUE", file=tmp_path / "a") != read_secret_key(
        "VALUE", file=tmp_path / "b"
    )


def test_an_empty_secret_key_file_is_refused(variable, tmp_path):
    (tmp_path / "key").touch()
    with pytest.raises(ImproperlyConfigured, match=r"The secret key file .* is empty"):
        read_secret_key("VALUE", file=tmp_path / "key")


def test_an_unreadable_secret_key_file_is_refused(variable, tmp_path):
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    with pytest.raises(ImproperlyConfigured, match="Cannot read the secret key"):
        read_secret_key("VALUE", file=tmp_path / "key")


def test_a_secret_key_that_cannot_be_written_asks_for_the_variable(variable, tmp_path):
    with pytest.raises(ImproperlyConfigured, match="Set VALUE to a long random text"):
        read_secret_key("VALUE", file=tmp_path / "absent" / "key")
