import csv

import pytest
import torch

from pytorch.run_folder import RunFolder
from pytorch.training import EpochResult, TrainingError

CONFIG = {"encoder": "resnet101", "epochs": 3}
STATE = {"epoch": 1, "weights": {"bias": torch.ones(2)}}


def result(epoch, loss=1.5):
    scores = {"BLEU-4": 0.1 * epoch, "CIDEr-D": 0.2 * epoch}
    return EpochResult(epoch, "teacher forcing", loss, scores, 10.0, 1.0, is_best=True)


@pytest.fixture
def folder(tmp_path):
    started = RunFolder(tmp_path / "run")
    started.begin(CONFIG, resume=False)
    return started


def test_a_saved_state_comes_back(folder):
    folder.save_state(STATE)
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
        ("1", "1.5", "0.2"),
        ("2", "0.5", "0.4"),
    ]
