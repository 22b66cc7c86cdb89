import csv
import io
import math
import pickle
import resource
import time

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pytorch.training.epoch import EpochResult, TrainingError
from pytorch.training.run_folder import RunFolder

OPTIONS = {"encoder": "resnet101", "epochs": 3}
STATE = {"epoch": 1, "weights": {"bias": torch.ones(2)}}


def written(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def result(epoch, loss=1.5):
    scores = {"BLEU-4": 0.25 * epoch, "CIDEr-D": 0.5 * epoch}
    return EpochResult(
        epoch,
        "teacher forcing",
        loss,
        {"coco": scores},
        10.0,
        1.0,
        improved=True,
        captions={"coco": {"a.jpg": "a dog"}},
    )


@pytest.fixture
def folder(tmp_path):
    """The folder of a run that has finished no epoch."""
    folder = RunFolder(tmp_path / "run")
    begin(folder)
    return folder


def begin(folder, options=OPTIONS, *, resume=False):
    with folder.begin(options, resume=resume):
        pass


def load(folder):
    return folder.load_state(torch.device("cpu"))


def test_a_saved_state_comes_back(folder):
    assert not folder.has_state
    folder.save_state(STATE)
    assert folder.has_state
    loaded = load(folder)
    assert loaded["epoch"] == 1
    assert torch.equal(loaded["weights"]["bias"], STATE["weights"]["bias"])


def test_a_run_can_be_resumed_with_the_same_options(folder):
    folder.save_state(STATE)
    begin(folder, resume=True)


def test_a_changed_option_is_named(folder):
    folder.save_state(STATE)
    with pytest.raises(TrainingError, match="has epochs = 3, not 4"):
        begin(folder, {**OPTIONS, "epochs": 4}, resume=True)


def test_there_must_be_something_to_resume(folder, tmp_path):
    with pytest.raises(TrainingError, match="no run to resume"):
        begin(folder, resume=True)
    with pytest.raises(TrainingError, match="no run to resume"):
        begin(RunFolder(tmp_path / "other"), resume=True)
    assert not (tmp_path / "other").exists()


def test_a_new_run_does_not_overwrite_another(folder):
    folder.save_state(STATE)
    with pytest.raises(TrainingError, match=r"already a run in .*\. Continue it with --resume"):
        begin(folder)


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_in_use_is_refused_and_named(folder, resume):
    folder.save_state(STATE)
    with folder.begin(OPTIONS, resume=True):
        message = f"^Another training is running in {folder.path}\\. Wait until it has ended, or "
        with pytest.raises(TrainingError, match=message):
            begin(RunFolder(folder.path), resume=resume)
    begin(RunFolder(folder.path), resume=True)


def test_a_folder_is_free_again_after_an_error(folder):
    with pytest.raises(KeyboardInterrupt), folder.begin(OPTIONS, resume=False):
        raise KeyboardInterrupt
    begin(RunFolder(folder.path))


def damage_at(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


DAMAGES = {
    "other": lambda _: b"not a state",
    "empty": lambda _: b"",
    "pickled": lambda _: pickle.dumps(STATE),
    "a list": lambda _: written([1, 2]),
    "half": lambda content: content[: len(content) // 2],
    "short": lambda content: content[:-1],
    "weights": lambda content: damage_at(content, content.index(np.float32(1).tobytes() * 2)),
    "structure": lambda content: damage_at(content, content.index(b"epoch")),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_state_is_refused_and_named(folder, damage):
    folder.save_state(STATE)
    path = folder.path / "state.pt"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(TrainingError, match=f"^{path} cannot be read: .*start a new run"):
        load(folder)


@pytest.mark.parametrize("text", ["{", "[1]", "3", ""])
def test_a_damaged_configuration_is_refused_and_named(folder, text):
    folder.save_state(STATE)
    (folder.path / "config.json").write_text(text)
    with pytest.raises(TrainingError, match=rf"{folder.path}/config\.json cannot be read"):
        begin(folder, resume=True)


@pytest.fixture
def _full_disk():
    """A limit on the size of files: writing beyond it fails as it does on a full disk."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, former[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, former)


@pytest.mark.usefixtures("_full_disk")
def test_a_full_disk_is_reported_with_the_file_and_keeps_the_previous_state(folder):
    folder.save_state(STATE)
    with pytest.raises(OSError, match="File too large") as caught:
        folder.save_state({"epoch": 2, "weights": {"bias": torch.ones(5000)}})
    assert str(folder.path / "state.pt") in str(caught.value)
    assert load(folder)["epoch"] == 1
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "config.json",
        "lock",
        "state.pt",
    ]
    with pytest.raises(OSError, match=f"File too large: '{folder.path}/report.html'"):
        folder.write_report("much" * 5000)


def test_the_log_has_a_row_for_each_epoch(folder):
    folder.write_log([result(1)])
    folder.write_log([result(1), result(2, loss=0.5)])
    with (folder.path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["loss"], row["CIDEr-D"]) for row in rows] == [
        ("1", "1.5", "0.5"),
        ("2", "0.5", "1.0"),
    ]


def scalars(folder):
    """What TensorBoard reads: (step, value) pairs by their tag."""
    accumulator = EventAccumulator(str(folder.path / "tensorboard"))
    accumulator.Reload()
    return {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }


def test_tensorboard_has_the_loss_and_scores_of_each_epoch(folder):
    history = [result(0, loss=math.nan), result(1), result(2, loss=0.5)]
    for count in (1, 2, 3):
        folder.write_log(history[:count])
    assert scalars(folder) == {
        "loss": [(1, 1.5), (2, 0.5)],
        "dev/BLEU-4": [(0, 0.0), (1, 0.25), (2, 0.5)],
        "dev/CIDEr-D": [(0, 0.0), (1, 0.5), (2, 1.0)],
    }


@pytest.mark.slow
def test_tensorboard_shows_an_epoch_repeated_after_a_kill_once(folder):
    history = [result(1), result(2), result(3, loss=0.5)]
    folder.write_log(history[:1])
    folder.write_log([result(1), result(2, loss=0.75)])
    time.sleep(1)  # files of the same second have no certain order; no run is resumed so soon
    resumed = RunFolder(folder.path)
    resumed.write_log(history[:2])
    resumed.write_log(history)
    assert scalars(folder)["loss"] == [(1, 1.5), (2, 1.5), (3, 0.5)]


def test_a_report_replaces_the_previous_one(folder):
    folder.write_report("<p>Much of epoch 1</p>")
    folder.write_report("<p>epoch 2 é</p>")
    assert (folder.path / "report.html").read_text(encoding="utf-8") == "<p>epoch 2 é</p>"
