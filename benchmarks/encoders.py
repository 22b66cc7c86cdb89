"""Speed and memory of the encoders relative to the default, with one thread and random weights.

Run `python -m benchmarks.encoders` from the project's folder, on Linux. Each encoder runs in a
process of its own, because peak memory can only be measured per process. It encodes batches of
noise, of the size in which region features are computed. The processes take turns and the best turn
of each counts, so other load on the machine affects all of them alike. Time is processor time,
which excludes the time that other programs use.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from multiprocessing.connection import Connection

import torch

from pytorch.data.features import BATCH_SIZE
from pytorch.model.encoders import ENCODERS, Encoder

DEFAULT = "resnet101"
TURNS = 5


def measure_in_turns(name: str, pipe: Connection) -> None:
    """Answer each message with a batch's images per second and the peak memory in MiB."""
    torch.set_num_threads(1)
    encoder = Encoder(name)
    side = encoder.preprocessing.size
    images = torch.randn(BATCH_SIZE, 3, side, side).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        encoder(images)
        while pipe.recv():
            start = time.process_time()
            encoder(images)
            seconds = time.process_time() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            pipe.send((BATCH_SIZE / seconds, peak))


def measure(names: list[str]) -> dict[str, tuple[float, float]]:
    """Measure each encoder's images per second and peak memory in MiB."""
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for name in names:
        pipes[name], theirs = context.Pipe()
        context.Process(target=measure_in_turns, args=(name, theirs)).start()
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for _ in range(TURNS):
        for name, pipe in pipes.items():
            pipe.send(True)
            measured[name].append(pipe.recv())
    for pipe in pipes.values():
        pipe.send(False)
    return {
        name: (max(rate for rate, _ in turns), max(peak for _, peak in turns))
        for name, turns in measured.items()
    }


def main() -> None:
    """Print a Markdown table with a row for each encoder."""
    measured = measure(list(ENCODERS))
    default_rate, default_peak = measured[DEFAULT]
    print("| encoder | images per second | relative | peak MiB | relative |")
    print("| --- | --- | --- | --- | --- |")
    for name, (rate, peak) in measured.items():
        print(
            f"| `{name}` | {rate:.1f} | {rate / default_rate:.2f} "
            f"| {peak:.0f} | {peak / default_peak:.2f} |"
        )


if __name__ == "__main__":
    main()
