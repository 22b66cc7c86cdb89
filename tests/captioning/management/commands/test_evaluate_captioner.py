import dataclasses
import io
import json
import shutil

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from pytorch.data.datasets import load_dataset
from pytorch.evaluation.metrics import score_captions
from pytorch.evaluation.results import write_results
from pytorch.model.checkpoint import load_captioner, save_checkpoint
from pytorch.model.decoding import DecodingConfig
from tests.colours import write_colours
from tests.tiny import tiny_confidence


@pytest.fixture(autouse=True)
def base_dir(settings, tmp_path, tiny_checkpoint, monkeypatch):
    monkeypatch.setenv("PATH", "")  # without Java, for which SPICE would take long
    settings.BASE_DIR = tmp_path
    settings.CAPTIONER_CHECKPOINT = tiny_checkpoint
    return tmp_path


def evaluate(*arguments):
    stdout = io.StringIO()
    call_command("evaluate_captioner", *map(str, arguments), stdout=stdout)
    return stdout.getvalue()


def expected_scores(root, checkpoint, split, beam_size):
    dataset = load_dataset("flickr8k", root)
    examples = dataset.split(split)
    images = [dataset.images.open(example.image) for example in examples]
    captioner = load_captioner(checkpoint)
    decoding = dataclasses.replace(captioner.decoding, beam_size=beam_size)
    captions = captioner.caption(images, decoding=decoding)
    references = [example.captions for example in examples]
    return score_captions([caption.text for caption in captions], references)


def test_the_scores_are_those_of_the_captions_the_checkpoint_gives(base_dir, tiny_checkpoint):
    root = write_colours(base_dir / "data" / "flickr8k")
    output = base_dir / "scores.json"
    printed = evaluate("--checkpoint", tiny_checkpoint, "--beam-size", 3, "--output", output)
    metrics = json.loads(output.read_text())
    assert metrics["scores"] == pytest.approx(expected_scores(root, tiny_checkpoint, "dev", 3))
    assert metrics["split"] == "dev"
    assert metrics["images"] == 4
    assert metrics["decoding"]["beam_size"] == 3
    lines, faults = printed.splitlines()[:9], printed.splitlines()[9:]
    assert faults == [f"{name:19}  {count} captions" for name, count in metrics["faults"].items()]
    assert [lines.pop(4), lines.pop()] == [
        f"{name:19}  {metrics['metric_notes'][name]}" for name in ("METEOR", "SPICE")
    ]
    assert [line.rsplit(maxsplit=1) for line in lines] == [
        [name, f"{score:.4f}"] for name, score in metrics["scores"].items()
    ]
    assert "without synonyms" in metrics["metric_notes"]["METEOR (exact+stem)"]


def test_the_split_and_the_beam_size_have_defaults_from_the_checkpoint(base_dir):
    root = write_colours(base_dir / "colours")
    evaluate("--data-root", root, "--output", base_dir / "default.json")
    evaluate("--data-root", root, "--split", "train", "--output", base_dir / "train.json")
    assert json.loads((base_dir / "default.json").read_text())["decoding"]["beam_size"] == 2
    assert json.loads((base_dir / "train.json").read_text())["images"] == 8


def test_search_options_replace_those_of_the_checkpoint(base_dir, tiny_checkpoint):
    write_colours(base_dir / "data" / "flickr8k")
    output, own = base_dir / "scores.json", load_captioner(tiny_checkpoint).decoding
    settings = ["--length-normalization", 0.5, "--no-repeat-ngram", 1, "--max-words", 4]
    settings += ["--grammar-rules", "--must-say", "dog|cat", "--must-not-say", "the"]
    evaluate(*settings, "--output", output, "--results-json", base_dir / "captions.json")
    changed = {"length_normalization": 0.5, "no_repeat_ngram": 1, "max_words": 4}
    changed |= {"grammar_rules": True, "must_say": ("dog|cat",), "must_not_say": ("the",)}
    used = DecodingConfig(**json.loads(output.read_text())["decoding"])
    assert used == dataclasses.replace(own, **changed)
    captions = [
        each["caption"].split() for each in json.loads((base_dir / "captions.json").read_text())
    ]
    assert all(len(words) <= 4 and len(set(words)) == len(words) for words in captions)
    assert all({"dog", "cat"} & set(words) and "the" not in words for words in captions)


