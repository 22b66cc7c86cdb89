"""The folder of a training run: its configuration, its log, its report and its state."""

from __future__ import annotations

import csv
import fcntl
import functools
import io
import json
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pytorch.files.atomic import new_file, write_file
from pytorch.training.epoch import EpochResult, TrainingError, named_scores

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

CONFIG, STATE, LOG, REPORT, TENSORBOARD, CHECKPOINT, LOCK = (
    "config.json",
    "state.pt",
    "log.csv",
    "report.html",
    "tensorboard",
    "checkpoint",
    "lock",
)


class RunFolder:
    """The files of one run.

    Attributes:
        path: The folder.
        checkpoint: Where the run writes its checkpoint, unless told otherwise.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoint = path / CHECKPOINT
        self._events: SummaryWriter | None = None

    @property
    def has_state(self) -> bool:
        """Whether a run can be resumed from here, because it has finished an epoch."""
        return (self.path / STATE).exists()

    @contextmanager
    def begin(self, options: Mapping[str, Any], *, resume: bool) -> Iterator[None]:
        """Start or resume a run; no other process can do so before the block ends.

        Args:
            options: The options of the run. A new run writes them down, and a resumed one must
                have the same.
            resume: Whether to resume the run in this folder.

        Raises:
            TrainingError: The folder is in use, holds another run, or none to resume, or the run
                to resume has other options.
        """
        if resume and not self.has_state:
            raise TrainingError(
                f"There is no run to resume in {self.path}: it has no {STATE}, which is written "
                "after the first epoch. Start without --resume."
            )
        self.path.mkdir(parents=True, exist_ok=True)
        with self._lock():
            if resume:
                self._check_unchanged(options)
            elif self.has_state:
                raise TrainingError(
                    f"There is already a run in {self.path}. Continue it with --resume, name "
                    "another folder with --run, or delete that one."
                )
            else:
                text = json.dumps(options, indent=2, default=str) + "\n"
                write_file(self.path / CONFIG, text)
            yield

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Keep other trainings out. The system releases the lock even if the process is killed."""
        with (self.path / LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise TrainingError(
                    f"Another training is running in {self.path}. Wait until it has ended, or "
                    "name another folder with --run."
                ) from error
            yield

    def _check_unchanged(self, options: Mapping[str, Any]) -> None:
        path = self.path / CONFIG
        try:
            before = dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise TrainingError(
                f"{path} cannot be read: {error}. Restore it, or start a new run."
            ) from error
        now = json.loads(json.dumps(options, default=str))
        for name in {**before, **now}:
            if now.get(name) != before.get(name):
                raise TrainingError(
                    f"The run in {self.path} has {name} = {before.get(name)!r}, not "
                    f"{now.get(name)!r}. Resume it with the options it was started with."
                )

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Write everything that the run needs to be resumed.

        Raises:
            OSError: The file cannot be written; the previous state is kept.
        """
        content = io.BytesIO()  # written directly, torch.save hides the error of a full disk
        torch.save(dict(state), content)
        with new_file(self.path / STATE) as file:
            file.write(content.getbuffer())

    def load_state(self, device: torch.device) -> dict[str, Any]:
        """Read what `save_state` wrote, with its tensors on `device`.

        Raises:
            TrainingError: The file cannot be read, or is damaged.
        """
        path = self.path / STATE
        try:
            with zipfile.ZipFile(path) as file:  # its checksums, which torch.load ignores
                damaged = file.testzip()
            if damaged is not None:
                raise ValueError(f"wrong checksum of {damaged}")
            return dict(torch.load(path, map_location=device, weights_only=True))
        # A damaged file makes zipfile and torch raise almost anything.
        except Exception as error:
            raise TrainingError(
                f"{path} cannot be read: {error}. Restore it, or start a new run."
            ) from error

    def write_log(self, history: Sequence[EpochResult]) -> None:
        """Write a CSV row for each epoch, and the last epoch for TensorBoard if it is installed."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        columns = named_scores(history[0])
        writer.writerow(["epoch", "objective", "loss", "training_seconds", *columns])
        for result in history:
            row = [result.epoch, result.objective, result.loss, result.training_seconds]
            writer.writerow([*row, *named_scores(result).values()])
        write_file(self.path / LOG, text.getvalue())
        self._write_events(history[-1])

    def write_report(self, page: str) -> None:
        """Write the HTML report of the run, in place of an earlier one."""
        write_file(self.path / REPORT, page)

    def _write_events(self, result: EpochResult) -> None:
        writer_class = _summary_writer()
        if writer_class is None:
            return
        if self._events is None:
            # A run that was killed repeats an epoch; this hides what it wrote the first time.
            self._events = writer_class(str(self.path / TENSORBOARD), purge_step=result.epoch)
        if math.isfinite(result.loss):
            self._events.add_scalar("loss", result.loss, result.epoch)
        for name, score in named_scores(result, separator="/").items():
            self._events.add_scalar(f"dev/{name}", score, result.epoch)
        self._events.flush()


@functools.cache
def _summary_writer() -> type[SummaryWriter] | None:
    """TensorBoard's writer; None without the package, which training does not need."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415
    except ImportError:
        return None
    return SummaryWriter
