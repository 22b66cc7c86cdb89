"""Seconds and memory of captioning one photograph with the shipped checkpoint.

Run `python -m benchmarks.captioning` from the project's folder. It needs the development
requirements, which bring the photographs. Times are medians; the last column compares them with
the first row of the same run, since seconds differ from machine to machine.
"""

from __future__ import annotations

import dataclasses
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import skimage.data
import torch
from PIL import Image

from pytorch.model.checkpoint import load_captioner
from pytorch.model.decoding import DecodingConfig

CHECKPOINT = Path(__file__).resolve().parent.parent / "pytorch/shipped/everyday"
REPEATS = 9


def median_seconds(work: Callable[[], object]) -> float:
    """Median over some runs, after one that does not count."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print one row for each thing measured."""
    start = time.perf_counter()
    captioner = load_captioner(CHECKPOINT)
    loading = time.perf_counter() - start
    photograph = Image.fromarray(skimage.data.rocket())
    regions = captioner.encode([photograph])

    def beams(size: int) -> DecodingConfig:
        return dataclasses.replace(captioner.decoding, beam_size=size)

    rows: dict[str, Callable[[], object]] = {
        "caption, beam size 3": lambda: captioner.caption([photograph], decoding=beams(3)),
        "caption, beam size 1": lambda: captioner.caption([photograph], decoding=beams(1)),
        "caption, beam size 10": lambda: captioner.caption([photograph], decoding=beams(10)),
        "region features alone": lambda: captioner.encode([photograph]),
        "words alone, beam size 3": lambda: captioner.caption_regions(regions, decoding=beams(3)),
        "eight photographs at once": lambda: captioner.caption([photograph] * 8, decoding=beams(3)),
    }
    seconds = {name: median_seconds(work) for name, work in rows.items()}
    first = next(iter(seconds.values()))
    print(f"{torch.get_num_threads()} threads; the checkpoint loads in {loading:.2f} s")
    for name, value in seconds.items():
        print(f"{name:28} {value * 1000:7.0f} ms  {value / first:5.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of the process: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