@pytest.mark.parametrize(
    ("arguments", "message", "returncode"),
    [
        (["--split", "test"], r"Flickr_8k\.testImages\.txt is missing", 2),
        (["--split", "spam"], "no split 'spam'", 2),
        (["--data-root", "nowhere"], "no complete Flickr8k in nowhere", 2),
        (["--beam-size", "0"], "at least 1, not 0", 1),
        (["--must-say", "zebra"], "must_say has 'zebra', which is not one of the 18 words", 1),
        (["--name-above", "0.3"], "name_above needs a model with concepts", 1),
        (["--checkpoint", "nowhere"], "no checkpoint at nowhere", 1),
        (["--score-results", "nowhere.json"], "nowhere.json cannot be read", 1),
        (["--score-results", "x.json", "--beam-size", "2"], "--beam-size is for a checkpoint", 1),
        (["--score-results", "x.json", "--checkpoint", "x"], "not allowed with argument", 1),
        (["--results-json", "nowhere/x.json"], "--results-json nowhere/x.json cannot be", 1),
        (["--gallery", "."], "--gallery . cannot be written", 1),
        (["--names", "nowhere.json"], "nowhere.json cannot be read", 2),
        (["--names", "x.json", "--score-results", "x.json"], "--names is for a checkpoint", 1),
        (["--names", "x.json", "--gallery", "x.html"], "give --dataset as well", 1),
    ],
)
def test_errors_are_sentences(base_dir, arguments, message, returncode):
    write_colours(base_dir / "data" / "flickr8k")
    with pytest.raises(CommandError, match=message) as caught:
        evaluate(*arguments)
    assert caught.value.returncode == returncode


def test_captions_written_as_coco_results_score_the_same_without_the_model(base_dir):
    root = write_colours(base_dir / "data" / "flickr8k")
    results, ours, theirs = (base_dir / name for name in ["r.json", "ours.json", "theirs.json"])
    printed = evaluate("--results-json", results, "--output", ours)
    for picture in (root / "Flickr8k_Dataset").iterdir():
        picture.write_bytes(b"")  # scoring needs no more of them than their names
    assert evaluate("--score-results", results, "--output", theirs) == printed
    ours, theirs = json.loads(ours.read_text()), json.loads(theirs.read_text())
    assert theirs["scores"] == ours["scores"]
    assert theirs["results"] == "r.json"
    assert "checkpoint" not in theirs


def test_the_references_are_written_for_other_tools(base_dir):
    root = write_colours(base_dir / "data" / "flickr8k")
    evaluate("--references-json", base_dir / "references.json", "--split", "dev")
    written = json.loads((base_dir / "references.json").read_text())
    examples = load_dataset("flickr8k", root).split("dev")
    assert [image["file_name"] for image in written["images"]] == [each.image for each in examples]
    assert [each["caption"] for each in written["annotations"]] == [
        caption for example in examples for caption in example.captions
    ]


def test_the_gallery_shows_captions_word_by_word(base_dir, tiny_checkpoint):
    root = write_colours(base_dir / "data" / "flickr8k")
    evaluate("--gallery", base_dir / "gallery.html", "--beam-size", 3)
    page = (base_dir / "gallery.html").read_text()
    examples = load_dataset("flickr8k", root).split("dev")
    shown = [example for example in examples if example.image in page]
    assert len(shown) == 3  # the best, the median and the worst of four
    images = [load_dataset("flickr8k", root).images.open(example.image) for example in shown]
    for caption in load_captioner(tiny_checkpoint).caption(
        images, decoding=DecodingConfig(beam_size=3, max_words=6)
    ):
        assert caption.sentence in page
    assert "where the model looked for" in page
    assert "A red square ." in page or "A green square ." in page


def test_the_gallery_of_another_system_shows_its_captions_unchanged(base_dir):
    root = write_colours(base_dir / "data" / "flickr8k")
    examples = load_dataset("flickr8k", root).split("dev")
    captions = [f"{example.captions[0]} <{place}>" for place, example in enumerate(examples)]
    ids = {example.image: place for place, example in enumerate(examples, start=1)}
    write_results(base_dir / "results.json", ids, dict(zip(ids, captions, strict=True)))
    gallery = base_dir / "gallery.html"
    evaluate("--score-results", base_dir / "results.json", "--gallery", gallery)
    page = gallery.read_text()
    assert sum(f" &lt;{place}&gt;</p>" in page for place in range(4)) == 3
    assert "<h1>Captions of results.json for flickr8k dev</h1>" in page
    assert "where the model looked for" not in page


def test_missing_images_are_refused_or_if_allowed_reported(base_dir):
    root = write_colours(base_dir / "data" / "flickr8k")
    (root / "Flickr8k_Dataset" / "dev-red-0.jpg").unlink()
    (root / "Flickr8k_Dataset" / "dev-blue-0.jpg").write_bytes(b"no picture")
    with pytest.raises(
        CommandError, match=r"1 cannot be used: dev-red-0\.jpg \(missing\)"
    ) as caught:
        evaluate()
    assert caught.value.returncode == 2
    evaluate("--allow-missing", "--output", base_dir / "scores.json")
    metrics = json.loads((base_dir / "scores.json").read_text())
    assert metrics["images"] == 2
    assert list(metrics["skipped_images"]) == ["dev-red-0.jpg", "dev-blue-0.jpg"]
    assert "cannot be read" in metrics["skipped_images"]["dev-blue-0.jpg"]
    assert str(base_dir) not in (base_dir / "scores.json").read_text()


