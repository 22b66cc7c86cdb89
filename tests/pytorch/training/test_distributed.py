import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pytorch.training.distributed import processes
from tests.parallel_worker import run, trainer

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parallel")


@pytest.fixture(scope="module")
def results(folder):
    """The results of each of two processes, which torchrun started."""
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "tests.parallel_worker", str(folder)),
    ]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / f"{number}.pt", weights_only=True) for number in range(2)]


@pytest.fixture(scope="module")
def alone(results, folder):
    """The same training in this process."""
    return run(trainer(folder, dropout=0.0))


def test_processes_communicate(results):
    assert [result["world_size"] for result in results] == [2, 2]
    assert [result["all_gather"] for result in results] == [[0, 10], [0, 10]]
    assert [result["broadcast_from_main"] for result in results] == [7, 7]
    assert [result["mean"] for result in results] == [0.5, 0.5]


def test_a_batch_is_split_into_shards_unless_it_is_too_small(results):
    assert [result["shards"] for result in results] == [
        [[0, 2, 4], [0], [0]],
        [[1, 3], [1], [0]],
    ]


def test_the_main_process_goes_first_and_the_other_finds_its_files(results):
    assert [result["found"] for result in results] == [False, True]


def test_two_processes_train_as_one_does(results, alone):
    first = results[0]["trained"]
    # Gradients are summed in another order, and Adam divides even the smallest by its own size. A
    # step changes a weight by up to the learning rate of 1e-3; they may differ by 1 percent of it.
    assert first["losses"] == pytest.approx(alone["losses"], rel=1e-5)
    torch.testing.assert_close(first["weights"], alone["weights"], rtol=0, atol=1e-5)


def test_dropout_differs_between_processes(results):
    first, second = (result["rng_state"] for result in results)
    assert first != second


def test_all_processes_have_the_same_weights_and_scores(results):
    runs = [[result["trained"], *result["resumed"]] for result in results]
    for first, second in zip(*runs, strict=True):
        assert first["losses"] == second["losses"]
        assert first["scores"] == second["scores"]
        torch.testing.assert_close(first["weights"], second["weights"], rtol=0, atol=0)


def test_a_resumed_run_is_the_same_to_the_last_bit(results):
    for result in results:
        whole, *resumed = result["resumed"]
        assert len(whole["losses"]) == 3
        assert len(resumed) == 2
        for again in resumed:
            assert again["losses"] == whole["losses"]
            torch.testing.assert_close(again["weights"], whole["weights"], rtol=0, atol=0)


def test_all_stop_early_together(results):
    assert [len(result["stopped"]["losses"]) for result in results] == [2, 2]


def test_a_loss_that_is_not_finite_in_one_process_stops_all(results):
    assert {result["failure"] for result in results} == {
        "The loss became nan in batch 1 of epoch 1. Try a lower learning rate."
    }


def test_the_self_critical_losses_of_the_shards_average_to_that_of_the_batch(results):
    shards = [result["self-critical"] for result in results]
    assert [len(shard["rows"]) for shard in shards] == [2, 1]
    words = [shard["words"] for shard in shards]
    assert words[0] != words[1]
    expected = sum(shard["alone"] * shard["words"] for shard in shards) / sum(words)
    assert sum(shard["loss"] for shard in shards) / 2 == pytest.approx(expected, rel=1e-5)


def test_every_process_needs_a_gpu_of_its_own_if_there_are_any(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "third of three")
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with (
        pytest.raises(ValueError, match=r"there are 2\. Start torchrun with --nproc-per-node 2"),
        processes(),
    ):
        pass
