import io
import json

import pytest
from django.core.management import CommandError, call_command

from pytorch.checkpoints import load_captioner
from pytorch.datasets import load_dataset
from pytorch.metrics import score_captions
from tests.colours import write_colours


@pytest.fixture(autouse=True)
def base_dir(settings, tmp_path, tiny_checkpoint):
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
    captions = load_captioner(checkpoint).caption(images, beam_size=beam_size)
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
    assert metrics["beam_size"] == 3
    names = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "ROUGE-L", "CIDEr-D"]
    assert [line.split() for line in printed.splitlines()] == [
        [name, f"{metrics['scores'][name]:.4f}"] for name in names
    ]


def test_the_split_and_the_beam_size_have_defaults_from_the_checkpoint(base_dir):
    root = write_colours(base_dir / "colours")
    evaluate("--data-root", root, "--output", base_dir / "default.json")
    evaluate("--data-root", root, "--split", "train", "--output", base_dir / "train.json")
    assert json.loads((base_dir / "default.json").read_text())["beam_size"] == 2
    assert json.loads((base_dir / "train.json").read_text())["images"] == 8


@pytest.mark.parametrize(
    ("arguments", "message", "returncode"),
    [
        (["--split", "test"], "no split 'test'; it has: train, dev", 2),
        (["--data-root", "nowhere"], "no complete Flickr8k in nowhere", 2),
        (["--beam-size", "0"], "at least 1, not 0", 1),
        (["--checkpoint", "nowhere"], "no checkpoint at nowhere", 1),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_a_sentence(base_dir, arguments, message, returncode):
    write_colours(base_dir / "data" / "flickr8k")
    with pytest.raises(CommandError, match=message) as caught:
        evaluate(*arguments)
    assert caught.value.returncode == returncode


def test_missing_images_stop_it_unless_they_are_allowed_and_are_then_told(base_dir):
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
