"""The folder of a training run: its configuration, its log, and what it needs to go on."""

from __future__ import annotations

import csv
import functools
import json
import math
import os
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pytorch.training.epoch import EpochResult, TrainingError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

CONFIG, STATE, LOG, REPORT, TENSORBOARD, CHECKPOINT = (
    "config.json",
    "state.pt",
    "log.csv",
    "report.html",
    "tensorboard",
    "checkpoint",
)


class RunFolder:
    """Files of one run; `checkpoint` is where its best model is kept unless told otherwise."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / CHECKPOINT
        self._events: SummaryWriter | None = None

    @property
    def has_state(self) -> bool:
        """Whether there is something to go on from: an epoch has been run."""
        return (self.path / STATE).exists()

    def begin(self, config: Mapping[str, Any], *, resume: bool) -> None:
        """Write the effective configuration, or make sure that it is the one to go on with.

        Raises TrainingError where there is nothing to resume, where the configuration differs, or
        where a new run would overwrite another.
        """
        written = self.path / CONFIG
        if not resume:
            if self.has_state:
                raise TrainingError(
                    f"There is a run in {self.path} already. Continue it with --resume, name "
                    "another folder with --run, or delete that one."
                )
            self.path.mkdir(parents=True, exist_ok=True)
            written.write_text(json.dumps(config, indent=2, default=str) + "\n", encoding="utf-8")
        elif not self.has_state:
            raise TrainingError(
                f"There is no run to resume in {self.path}: it has no {STATE}, which is written "
                "after the first epoch. Start without --resume."
            )
        else:
            self._check_unchanged(config, json.loads(written.read_text(encoding="utf-8")))

    def _check_unchanged(self, config: Mapping[str, Any], former: Mapping[str, Any]) -> None:
        now = json.loads(json.dumps(config, default=str))
        for name in {**former, **now}:
            if now.get(name) != former.get(name):
                raise TrainingError(
                    f"The run in {self.path} has {name} = {former.get(name)!r}, and not "
                    f"{now.get(name)!r}. Resume it with the options it was started with."
                )

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Write what the run needs to go on; a crash leaves the former state."""
        temporary = self.path / f"{STATE}.tmp"
        with temporary.open("wb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path / STATE)

    def load_state(self, device: torch.device) -> dict[str, Any]:
        """What `save_state` wrote, with its tensors on `device`; raises TrainingError."""
        try:
            state: dict[str, Any] = torch.load(
                self.path / STATE, map_location=device, weights_only=True
            )
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise TrainingError(f"{self.path / STATE} cannot be read: {error}") from error
        return state

    def write_log(self, history: Sequence[EpochResult]) -> None:
        """Write one row an epoch as CSV, and the last epoch for TensorBoard where it is there."""
        with (self.path / LOG).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", "objective", "loss", "training_seconds", *history[0].scores])
            for result in history:
                row = [result.epoch, result.objective, result.loss, result.training_seconds]
                writer.writerow([*row, *result.scores.values()])
        self._write_events(history[-1])

    def write_report(self, page: str) -> None:
        """Write the page that describes the run, in place of a former one."""
        (self.path / REPORT).write_text(page, encoding="utf-8")

    def _write_events(self, result: EpochResult) -> None:
        writer_class = _summary_writer()
        if writer_class is None:
            return
        if self._events is None:
            # A killed run repeats an epoch when it is resumed; this hides what was written before.
            self._events = writer_class(str(self.path / TENSORBOARD), purge_step=result.epoch)
        if math.isfinite(result.loss):
            self._events.add_scalar("loss", result.loss, result.epoch)
        for name, score in result.scores.items():
            self._events.add_scalar(f"dev/{name}", score, result.epoch)
        self._events.flush()


@functools.cache
def _summary_writer() -> type[SummaryWriter] | None:
    """TensorBoard's writer; None where the package, which training does not need, is missing."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415
    except ImportError:
        return None
    return SummaryWriter
