"""Region features of a data set's images, computed once and kept on disk.

The encoder is frozen, so an image has the same features in every epoch and in every training.

Axes: N images, B images of a batch, R regions, C channels, S side of the encoder's input.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from pytorch.encoders import Encoder, EncoderError
from pytorch.images import ImageStore

# Counted up when features of the same inputs come to be computed or stored otherwise.
FORMAT = 1
DECODING_THREADS = 2
# On a CPU, 32 images at a time take twice as long for each as 4 do: the activations of large
# batches are too big to be kept by the memory allocator, and each layer gets fresh pages instead.
BATCH_SIZE = 4


class RegionFeatures:
    """Region features of some images, in half precision on disk."""

    def __init__(self, names: Sequence[str], array: npt.NDArray[np.float16]) -> None:
        """Wraps an array of shape (N, R, C) whose rows belong to the N names."""
        self.names = tuple(names)
        self._array = array

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, indices: Sequence[int] | torch.Tensor) -> torch.Tensor:
        """Features of the images at these places in `names`, as float32 (B, R, C)."""
        selected = self._array[np.asarray(indices, dtype=np.int64)]  # (B, R, C)
        return torch.from_numpy(selected.astype(np.float32))


def cached_features(
    encoder: Encoder,
    images: ImageStore,
    names: Sequence[str],
    cache_dir: Path,
    *,
    device: torch.device,
    batch_size: int = BATCH_SIZE,
    progress: bool = True,
) -> RegionFeatures:
    """The images' region features, from the cache where it has them, else computed into it.

    They are computed again when the encoder, its weights, its grid or preprocessing, an image, or
    the images' order is another. On disk they are `ENCODER-KEY.npy`, and a JSON file of the same
    name without which they are not used.

    Args:
        encoder: Is moved to `device` where there is something to compute.
        images: Holds the images.
        names: The images' names, in the order wanted.
        cache_dir: Is made if it is not there.
        device: Where to compute.
        batch_size: Images to compute at a time.
        progress: Whether to show a progress bar on stderr.

    Raises:
        DatasetError: An image is missing or unreadable, naming it.
        EncoderError: The encoder gives infinite or undefined numbers.
        OSError: The cache cannot be written.
    """
    key = _cache_key(encoder, images, names)
    entry = _CacheEntry(
        path=cache_dir / f"{encoder.name}-{key[:16]}.npy",
        key=key,
        shape=(len(names), encoder.grid_size**2, encoder.channels),
    )
    array = entry.read()
    if array is None:
        cache_dir.mkdir(parents=True, exist_ok=True)
        blocks = _compute(encoder, images, names, device=device, batch_size=batch_size)
        entry.write(blocks, progress=progress)
        array = entry.read()
    if array is None:
        raise OSError(f"The features just written to {entry.path} cannot be read back.")
    return RegionFeatures(names, array)


def _cache_key(encoder: Encoder, images: ImageStore, names: Sequence[str]) -> str:
    """SHA-256 over everything that the features depend on."""
    inputs = {
        "format": FORMAT,
        "encoder": encoder.name,
        "grid_size": encoder.grid_size,
        "weights": encoder.weights_hash(),
        "preprocessing": asdict(encoder.preprocessing),
        "images": [(name, images.fingerprint(name)) for name in names],
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class _CacheEntry:
    """An array (N, R, C) on disk, and beside it the JSON file that says what it is."""

    path: Path
    key: str
    shape: tuple[int, int, int]

    @property
    def description(self) -> str:
        return json.dumps({"key": self.key, "shape": self.shape})

    def read(self) -> npt.NDArray[np.float16] | None:
        """The array, or None where it is absent, cut short or of something else."""
        try:
            if self.path.with_suffix(".json").read_text() != self.description:
                return None
            array: npt.NDArray[np.float16] = np.load(self.path, mmap_mode="r")
        except (OSError, ValueError):
            return None
        return array if array.shape == self.shape and array.dtype == np.float16 else None

    def write(self, blocks: Iterable[npt.NDArray[np.float16]], *, progress: bool) -> None:
        """Writes blocks (B, R, C) one after another; the array appears whole or not at all."""
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        header = {"descr": "<f2", "fortran_order": False, "shape": self.shape}
        progress_bar = tqdm(total=self.shape[0], desc="features", unit="img", disable=not progress)
        try:
            with progress_bar, temporary.open("wb") as file:
                np.lib.format.write_array_header_1_0(file, header)
                for block in blocks:
                    file.write(block.tobytes())
                    progress_bar.update(len(block))
            temporary.replace(self.path)
            # Only now, so that a description never stands beside an older array.
            temporary.write_text(self.description)
            temporary.replace(self.path.with_suffix(".json"))
        finally:
            temporary.unlink(missing_ok=True)


@torch.inference_mode()
def _compute(
    encoder: Encoder,
    images: ImageStore,
    names: Sequence[str],
    *,
    device: torch.device,
    batch_size: int,
) -> Iterator[npt.NDArray[np.float16]]:
    """Features of one batch after another, (B, R, C)."""
    encoder.to(device)
    for batch in _preprocessed(encoder, images, names, batch_size):
        # Channels last is a third faster on a CPU.
        inputs = batch.to(device, memory_format=torch.channels_last)  # (B, 3, S, S)
        features = encoder(inputs).cpu().numpy().astype(np.float16)  # (B, R, C)
        if not np.isfinite(features).all():
            raise EncoderError(
                f"{encoder.name} gives features that are infinite or undefined in half precision; "
                f"its {encoder.weights_source} weights are damaged."
            )
        yield features


def _preprocessed(
    encoder: Encoder, images: ImageStore, names: Sequence[str], batch_size: int
) -> Iterator[torch.Tensor]:
    """Batches (B, 3, S, S); while one is in use, threads decode the next one and no more."""

    def load(name: str) -> torch.Tensor:
        return encoder.preprocessing(images.open(name))

    with ThreadPoolExecutor(DECODING_THREADS) as pool:
        upcoming = pool.map(load, names[:batch_size])
        for start in range(batch_size, len(names) + batch_size, batch_size):
            batch = torch.stack(list(upcoming))
            upcoming = pool.map(load, names[start : start + batch_size])
            yield batch
