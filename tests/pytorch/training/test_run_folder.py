import csv
import math
import time

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pytorch.training.epoch import EpochResult, TrainingError
from pytorch.training.run_folder import RunFolder

CONFIG = {"encoder": "resnet101", "epochs": 3}
STATE = {"epoch": 1, "weights": {"bias": torch.ones(2)}}


def result(epoch, loss=1.5):
    scores = {"BLEU-4": 0.25 * epoch, "CIDEr-D": 0.5 * epoch}
    return EpochResult(
        epoch,
        "teacher forcing",
        loss,
        scores,
        10.0,
        1.0,
        improved=True,
        captions={"a.jpg": "a dog"},
    )


@pytest.fixture
def folder(tmp_path):
    started = RunFolder(tmp_path / "run")
    started.begin(CONFIG, resume=False)
    return started


def test_a_saved_state_comes_back(folder):
    assert not folder.has_state
    folder.save_state(STATE)
    assert folder.has_state
    loaded = folder.load_state(torch.device("cpu"))
    assert loaded["epoch"] == 1
    assert torch.equal(loaded["weights"]["bias"], STATE["weights"]["bias"])


def test_a_run_can_be_resumed_with_the_same_configuration(folder):
    folder.save_state(STATE)
    folder.begin(CONFIG, resume=True)


def test_a_changed_option_is_named(folder):
    folder.save_state(STATE)
    with pytest.raises(TrainingError, match="has epochs = 3, and not 4"):
        folder.begin({**CONFIG, "epochs": 4}, resume=True)


def test_there_must_be_something_to_resume(folder):
    with pytest.raises(TrainingError, match="no run to resume"):
        folder.begin(CONFIG, resume=True)


def test_a_new_run_does_not_overwrite_another(folder):
    folder.save_state(STATE)
    with pytest.raises(TrainingError, match=r"a run in .* already\. Continue it with --resume"):
        folder.begin(CONFIG, resume=False)


def test_a_damaged_state_is_refused(folder):
    folder.save_state(STATE)
    (folder.path / "state.pt").write_bytes(b"not a state")
    with pytest.raises(TrainingError, match=r"state\.pt cannot be read"):
        folder.load_state(torch.device("cpu"))


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


def test_tensorboard_sees_an_epoch_once_that_was_repeated_after_a_kill(folder):
    history = [result(1), result(2), result(3, loss=0.5)]
    folder.write_log(history[:1])
    folder.write_log([result(1), result(2, loss=0.75)])
    time.sleep(1)  # files of one second have no certain order, and no run is resumed so soon
    resumed = RunFolder(folder.path)
    resumed.write_log(history[:2])
    resumed.write_log(history)
    assert scalars(folder)["loss"] == [(1, 1.5), (2, 1.5), (3, 0.5)]


def test_a_report_takes_the_place_of_the_former(folder):
    folder.write_report("<p>Much of epoch 1</p>")
    folder.write_report("<p>epoch 2 é</p>")
    assert (folder.path / "report.html").read_text(encoding="utf-8") == "<p>epoch 2 é</p>"
