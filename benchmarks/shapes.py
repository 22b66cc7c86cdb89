"""How well and how fast a captioner learns the data set `shapes`, from scratch to a checkpoint.

Run `python -m benchmarks.shapes` from the project's folder. `train_captioner --config` reads the
same options, from `shapes.toml`. The time includes computing the region features, into an empty
folder, and captioning the dev split after each epoch. Processor seconds are the sum over all
threads, and leave out the time that other programs used.
"""

from __future__ import annotations

import time
import tomllib
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from pytorch.data.caption_dataset import Example
from pytorch.data.datasets import load_dataset
from pytorch.data.prepared import prepare
from pytorch.evaluation.evaluate import evaluate
from pytorch.model.checkpoint import load_captioner
from pytorch.model.tokenization import tokenize
from pytorch.training.epoch import EpochResult
from pytorch.training.run import run_training
from pytorch.training.run_config import RunConfig
from pytorch.training.run_folder import RunFolder
from pytorch.training.train_data import Weighted

CONFIG = Path(__file__).with_suffix(".toml")


def shapes_config() -> RunConfig:
    """The options in `shapes.toml`."""
    return RunConfig.of(tomllib.loads(CONFIG.read_text(encoding="utf-8")))


def exact_match(captions: Sequence[str], examples: Sequence[Example]) -> float:
    """Share of the captions that equal one of their references word by word."""
    matches = [
        tokenize(caption) in [tokenize(text) for text in example.captions]
        for caption, example in zip(captions, examples, strict=True)
    ]
    return sum(matches) / len(matches)


def report(result: EpochResult) -> None:
    """Print the line of an epoch."""
    print(
        f"epoch {result.epoch}  loss {result.loss:.3f}  CIDEr-D {result.scores['CIDEr-D']:.3f}  "
        f"{result.training_seconds:.0f} s + {result.evaluation_seconds:.0f} s",
        flush=True,
    )


def main() -> None:
    """Train, and print the time it took and the scores of the checkpoint on the test split."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        dataset = load_dataset("shapes", folder)
        run, cache = RunFolder(folder / "run"), folder / "cache"
        start, processor_start = time.perf_counter(), time.process_time()
        run_training(
            [Weighted(dataset)],
            shapes_config(),
            folder=run,
            output=run.checkpoint,
            cache_dir=cache,
            on_epoch=report,
        )
        seconds = time.perf_counter() - start
        processor_seconds = time.process_time() - processor_start
        captioner = load_captioner(run.checkpoint)
        prepared = prepare(dataset, ["test"], captioner.encoder, cache, device=captioner.device)
        test = prepared.splits["test"]
        evaluation = evaluate(captioner, test)
    print(f"from scratch to a checkpoint: {seconds:.0f} s, {torch.get_num_threads()} threads")
    print(f"processor time: {processor_seconds:.0f} s")
    print(f"exact match on test: {exact_match(evaluation.captions, test.examples):.1%}")
    print(f"CIDEr-D on test: {evaluation.scores['CIDEr-D']:.3f}")


if __name__ == "__main__":
    main()
