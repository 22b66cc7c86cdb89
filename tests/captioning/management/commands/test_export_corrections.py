import io
import re

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from PIL import Image

from captioning.library import services
from captioning.library.owners import owner_of_account
from captioning.library.queries import corrected
from captioning.models import Picture
from pytorch.data.datasets import load_dataset
from pytorch.model.checkpoint import load_captioner
from tests.captioning.library.kept import keep, visitor
from tests.captioning.pictures import encoded
from tests.photographs import photographs

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _kept(engine_with_tiny_checkpoint):
    """Two corrected pictures of Alice, one of Bob, one of a visitor."""
    alice, bob = (owner_of_account(User.objects.create_user(name)) for name in ("alice", "bob"))
    owners = [alice, alice, bob, visitor()]
    for owner, photograph in zip(owners, photographs(), strict=True):
        picture = keep(owner, encoded(photograph.resize((60, 40)), "PNG"))
        services.correct(picture, f"Said by {owner.account or 'a visitor'}.")


def export(output, *options):
    stdout = io.StringIO()
    call_command("export_corrections", "--output", str(output), *options, stdout=stdout)
    return stdout.getvalue()


def captions(folder):
    splits = load_dataset("captions-csv", folder).splits.values()
    return sorted(text for split in splits for example in split for text in example.captions)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--account", "alice"], ["alice", "alice"]),
        (["--account", "alice", "bob"], ["alice", "alice", "bob"]),
        (["--everyone"], ["a visitor", "alice", "alice", "bob"]),
    ],
)
def test_only_the_named_accounts_are_exported(tmp_path, options, expected):
    output = export(tmp_path / "new" / "set", *options)
    assert captions(tmp_path / "new" / "set") == [f"Said by {name}." for name in expected]
    assert output.startswith(f"{len(expected)} corrections written to {tmp_path / 'new' / 'set'}.")


@pytest.mark.parametrize("options", [[], ["--account", "alice", "--everyone"]])
def test_the_accounts_must_be_named(tmp_path, options):
    with pytest.raises(CommandError, match="--account"):
        export(tmp_path / "set", *options)


def test_an_account_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(CommandError, match="no account 'carol'"):
        export(tmp_path / "set", "--account", "alice", "carol")
    assert not (tmp_path / "set").exists()


def test_without_corrections_nothing_is_written(tmp_path):
    User.objects.create_user("carol")
    with pytest.raises(CommandError, match="nothing is written"):
        export(tmp_path / "set", "--account", "carol")
    assert not (tmp_path / "set").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("mine")
    with pytest.raises(CommandError, match="is not empty"):
        export(tmp_path / "set", "--everyone")
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_written_is_explained(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match=f"cannot be written: File exists: {tmp_path / 'file'}"):
        export(tmp_path / "file" / "set", "--everyone")


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "set").mkdir()
    export(tmp_path / "set", "--account", "bob")
    assert captions(tmp_path / "set") == ["Said by bob."]


def test_an_export_that_fails_leaves_nothing_behind(tmp_path):
    missing = corrected(Picture.objects.all()).last().shown
    missing.storage.delete(missing.name)
    with pytest.raises(CommandError, match=f"cannot be written: No such file .*{missing.name}"):
        export(tmp_path / "new" / "set", "--everyone")
    assert list((tmp_path / "new").iterdir()) == []


def fine_tune(checkpoint, folder, **options):
    """Train the checkpoint further on `folder/set`; returns the lines that are printed."""
    stdout = io.StringIO()
    call_command(
        "train_captioner",
        "--dataset=captions-csv",
        f"--data-root={folder / 'set'}",
        init_from=checkpoint,
        output=folder / "tuned",
        stdout=stdout,
        **options,
    )
    return stdout.getvalue().splitlines()


@pytest.mark.slow
def test_a_checkpoint_is_fine_tuned_on_corrections(tmp_path, settings, tiny_checkpoint, caplog):
    settings.BASE_DIR = tmp_path
    owner = owner_of_account(User.objects.create_user("dora"))
    for shade in range(160, 256, 8):
        for colour, text in (
            ((shade, 0, 0), "a red dog runs on grass"),
            ((0, 0, shade), "a small person sits in snow"),
        ):
            picture = keep(owner, encoded(Image.new("RGB", (60, 40), colour), "PNG"))
            services.correct(picture, f"{text} today")
    export(tmp_path / "set", "--account", "dora")
    options = {"epochs": 6, "learning_rate": 0.02, "ema_decay": 0.5, "batch_size": 4}
    lines = fine_tune(tiny_checkpoint, tmp_path, **options)
    assert lines[0].startswith("epoch 0  BLEU-1 ")
    before, after = (
        float(re.fullmatch(rf"dev {when} +BLEU-1 .* CIDEr-D (\d\.\d+).*", line)[1])
        for when, line in zip(("before", "after"), lines[-3:-1], strict=True)
    )
    assert after > before + 0.5
    assert re.fullmatch(
        rf"Best epoch \d+, CIDEr-D .*; written to {tmp_path / 'tuned'}\.", lines[-1]
    )
    assert "lacks these words of the train captions: today (1 in all)" in caplog.text
    assert "today" not in load_captioner(tmp_path / "tuned").vocabulary


def test_a_training_without_improvement_says_so(tmp_path, settings, tiny_checkpoint):
    settings.BASE_DIR = tmp_path
    export(tmp_path / "set", "--everyone")
    lines = fine_tune(tiny_checkpoint, tmp_path, epochs=1, learning_rate=1e-9)
    assert lines[-1] == (
        f"No epoch was an improvement; {tmp_path / 'tuned'} has the weights that training started "
        "from."
    )
