import dataclasses
import json
import re

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pytorch.data.datasets import load_dataset
from pytorch.data.prepared import prepare
from pytorch.evaluation.evaluate import evaluate
from pytorch.model.checkpoint import default_device, load_captioner, save_checkpoint
from pytorch.model.checkpoint_files import CheckpointError
from pytorch.model.encoders import Encoder, EncoderError
from pytorch.model.tokenization import sentence
from pytorch.training.epoch import TrainingError
from pytorch.training.optimization import computes_in_half_precision
from pytorch.training.run import run_training
from pytorch.training.run_config import RunConfig
from pytorch.training.run_folder import RunFolder
from pytorch.training.train_data import Weighted
from tests.colours import write_colours

pytestmark = pytest.mark.slow

MODEL = {"encoder": "efficientnet_lite2", "grid_size": 1, "min_count": 2}
OPTIONS = {
    "epochs": 15,
    "patience": 15,
    "base_lr_epochs": 15,
    "batch_size": 4,
    "ema_decay": 0.5,
}


def run(
    dataset, folder, *, cache, output=None, on_epoch=lambda result: None, resume=False, **changes
):
    folder = RunFolder(folder)
    model = {} if "init_from" in changes else MODEL
    return run_training(
        [Weighted(dataset)],
        RunConfig.of({**model, **OPTIONS, **changes}),
        folder=folder,
        output=output or folder.checkpoint,
        cache_dir=cache,
        on_epoch=on_epoch,
        resume=resume,
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    dataset = load_dataset("flickr8k", write_colours(root / "colours"))
    results = []
    best = run(dataset, root / "run", cache=root / "cache", on_epoch=results.append)
    return dataset, root / "run" / "checkpoint", results, best


def test_the_trained_checkpoint_names_the_colours_of_the_dev_images(trained):
    dataset, output, _, _ = trained
    captioner = load_captioner(output)
    for example in dataset.split("dev"):
        caption = captioner.caption([dataset.images.open(example.image)])[0]
        assert example.image.split("-")[1] in caption.text.split()


def test_the_checkpoint_is_that_of_the_best_epoch(trained):
    _, output, results, best = trained
    assert best is max(results, key=lambda result: result.scores["CIDEr-D"])
    metrics = json.loads((output / "metrics.json").read_text())
    assert metrics["training"][0]["best_epoch"] == best.epoch
    assert metrics["scores"]["CIDEr-D"] == round(best.scores["CIDEr-D"], 4)
    assert metrics["training"][0]["seed"] == 1
    assert metrics["training"][0]["world_size"] == 1


def test_the_vocabulary_comes_from_the_train_split_only(trained):
    dataset, output, _, _ = trained
    words = load_captioner(output).vocabulary.words
    assert "red" in words
    assert "2040e0" not in words
    train = " ".join(text for e in dataset.split("train") for text in e.captions).lower().split()
    assert set(words[4:]) <= set(train)


def test_the_model_card_has_the_data_its_terms_and_the_scores(trained):
    _, output, _, best = trained
    card = (output / "README.md").read_text()
    assert "Flickr8k is for non-commercial research and education." in card
    assert "Apache-2.0" in card
    assert f"{best.scores['CIDEr-D']:.3f}" in card
    assert "{" not in card


def test_encoder_weights_from_a_file_go_into_the_checkpoint(trained, tmp_path):
    dataset, _, _, _ = trained
    torch.save(Encoder("efficientnet_lite2").trunk.state_dict(), tmp_path / "weights.pth")
    weights = tmp_path / "weights.pth"
    run(dataset, tmp_path / "run", cache=tmp_path, encoder_weights=weights, epochs=1)
    model = tmp_path / "run" / "checkpoint"
    assert load_captioner(model).encoder.weights_source == "file"
    assert "from a local file" in (model / "README.md").read_text()


def test_a_checkpoint_can_be_trained_further(trained, tmp_path):
    dataset, output, _, best = trained
    results = []
    changes = {"init_from": output, "epochs": 0, "self_critical_epochs": 1}
    run(dataset, tmp_path / "run", cache=tmp_path, on_epoch=results.append, **changes)
    assert [result.epoch for result in results] == [0, 1]
    assert results[0].scores == pytest.approx(best.scores)
    further = load_captioner(tmp_path / "run" / "checkpoint")
    assert further.vocabulary.words == load_captioner(output).vocabulary.words
    recipes = further.metrics["training"]
    assert [recipe["epochs"] for recipe in recipes] == [15, 0]
    before = {name: round(score, 4) for name, score in best.scores.items()}
    assert [recipe.get("scores_before") for recipe in recipes] == [None, before]
    assert [recipe.get("min_count") for recipe in recipes] == [2, None]


def test_options_change_the_decoding_of_a_checkpoint_trained_further(trained, tmp_path):
    dataset, output, _, _ = trained
    changes = {"init_from": output, "epochs": 1, "beam_size": 2, "length_normalization": 0.5}
    run(dataset, tmp_path / "run", cache=tmp_path, **changes)
    decoding = load_captioner(tmp_path / "run" / "checkpoint").decoding
    assert decoding == dataclasses.replace(
        load_captioner(output).decoding, beam_size=2, length_normalization=0.5
    )
    written = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (written["encoder"], written["grid_size"]) == ("efficientnet_lite2", 1)


def test_a_warning_names_the_words_that_a_checkpoint_trained_further_lacks(
    trained, tmp_path, caplog
):
    dataset, output, _, _ = trained
    first, *others = dataset.split("train")
    told = dataclasses.replace(first, captions=("An aubergine and an aubergine is a fruit.",))
    dataset = dataclasses.replace(dataset, splits=dataset.splits | {"train": (told, *others)})
    changes = {"init_from": output, "epochs": 1}
    run(dataset, tmp_path / "run", cache=tmp_path, **changes)
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"The vocabulary of {output} is fixed, and lacks these words")
    assert (
        ": an, aubergine, and, fruit (4 in all). The model learns the words around them" in message
    )
    words = load_captioner(tmp_path / "run" / "checkpoint").vocabulary.words
    assert words == load_captioner(output).vocabulary.words


