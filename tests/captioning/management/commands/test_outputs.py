import pytest
from django.core.management import CommandError

from captioning.management.commands._outputs import check_outputs


def test_different_files_in_existing_folders_are_accepted(tmp_path):
    options = {"output": tmp_path / "a.json", "results_json": tmp_path / "b.json", "gallery": None}
    check_outputs(options, *options)


@pytest.mark.parametrize("place", [".", "nowhere/scores.json", "/dev/null"])
def test_a_path_that_cannot_be_a_file_is_refused_with_its_option(tmp_path, place):
    with pytest.raises(CommandError, match=r"--results-json .* cannot be written"):
        check_outputs({"results_json": tmp_path / place}, "results_json")


def test_two_outputs_may_not_be_the_same_file(tmp_path):
    options = {"output": tmp_path / "a.json", "gallery": tmp_path / "." / "a.json"}
    with pytest.raises(CommandError, match="--output and --gallery name the same file"):
        check_outputs(options, *options)
