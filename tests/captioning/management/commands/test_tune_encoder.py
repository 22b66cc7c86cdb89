import io
import json

import pytest
from django.core.management import CommandError, call_command

from pytorch.model.encoders import Encoder
from tests.colours import write_colours

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def base_dir(settings, tmp_path):
    """Default places for data and cache, away from the developer's own."""
    settings.BASE_DIR = tmp_path
    return tmp_path


def run(command, *arguments):
    stdout = io.StringIO()
    call_command(command, *map(str, arguments), stdout=stdout)
    return stdout.getvalue()


def test_what_it_writes_can_be_trained_with(base_dir):
    root = write_colours(base_dir / "colours")
    model = ("--data-root", root, "--encoder=efficientnet_lite2", "--grid-size=1")
    weights = base_dir / "tuned.safetensors"
    options = ("--tune-from=24", "--batch-size=4", "--min-count=1", "--output", weights)
    printed = run("tune_encoder", *model, *options)
    assert "step 4 of 4  loss " in printed
    assert printed.endswith(f"Written to {weights}.\n")
    injection = ("--injection=semantic-attention", "--epochs=1", "--output", base_dir / "model")
    run("train_captioner", *model, "--encoder-weights", weights, *injection)
    config = json.loads((base_dir / "model" / "config.json").read_text())
    assert config["encoder"]["weights"] == "tuned"
    encoder = Encoder("efficientnet_lite2")
    encoder.load_file(weights)
    assert config["encoder"]["weights_hash"] == encoder.weights_hash()
    card = (base_dir / "model" / "README.md").read_text()
    assert "tuned before the decoder was trained" in card


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--output=tuned.pth", "must end in .safetensors, not 'tuned.pth'"),
        ("--batch-size=0", "batch_size must be at least 1, not 0"),
        ("--output=missing/tuned.safetensors", "name a file in a folder that exists"),
    ],
)
def test_options_out_of_range_are_refused(base_dir, option, message):
    with pytest.raises(CommandError, match=message):
        run("tune_encoder", f"--output={base_dir / 'tuned.safetensors'}", option)


def test_without_data_it_says_what_to_get_and_exits_with_2(base_dir):
    with pytest.raises(CommandError, match=r"Flickr8k_text\.zip") as caught:
        run("tune_encoder", "--output", base_dir / "tuned.safetensors")
    assert caught.value.returncode == 2