@pytest.mark.parametrize("output", ["mine", "runs", "runs/new"])
def test_a_checkpoint_that_would_replace_something_else_stops_before_anything_is_written(
    trained, tmp_path, output
):
    dataset, _, _, _ = trained
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "weights").write_text("precious")
    with pytest.raises(CheckpointError, match="Name another place"):
        run(dataset, tmp_path / "runs" / "new", cache=tmp_path / "cache", output=tmp_path / output)
    assert (tmp_path / "mine" / "weights").read_text() == "precious"
    assert not (tmp_path / "runs" / "new").exists()
    assert not (tmp_path / "cache").exists()


def test_a_checkpoint_does_not_replace_the_one_that_training_starts_from(trained, tmp_path):
    dataset, output, _, _ = trained
    with pytest.raises(CheckpointError, match="would replace the one that training starts from"):
        run(dataset, tmp_path / "run", cache=tmp_path, init_from=output, output=output)


def test_a_checkpoint_that_does_not_state_its_data_is_not_trained_further(trained, tmp_path):
    dataset, output, _, _ = trained
    captioner = load_captioner(output)
    del captioner.metrics["training"][0]["datasets"][0]["terms"]
    save_checkpoint(tmp_path / "old", captioner, model_card="")
    with pytest.raises(CheckpointError, match="does not state 'terms' of its training"):
        run(dataset, tmp_path / "run", cache=tmp_path / "cache", init_from=tmp_path / "old")
    assert not (tmp_path / "cache").exists()


