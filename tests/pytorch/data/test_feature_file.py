import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytorch.data.feature_file import BLOCK_SIZE, FeatureCacheError, FeatureFile

ROOT = Path(__file__).resolve().parents[3]
SHAPE = (2, 3)
BATCH = 5


class KilledError(Exception):
    """Ends a computation in this process."""


class Computation:
    """Some features, whose computation may be killed and is remembered."""

    def __init__(self, count, folder, *, unreadable=()):
        self.names = [f"{number}.jpg" for number in range(count)]
        chance = np.random.default_rng(count)
        self.array = chance.standard_normal((count, *SHAPE)).astype(np.float16)
        self.unreadable = {self.names[number]: "damaged" for number in unreadable}
        self.file = FeatureFile(folder / "features.npy", "key", self.names, SHAPE)
        self.starts = []

    def run(self, *, kill_at=None, is_readable=lambda _: False):
        """Write the features; `kill_at` is the image that is not reached."""

        def features_from(start):
            self.starts.append(start)
            while start < len(self.names):
                block_end = start // BLOCK_SIZE * BLOCK_SIZE + BLOCK_SIZE
                stop = min(start + BATCH, block_end, len(self.names))
                if kill_at is not None and kill_at < stop:
                    raise KilledError
                yield self.array[start:stop]
                start = stop

        with self.file.lock():
            self.file.write(features_from, self.unreadable, is_readable=is_readable)

    def stop(self, kill_at):
        with pytest.raises(KilledError):
            self.run(kill_at=kill_at)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def flip(path, place):
    """Change the byte at a place, which is a share of the file."""
    damaged = bytearray(path.read_bytes())
    damaged[int(place * len(damaged))] ^= 0x10
    path.write_bytes(damaged)


def test_what_was_written_is_read(tmp_path):
    computation = Computation(3 * BLOCK_SIZE + 7, tmp_path, unreadable=(3, 70))
    assert computation.file.read() is None
    computation.run()
    stored = computation.file.read()
    assert stored.array.dtype == np.float16
    assert np.array_equal(stored.array, computation.array)
    assert stored.unreadable == {"3.jpg": "damaged", "70.jpg": "damaged"}
    assert np.array_equal(np.load(tmp_path / "features.npy"), computation.array)
    assert files(tmp_path) == ["features.jsonl", "features.npy"]


def test_features_of_another_key_or_shape_are_not_found(tmp_path):
    computation = Computation(10, tmp_path)
    computation.run()
    names = computation.names
    for key, shape in (("other", SHAPE), ("key", SHAPE[::-1])):
        assert FeatureFile(tmp_path / "features.npy", key, names, shape).read() is None


def test_the_error_names_the_file_and_the_images_and_says_what_to_do(tmp_path):
    computation = Computation(100, tmp_path)
    computation.run()
    path = tmp_path / "features.npy"
    path.write_bytes(path.read_bytes()[:128] + bytes(path.stat().st_size - 128))
    with pytest.raises(FeatureCacheError) as failure:
        computation.file.read()
    assert str(failure.value) == (
        f"The cached features in {path} are damaged: images 1 to 64 of 100 do not match their "
        "checksum. Delete this file and run the command again to compute them again."
    )
    path.unlink()
    computation.run()
    assert np.array_equal(computation.file.read().array, computation.array)


@settings(deadline=None, max_examples=50)  # disks are slow at times
@given(
    count=st.integers(1, 3 * BLOCK_SIZE),
    name=st.sampled_from(["features.npy", "features.jsonl"]),
    place=st.floats(0, 1, exclude_max=True),
)
def test_no_damaged_byte_goes_unnoticed(count, name, place):
    with tempfile.TemporaryDirectory() as folder:
        computation = Computation(count, Path(folder), unreadable=range(0, count, 50))
        computation.run()
        header = (Path(folder) / "features.npy").stat().st_size - computation.array.nbytes
        flip(Path(folder, name), place)
        in_rows = name == "features.npy" and int(place * (header + count * 12)) >= header
        try:
            stored = computation.file.read()
        except FeatureCacheError:
            return
        assert stored is None, "Any change is noticed."
        assert not in_rows, "Damaged rows are an error; other damage means that nothing is found."


