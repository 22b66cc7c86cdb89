import pytest

from pytorch.training.epoch import EpochResult
from pytorch.training.phases import phases_of
from pytorch.training.self_critical import SelfCritical
from pytorch.training.teacher_forcing import TeacherForcing
from pytorch.training.training_config import TrainingConfig


def epochs_of(**options):
    """The first and last epoch of each phase that is not empty, by its objective and layer."""
    return {
        (phase.objective, phase.fine_tune_from): (phase.first_epoch, phase.last_epoch)
        for phase in phases_of(TrainingConfig(**options))
        if phase.first_epoch <= phase.last_epoch
    }


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"epochs": 4}, {(TeacherForcing, None): (1, 4)}),
        (
            {"epochs": 4, "fine_tune_from": "18", "fine_tune_after": 1, "self_critical_epochs": 2},
            {
                (TeacherForcing, None): (1, 1),
                (TeacherForcing, "18"): (2, 4),
                (SelfCritical, None): (5, 6),
            },
        ),
        (
            {"epochs": 4, "fine_tune_from": "18", "fine_tune_after": 0},
            {(TeacherForcing, "18"): (1, 4)},
        ),
        ({"epochs": 0, "self_critical_epochs": 2}, {(SelfCritical, None): (1, 2)}),
    ],
)
def test_the_phases_follow_each_other(options, expected):
    assert epochs_of(**options) == expected


def result(epoch, *, improved):
    return EpochResult(epoch, "teacher forcing", 1.0, {}, 1.0, 1.0, improved, {})


def history(*improvements, start=1):
    return [result(epoch, improved=i) for epoch, i in enumerate(improvements, start)]


@pytest.mark.parametrize(
    ("so_far", "following"),
    [
        ([], 1),
        (history(True, start=0), 1),
        (history(True, False), 3),
        (history(True, False, False), None),  # out of patience
        (history(False, False), None),
        (history(True, False, True), 4),
        (history(True, True, True, True), None),  # the last epoch of the phase
        (history(True, True, True, True, True, True), None),  # another phase has begun
    ],
)
def test_a_phase_ends_with_its_last_epoch_or_when_patience_runs_out(so_far, following):
    phase = phases_of(TrainingConfig(epochs=4, patience=2, self_critical_epochs=9))[0]
    assert phase.next_epoch(so_far) == following


def test_a_phase_has_patience_of_its_own():
    phase = phases_of(TrainingConfig(epochs=3, patience=2, self_critical_epochs=9))[2]
    before = history(True, False, False)
    assert phase.next_epoch(before) == 4
    assert phase.next_epoch(before + history(False, start=4)) == 5
    assert phase.next_epoch(before + history(False, False, start=4)) is None