@pytest.mark.skipif(computes_in_half_precision(default_device()), reason="There is half precision.")
def test_mixed_precision_without_half_precision_is_refused(trained, tmp_path):
    dataset, _, _, _ = trained
    with pytest.raises(TrainingError, match="mixed_precision needs a GPU, or a processor with AMX"):
        run(dataset, tmp_path / "run", cache=tmp_path / "cache", mixed_precision=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(
    not computes_in_half_precision(default_device()), reason="There is no half precision."
)
@pytest.mark.parametrize("injection", ["attention", "every-step"])
def test_mixed_precision_trains(trained, tmp_path, injection):
    dataset, _, _, _ = trained
    options = {"mixed_precision": True, "epochs": 2, "injection": injection}
    results = []
    run(dataset, tmp_path / "run", cache=tmp_path, on_epoch=results.append, **options)
    assert results[1].loss < results[0].loss


def test_a_run_is_not_resumed_with_other_data_or_another_place(trained, tmp_path):
    dataset, _, _, _ = trained
    run(dataset, tmp_path / "run", cache=tmp_path, epochs=1)
    first, *others = dataset.split("train")
    renamed = dataclasses.replace(first, captions=("A shade is a shade .",))
    other = dataclasses.replace(dataset, splits=dataset.splits | {"train": (renamed, *others)})
    with pytest.raises(TrainingError, match="was started with other captions, images or encoder"):
        run(other, tmp_path / "run", cache=tmp_path, epochs=1, resume=True)
    elsewhere = tmp_path / "elsewhere"
    with pytest.raises(TrainingError, match=r"has output = None, not '.*/elsewhere'"):
        run(dataset, tmp_path / "run", cache=tmp_path, epochs=1, resume=True, output=elsewhere)


def test_missing_encoder_weights_stop_before_anything_is_written(trained, tmp_path):
    dataset, _, _, _ = trained
    with pytest.raises(EncoderError, match=r"nowhere\.pth"):
        run(
            dataset,
            tmp_path / "run",
            cache=tmp_path / "cache",
            encoder_weights=tmp_path / "nowhere.pth",
        )
    assert not (tmp_path / "run" / "checkpoint").exists()
    assert not (tmp_path / "cache").exists()


def test_flipped_and_skipped_images_are_recorded_and_change_no_vocabulary(trained, tmp_path):
    dataset, _, _, _ = trained
    absent = dataset.split("train")[0].image
    dataset = dataclasses.replace(dataset, allow_missing=True).leave_out({absent: "missing"})
    run(dataset, tmp_path / "run", cache=tmp_path / "cache", min_count=9, flip=True, epochs=1)
    model = tmp_path / "run" / "checkpoint"
    [recipe] = json.loads((model / "metrics.json").read_text())["training"]
    assert recipe["flip"] is True
    [described] = recipe["datasets"]
    assert described["train_images"] == 7
    assert described["skipped_images"] == {"train": {absent: "missing"}, "dev": {}}
    # Each image has "a", "square" and "is" twice, and all else once.
    assert load_captioner(model).vocabulary.words[4:] == ("a", "is", "square")


def test_reasons_for_skipped_images_name_no_folder_of_the_machine(tmp_path):
    root = write_colours(tmp_path / "colours")
    dataset = load_dataset("flickr8k", root, allow_missing=True)
    empty, damaged, gone = (example.image for example in dataset.split("train")[:3])
    folder = next(root.rglob(empty)).parent
    (folder / empty).write_bytes(b"")
    (folder / damaged).write_bytes(b"not an image")
    (folder / gone).unlink()
    (folder / gone).symlink_to(folder / "nowhere")
    (folder / "nowhere").mkdir()
    run(dataset, tmp_path / "run", cache=tmp_path / "cache", epochs=1)
    text = (tmp_path / "run" / "checkpoint" / "metrics.json").read_text()
    skipped = json.loads(text)["training"][0]["datasets"][0]["skipped_images"]["train"]
    assert set(skipped) == {empty, damaged, gone}
    assert skipped[empty].startswith(f"The image {empty} in {folder.name} cannot be read: ")
    assert skipped[gone] == (
        f"The image {gone} in {folder.name} cannot be read (Is a directory). Get the file again."
    )
    assert str(tmp_path) not in text
    assert "object at 0x" not in text


def test_the_report_of_a_run_stopped_and_moved_and_resumed_covers_all_epochs(trained, tmp_path):
    dataset, _, results, _ = trained
    folder = tmp_path / "run"

    def stop_after_the_second(result):
        if result.epoch == 2:
            raise KeyboardInterrupt

    def captions_in_the_report():
        page = (folder / "report.html").read_text(encoding="utf-8")
        return re.findall(r'<li value="(\d+)"><(?:span|strong)>(.*?)</', page)

    def captions_of(epochs):
        return [
            (str(result.epoch), sentence(result.captions["flickr8k"][example.image].split()))
            for example in dataset.split("dev")
            for result in results[:epochs]
        ]

    with pytest.raises(KeyboardInterrupt):
        run(dataset, folder, cache=tmp_path, on_epoch=stop_after_the_second, epochs=3)
    assert captions_in_the_report() == captions_of(2)
    folder = folder.rename(tmp_path / "moved")
    run(dataset, folder, cache=tmp_path, epochs=3, resume=True)
    assert (folder / "checkpoint" / "config.json").is_file()
    assert captions_in_the_report() == captions_of(3)
    accumulator = EventAccumulator(str(folder / "tensorboard"))
    accumulator.Reload()
    assert [event.step for event in accumulator.Scalars("dev/CIDEr-D")] == [1, 2, 3]


def test_weights_that_become_infinite_or_undefined_are_not_saved(trained, tmp_path):
    dataset, _, _, _ = trained
    run(dataset, tmp_path / "run", cache=tmp_path, epochs=1)
    kept = contents(tmp_path / "run" / "checkpoint")
    options = {"init_from": tmp_path / "run" / "checkpoint", "learning_rate": 1e30}
    with pytest.raises(TrainingError, match=r"^(Weights|The loss) became .* lower learning rate\."):
        run(dataset, tmp_path / "further", cache=tmp_path, epochs=3, **options)
    assert contents(tmp_path / "run" / "checkpoint") == kept
    state = RunFolder(tmp_path / "further").load_state(torch.device("cpu"))
    captioner = load_captioner(tmp_path / "further" / "checkpoint")
    for weights in (*state["weights"].values(), captioner.state_dict()):
        assert all(tensor.isfinite().all() for tensor in weights.values())


def test_an_unknown_layer_stops_before_anything_is_computed(trained, tmp_path):
    dataset, _, _, _ = trained
    with pytest.raises(EncoderError, match="no layer 'layer4' to fine-tune from; choose one"):
        run(dataset, tmp_path / "run", cache=tmp_path / "cache", fine_tune_from="layer4")
    assert not (tmp_path / "cache").exists()


def test_a_fine_tuned_checkpoint_has_the_scores_of_its_run(trained, tmp_path):
    dataset, _, _, _ = trained
    options = {"epochs": 3, "fine_tune_from": "23", "fine_tune_after": 0}
    best = run(dataset, tmp_path / "run", cache=tmp_path, learning_rate=0.01, **options)
    model = tmp_path / "run" / "checkpoint"
    loaded = load_captioner(model)
    cache = tmp_path / "cache"
    prepared = prepare(dataset, ["dev"], loaded.encoder, cache, device=loaded.device)
    dev = prepared.splits["dev"]
    assert best.scores["CIDEr-D"] > 0
    assert evaluate(loaded, dev).scores == best.scores
    assert "partly fine-tuned" in (model / "README.md").read_text()


def test_decoding_options_that_the_model_cannot_follow_are_refused_before_training(
    trained, tmp_path
):
    dataset, output, _, _ = trained
    with pytest.raises(ValueError, match="name_above needs a model with concepts"):
        run(dataset, tmp_path / "guided", cache=output.parents[1] / "cache", name_above=0.5)
    assert not (tmp_path / "guided" / "log.csv").exists()
