import io
import json
import re
import shutil

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from pytorch.model.checkpoint import load_captioner, save_checkpoint
from tests.colours import write_colours

TRAINING = {"dataset": "flickr8k", "terms": "None.", "train_images": 8, "flip": False}


@pytest.fixture(autouse=True)
def checkpoint(settings, tmp_path, tiny_checkpoint):
    """A checkpoint that states its training, and default places away from the developer's own."""
    settings.BASE_DIR = tmp_path
    captioner = load_captioner(tiny_checkpoint)
    captioner.metrics |= {"images": 4, "training": [TRAINING]}
    save_checkpoint(tmp_path / "model", captioner, model_card="")
    settings.CAPTIONER_CHECKPOINT = tmp_path / "model"
    return tmp_path / "model"


def calibrate(*arguments):
    stdout = io.StringIO()
    call_command("calibrate_captioner", *map(str, arguments), stdout=stdout)
    return stdout.getvalue()


@pytest.mark.slow
def test_the_checkpoint_gets_a_confidence_figures_and_a_card(tmp_path, checkpoint):
    root = write_colours(tmp_path / "colours")
    printed = calibrate("--data-root", root, "--output", tmp_path / "sure")
    assert printed.splitlines()[0] == "Learning in which pictures people are."
    assert "flickr8k  good " in printed
    assert printed.endswith(f"Written to {tmp_path / 'sure'}.\n")
    before, captioner = load_captioner(checkpoint), load_captioner(tmp_path / "sure")
    image = Image.new("RGB", (20, 20), "red")
    assert before.caption([image])[0].confidence is None
    assert 0 < captioner.caption([image])[0].confidence < 1
    assert captioner.caption([image])[0].text == before.caption([image])[0].text
    weights = captioner.decoder.state_dict()
    assert all(each.equal(each.half().float()) for each in weights.values())
    metrics = captioner.metrics
    assert metrics["confidence"]["datasets"]["flickr8k"]["images"] == 4
    assert metrics["training"] == before.metrics["training"]
    assert "## Confidence\n" in (tmp_path / "sure" / "README.md").read_text()


@pytest.mark.slow
def test_the_checkpoint_keeps_the_options_given_with_the_scores_that_they_bring(tmp_path):
    root = write_colours(tmp_path / "colours")
    options = ("--data-root", root, "--output", tmp_path / "sure")
    printed = calibrate(*options, "--beam-size=1", "--max-words=3", "--no-people-below=0.2")
    captioner = load_captioner(tmp_path / "sure")
    assert (captioner.decoding.beam_size, captioner.decoding.max_words) == (1, 3)
    assert captioner.decoding.no_people_below == 0.2
    scores = captioner.metrics["dev"]["flickr8k"]["scores"]
    assert captioner.metrics["scores"] == scores
    assert f"flickr8k  BLEU-4 {scores['BLEU-4']:.3f}  CIDEr-D {scores['CIDEr-D']:.3f}" in printed
    evaluated = io.StringIO()
    call_command(
        "evaluate_captioner",
        f"--checkpoint={tmp_path / 'sure'}",
        f"--data-root={root}",
        stdout=evaluated,
    )
    for name, score in scores.items():
        assert re.search(rf"^{re.escape(name)} +{score:.4f}$", evaluated.getvalue(), re.MULTILINE)
    assert (
        "with beam size 1, no people where they are less probable than 0.2:"
        in (tmp_path / "sure" / "README.md").read_text()
    )


@pytest.mark.slow
def test_with_a_names_file_the_card_says_how_captions_name_what_they_show(tmp_path):
    root = write_colours(tmp_path / "colours")
    (tmp_path / "things").mkdir()
    for name in ("cat", "dog"):
        Image.new("RGB", (20, 20), "red").save(tmp_path / "things" / f"{name}.png")
    (tmp_path / "things.json").write_text(json.dumps({"cat.png": ["cat"], "dog.png": ["dog"]}))
    names = ("--names", tmp_path / "things.json")
    printed = calibrate("--data-root", root, "--output", tmp_path / "sure", *names)
    naming = load_captioner(tmp_path / "sure").metrics["naming"]
    assert naming["images"] == 2
    assert f"named   {naming['named']:.4f}\npeople  {naming['people']:.4f}\n" in printed
    assert "captions of 2 pictures of one thing" in (tmp_path / "sure" / "README.md").read_text()
    again = ("--checkpoint", tmp_path / "sure", "--output", tmp_path / "again", "--beam-size=1")
    calibrate("--data-root", root, *again)
    assert "naming" not in load_captioner(tmp_path / "again").metrics


@pytest.mark.slow
def test_the_card_has_the_terms_that_the_data_sets_state_by_now(tmp_path, checkpoint):
    captioner = load_captioner(checkpoint)
    captioner.metrics["training"] = [{"datasets": [TRAINING], "flip": False}]
    save_checkpoint(checkpoint, captioner, model_card="")
    root = write_colours(tmp_path / "colours")
    calibrate("--data-root", root, "--output", tmp_path / "sure")
    [recipe] = load_captioner(tmp_path / "sure").metrics["training"]
    assert "non-commercial research" in recipe["datasets"][0]["terms"]
    assert "non-commercial research" in (tmp_path / "sure" / "README.md").read_text()


def test_options_that_the_checkpoint_cannot_follow_are_refused(tmp_path):
    with pytest.raises(CommandError, match="name_above needs a model with concepts"):
        calibrate("--output", tmp_path / "sure", "--name-above=0.5")


def test_a_checkpoint_that_does_not_state_its_training_is_refused(tmp_path, tiny_checkpoint):
    with pytest.raises(CommandError, match="does not state its training"):
        calibrate("--checkpoint", tiny_checkpoint, "--output", tmp_path / "sure")
    assert not (tmp_path / "sure").exists()


def test_a_folder_that_is_no_checkpoint_is_not_replaced(tmp_path):
    root = write_colours(tmp_path / "colours")
    with pytest.raises(CommandError, match="is not a checkpoint"):
        calibrate("--data-root", root, "--output", root)


def test_without_data_it_says_what_to_get_and_exits_with_2(tmp_path):
    with pytest.raises(CommandError, match=r"Flickr8k_text\.zip") as caught:
        calibrate("--output", tmp_path / "sure")
    assert caught.value.returncode == 2


def test_a_damaged_checkpoint_is_refused_in_a_sentence(tmp_path, checkpoint):
    shutil.copytree(checkpoint, tmp_path / "damaged")
    metrics = tmp_path / "damaged" / "metrics.json"
    metrics.write_text(json.dumps({}))
    with pytest.raises(CommandError, match=r"metrics\.json is not the file"):
        calibrate("--checkpoint", tmp_path / "damaged", "--output", tmp_path / "sure")