@settings(deadline=None, max_examples=50)
@given(
    count=st.integers(1, 4 * BLOCK_SIZE),
    data=st.data(),
    damaged=st.sampled_from([None, "features.npy.part", "features.jsonl"]),
    torn=st.integers(0, 200),
)
def test_a_resumed_computation_writes_the_same_bytes_as_an_uninterrupted_one(
    count, data, damaged, torn
):
    kills = data.draw(st.lists(st.integers(0, count - 1), max_size=4).map(sorted))
    place = data.draw(st.floats(0, 1, exclude_max=True))
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as folder:
        lost = range(0, count, 50)
        Computation(count, Path(whole), unreadable=lost).run()
        computation = Computation(count, Path(folder), unreadable=lost)
        for kill_at in kills:
            computation.stop(kill_at)
            part = Path(folder, "features.npy.part")
            part.write_bytes(part.read_bytes() + b"x" * torn)
        if damaged and kills:
            flip(Path(folder, damaged), place)
        computation.run()
        assert content(Path(folder)) == content(Path(whole))
        if not damaged:
            expected = [kill_at // BLOCK_SIZE * BLOCK_SIZE for kill_at in kills]
            assert computation.starts == [0, *expected]


def test_a_computation_resumes_before_an_incomplete_line_of_the_journal(tmp_path):
    computation = Computation(3 * BLOCK_SIZE, tmp_path)
    computation.stop(2 * BLOCK_SIZE)
    journal = tmp_path / "features.jsonl"
    journal.write_bytes(journal.read_bytes()[:-1])
    computation.run()
    assert computation.starts == [0, BLOCK_SIZE]
    assert np.array_equal(computation.file.read().array, computation.array)


def test_a_block_is_computed_again_once_one_of_its_images_is_readable(tmp_path):
    computation = Computation(3 * BLOCK_SIZE, tmp_path, unreadable=(BLOCK_SIZE + 1,))
    computation.stop(2 * BLOCK_SIZE)
    computation.unreadable.clear()
    computation.run(is_readable=lambda name: name == f"{BLOCK_SIZE + 1}.jpg")
    assert computation.starts == [0, BLOCK_SIZE]
    assert computation.file.read().unreadable == {}


def test_a_reader_keeps_what_it_has_while_the_file_is_written_again(tmp_path):
    computation = Computation(200, tmp_path)
    computation.run()
    stored = computation.file.read()
    computation.stop(100)
    assert computation.file.read() is None
    assert np.array_equal(stored.array, computation.array)


def test_discarding_deletes_both_files(tmp_path):
    computation = Computation(100, tmp_path)
    computation.stop(70)
    computation.file.discard()
    assert files(tmp_path) == []


# Prints how many images it opened.
COMPUTE = """
import sys
from pathlib import Path
import torch
from pytorch.data.features import cached_features
from pytorch.data.shapes import load_shapes
from pytorch.model.encoders import Encoder
from pytorch.model.transforms import Preprocessing

torch.manual_seed(1)
encoder = Encoder("efficientnet_lite0", grid_size=1)
half = (0.5, 0.5, 0.5)
encoder.preprocessing = Preprocessing(size=32, mean=half, std=half, interpolation="bilinear")
dataset = load_shapes(Path())
names = [example.image for example in dataset.split("train")[:300]]
opened = []
open_image = dataset.images.open
dataset.images.fingerprint = str
dataset.images.open = lambda name: opened.append(name) or open_image(name)
device = torch.device("cpu")
cached_features(encoder, dataset.images, names, Path(sys.argv[1]), device=device, progress=False)
print(len(opened))
"""


def start(cache, **options):
    return subprocess.Popen(
        [sys.executable, "-c", COMPUTE, cache],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process):
    """How many images a process opened."""
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return int(output)


def wait_for_lines(cache, count):
    """Wait until the journal has at least so many lines."""
    while not any(len(path.read_bytes().splitlines()) >= count for path in cache.glob("*.jsonl")):
        time.sleep(0.005)


@pytest.mark.slow
def test_a_process_that_is_killed_repeatedly_writes_the_same_bytes_in_the_end(tmp_path):
    whole, cache = tmp_path / "whole", tmp_path / "cache"
    assert finish(start(whole)) == 300
    for lines in (1, 4):
        with start(cache) as process:
            wait_for_lines(cache, lines)
            time.sleep(random.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
    opened = finish(start(cache))
    assert content(cache) == content(whole)
    assert opened <= 300 - 3 * BLOCK_SIZE


@pytest.mark.slow
def test_of_two_processes_one_computes_and_the_other_waits(tmp_path):
    first, second = start(tmp_path / "cache"), start(tmp_path / "cache")
    assert sorted([finish(first), finish(second)]) == [0, 300]
    assert len(files(tmp_path / "cache")) == 2


@pytest.mark.slow
def test_an_error_of_a_full_disk_names_the_path_and_the_whole_blocks_are_kept(tmp_path):
    cache = tmp_path / "cache"
    size = 200 * 1280 * 2  # of features of 200 images
    process = start(
        cache, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    )
    _, errors = process.communicate()
    (part,) = cache.glob("*.part")
    assert process.returncode == 1
    sentence = errors.splitlines()[-1]
    assert f"FeatureCacheError: {part} cannot be written (File too large)" in sentence
    assert "run the command again: it continues where it stopped" in sentence
    assert finish(start(cache)) == 300 - 3 * BLOCK_SIZE
    assert len(files(cache)) == 2
