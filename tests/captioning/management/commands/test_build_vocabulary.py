import io
import json

import pytest
from django.core.management import CommandError, call_command

from pytorch.model.vocabulary import SPECIAL_TOKENS
from tests.colours import write_colours


@pytest.fixture(autouse=True)
def base_dir(settings, tmp_path):
    settings.BASE_DIR = tmp_path
    return tmp_path


@pytest.fixture
def root(base_dir):
    """Colours, of which one of the two yellow pictures became a dev picture of something else."""
    root = write_colours(base_dir / "data" / "flickr8k")
    captions = (root / "Flickr8k.token.txt").read_text()
    captions = captions.replace("dev-yellow-0.jpg#0\tA yellow square", "dev-yellow-0.jpg#0\tZebras")
    (root / "Flickr8k.token.txt").write_text(captions)
    return root


def build(*arguments):
    stdout = io.StringIO()
    call_command("build_vocabulary", *map(str, arguments), stdout=stdout)
    return stdout.getvalue()


def test_the_report_gives_size_coverage_and_the_rarest_words(root):
    # In train each of 8 images has: a x2, square x2, is x2, that, it, all, here, its colour x3.
    assert build("--min-count", 7) == (
        "7 words occur at least 7 times in the 24 captions of the train split. With 4 special "
        "tokens, the vocabulary has 11 words.\n"
        "train: 80 of 104 (76.92%) words in its captions are known, and 7 of 11 (63.64%) "
        "distinct words.\n"
        "dev: 38 of 50 (76.00%) words in its captions are known, and 7 of 12 (58.33%) distinct "
        "words.\n"
        "Rarest: a (16), is (16), square (16), all (8), here (8), it (8), that (8)\n"
    )


def test_words_of_dev_do_not_enter_the_vocabulary(root, base_dir):
    build("--min-count", 1, "--output", base_dir / "words.json")
    words = json.loads((base_dir / "words.json").read_text())
    assert words[:4] == list(SPECIAL_TOKENS)
    assert "yellow" in words
    assert "zebras" not in words


def test_without_a_dev_split_no_coverage_is_reported(root):
    for path in (root / "Flickr8k_Dataset").glob("dev-*"):
        path.unlink()
    assert "There is no dev split" in build("--allow-missing")


def test_at_most_ten_rarest_words_are_listed(root):
    rarest = build("--min-count", 1).splitlines()[-1]
    assert rarest.count("(") == 10
    assert rarest.endswith("blue (6), green (6), red (6), yellow (6)")


@pytest.mark.parametrize("count", ["0", "-1", "x", "1.5"])
def test_a_count_out_of_range_is_refused(root, count):
    with pytest.raises(CommandError, match=r"--min-count: it must be a whole number"):
        build(f"--min-count={count}")


def test_a_count_that_no_word_reaches_is_refused(root):
    with pytest.raises(
        CommandError, match=r"No word occurs at least 100 times .* one occurs 16 times"
    ):
        build("--min-count", 100)


def test_a_file_that_cannot_be_written_is_refused_before_the_work(base_dir):
    with pytest.raises(CommandError, match=r"--output .*words\.json cannot be written"):
        build("--output", base_dir / "nowhere" / "words.json")


def test_missing_data_exits_with_2(base_dir):
    with pytest.raises(CommandError, match="no complete Flickr8k") as caught:
        build()
    assert caught.value.returncode == 2
