"""A run on two data sets and on sentences without pictures, which names concepts."""

import csv
import json

import pytest
from PIL import Image

from pytorch.data.datasets import load_dataset
from pytorch.data.formats.sentences import load_sentences
from pytorch.model.checkpoint import load_captioner
from pytorch.training import concept_fitting
from pytorch.training.epoch import TrainingError
from pytorch.training.run import run_training
from pytorch.training.run_config import RunConfig
from pytorch.training.run_folder import RunFolder
from pytorch.training.train_data import Weighted
from tests.colours import write_colours

pytestmark = pytest.mark.slow

OPTIONS = {
    "encoder": "efficientnet_lite2",
    "grid_size": 1,
    "injection": "semantic-attention",
    "hidden_size": 32,
    "min_count": 1,
    "min_text_count": 2,
    "epochs": 2,
    "self_critical_epochs": 1,
    "batch_size": 8,
    "patience": 9,
    "flip": True,
}
SENTENCES = """\
coco\tA tram in the colour red.
coco\tA tram is green all over.
ade\tThere is a kitchen in a house.
"""


def write_table(root):
    (root / "Images").mkdir(parents=True)
    lines = ["image,caption,split"]
    for colour in ("pink", "brown", "purple"):
        Image.new("RGB", (50, 40), colour).save(root / "Images" / f"{colour}.png")
        lines.append(f"{colour}.png,A {colour} square is here.,train")
    (root / "captions.csv").write_text("\n".join(lines))
    return root


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    (root / "sentences.tsv").write_text(SENTENCES)
    table = load_dataset(
        "captions-csv", write_table(root / "table"), splits=["train", "dev"], optional=["dev"]
    )
    return [
        Weighted(load_dataset("flickr8k", write_colours(root / "colours")), 0.5),
        Weighted(table, 2.0),
        Weighted(load_sentences(root), 3.0),
    ]


@pytest.fixture(scope="module", autouse=True)
def _few_steps():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concept_fitting, "STEPS", 20)
        patch.setattr(concept_fitting, "STEPS_OF_HALF", 20)
        yield


def run(parts, folder, cache, *, resume=False, stop_after=None):
    def on_epoch(result):
        if result.epoch == stop_after:
            raise KeyboardInterrupt

    folder = RunFolder(folder)
    return run_training(
        parts,
        RunConfig.of(OPTIONS),
        folder=folder,
        output=folder.checkpoint,
        cache_dir=cache,
        on_epoch=on_epoch,
        resume=resume,
    )


def losses(folder):
    with (folder / "log.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def whole(parts, tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    run(parts, root / "whole", root / "cache")
    return root


def test_the_checkpoint_names_all_data_sets_and_has_concepts(whole):
    checkpoint = whole / "whole" / "checkpoint"
    captioner = load_captioner(checkpoint)
    words = [captioner.vocabulary.words[number] for number in captioner.concepts.words]
    assert {"red", "pink", "square", "tram"} <= set(words)
    assert "kitchen" not in captioner.vocabulary  # only once
    card = (checkpoint / "README.md").read_text()
    assert "`captions-csv` (3 images, and their mirror images, weight 2)" in card
    assert "and `sentences` (3 sentences without pictures, weight 3)" in card
    assert "their sources: ade (1), coco (2)." in card
    metrics = json.loads((checkpoint / "metrics.json").read_text())
    assert metrics["dataset"] == "flickr8k"
    assert [each["dataset"] for each in metrics["training"][0]["datasets"]] == [
        "flickr8k",
        "captions-csv",
        "sentences",
    ]


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_stopped_run_resumes_as_if_it_had_never_stopped(parts, whole, epoch):
    folder = whole / f"stopped-{epoch}"
    with pytest.raises(KeyboardInterrupt):
        run(parts, folder, whole / "cache", stop_after=epoch)
    run(parts, folder, whole / "cache", resume=True)
    assert losses(folder) == losses(whole / "whole")
    weights = [
        (each / "checkpoint" / "weights.safetensors").read_bytes()
        for each in (folder, whole / "whole")
    ]
    assert weights[0] == weights[1]


def test_a_run_is_not_resumed_with_other_sentences_or_weights(parts, whole, tmp_path):
    *pictures, sentences = parts
    with pytest.raises(TrainingError, match=r"sentences in .*, weight 3', not .*, weight 2'"):
        run([*pictures, Weighted(sentences.data, 2.0)], whole / "whole", whole, resume=True)
    text = (sentences.data.root / "sentences.tsv").read_text()
    try:
        (sentences.data.root / "sentences.tsv").write_text(text.replace("over", "through"))
        changed = Weighted(load_sentences(sentences.data.root), 3.0)
    finally:
        (sentences.data.root / "sentences.tsv").write_text(text)
    with pytest.raises(TrainingError, match="was started with other captions, images or encoder"):
        run([*pictures, changed], whole / "whole", whole / "cache", resume=True)