def test_captions_of_the_readable_images_can_be_scored_from_a_file(base_dir):
    root = write_colours(base_dir / "data" / "flickr8k")
    (root / "Flickr8k_Dataset" / "dev-blue-0.jpg").write_bytes(b"no picture")
    results, ours, theirs = (base_dir / name for name in ["r.json", "ours.json", "theirs.json"])
    printed = evaluate("--allow-missing", "--results-json", results, "--output", ours)
    message = r"no caption for some images .*\(1 in all, the first is 'dev-blue-0\.jpg'\)"
    with pytest.raises(CommandError, match=message):
        evaluate("--score-results", results)
    scored = ("--allow-missing", "--score-results", results, "--output", theirs)
    assert evaluate(*scored) == printed
    assert json.loads(theirs.read_text())["skipped_images"] == {
        "dev-blue-0.jpg": "no caption in r.json"
    }
    # An image that is not here at all changes neither the others' ids nor what is said of them.
    (root / "Flickr8k_Dataset" / "dev-blue-0.jpg").unlink()
    assert evaluate(*scored) == printed


def test_a_file_without_captions_is_refused(base_dir):
    write_colours(base_dir / "data" / "flickr8k")
    (base_dir / "results.json").write_text("[]")
    with pytest.raises(CommandError, match=r"no caption for some images .*\(4 in all, the first"):
        evaluate("--score-results", base_dir / "results.json")


def test_only_the_files_that_are_needed_must_exist(base_dir):
    root = write_colours(base_dir / "data" / "flickr8k")
    (root / "Flickr_8k.trainImages.txt").unlink()
    for image in (root / "Flickr8k_Dataset").glob("train-*"):
        image.unlink()
    results = base_dir / "results.json"
    printed = evaluate("--split", "dev", "--results-json", results)
    shutil.rmtree(root / "Flickr8k_Dataset")
    assert evaluate("--split", "dev", "--score-results", results) == printed


def test_a_gallery_needs_the_images(base_dir):
    root = write_colours(base_dir / "data" / "flickr8k")
    evaluate("--results-json", base_dir / "results.json")
    (root / "Flickr8k_Dataset" / "dev-red-0.jpg").unlink()
    scored = ("--score-results", base_dir / "results.json", "--output", base_dir / "scores.json")
    scored += ("--gallery", base_dir / "gallery.html")
    with pytest.raises(CommandError, match=r"dev-red-0\.jpg \(missing\)"):
        evaluate(*scored)
    evaluate("--allow-missing", *scored)
    scores = json.loads((base_dir / "scores.json").read_text())
    assert scores["images"] == 3
    assert scores["skipped_images"] == {"dev-red-0.jpg": "missing"}


@pytest.fixture
def names(base_dir):
    """A names file, with two pictures in the folder beside it."""
    pictures = base_dir / "animals"
    pictures.mkdir()
    for name in ("cat.png", "dog.png"):
        Image.new("RGB", (20, 20), "red").save(pictures / name)
    path = base_dir / "animals.json"
    path.write_text(json.dumps({"cat.png": ["cat", "tabby cat"], "dog.png": ["dog"]}))
    return path


def test_naming_alone_needs_no_data_set(base_dir, names, tiny_checkpoint):
    printed = evaluate("--names", names, "--beam-size", 1, "--output", base_dir / "scores.json")
    metrics = json.loads((base_dir / "scores.json").read_text())
    naming = metrics["naming"]
    assert printed == f"named   {naming['named']:.4f}\npeople  {naming['people']:.4f}\n"
    assert naming["names"] == "animals.json"
    assert naming["images"] == 2
    images = [Image.open(base_dir / "animals" / name) for name in ("cat.png", "dog.png")]
    decoding = DecodingConfig(beam_size=1, max_words=6)
    captions = load_captioner(tiny_checkpoint).caption(images, decoding=decoding)
    assert list(naming["captions"].values()) == [caption.text for caption in captions]
    assert metrics["decoding"]["beam_size"] == 1
    assert "scores" not in metrics


def test_naming_follows_the_scores_of_a_data_set_that_is_given(base_dir, names):
    root = write_colours(base_dir / "colours")
    output = base_dir / "scores.json"
    scored = evaluate("--data-root", root)
    both = evaluate("--data-root", root, "--names", names, "--output", output)
    assert both == scored + evaluate("--names", names)
    assert {"scores", "faults", "naming"} <= set(json.loads(output.read_text()))


def test_the_confidence_of_a_checkpoint_is_compared_with_the_scores(base_dir, tiny_checkpoint):
    write_colours(base_dir / "data" / "flickr8k")
    captioner = load_captioner(tiny_checkpoint)
    captioner.confidence = tiny_confidence(channels=captioner.encoder.channels)
    save_checkpoint(base_dir / "sure", captioner, model_card="")
    output = base_dir / "scores.json"
    printed = evaluate("--checkpoint", base_dir / "sure", "--output", output)
    correlation = json.loads(output.read_text())["confidence Spearman"]
    assert -1 <= correlation <= 1
    assert printed.splitlines()[-1] == f"confidence Spearman {correlation:.2f}"
    assert "confidence" not in evaluate()
