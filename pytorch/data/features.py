"""Region features of a data set's images, computed once and kept on disk.

As long as the encoder is frozen, an image has the same features in every epoch and every training.

Axes: N images, B images of a batch, R regions, C channels, S side of the encoder's input.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from tqdm import tqdm

from pytorch.data.feature_file import BLOCK_SIZE, FeatureArray, FeatureCacheError, FeatureFile
from pytorch.data.images import ImageError, ImageStore
from pytorch.model.encoder_weights import EncoderError
from pytorch.model.encoders import Encoder
from pytorch.model.transforms import Preprocessing

# Bump when the computation or the file format changes.
FORMAT = 4
DECODING_THREADS = 2
# On a CPU an image takes twice as long in a batch of 32 as in a batch of 4: the activations of
# large batches are too big for the memory allocator to keep, so each layer gets fresh pages.
BATCH_SIZE = 4


class RegionFeatures:
    """Region features of some images, in half precision on disk or in memory.

    Attributes:
        names: The images, in order, without those that could not be read.
        unreadable: The names of those that could not be read, and why.
    """

    def __init__(
        self,
        names: Sequence[str],
        array: FeatureArray,
        unreadable: Mapping[str, str] | None = None,
    ) -> None:
        """Wrap an array of shape (N, R, C), a row for each of the N names."""
        self.unreadable = dict(unreadable or {})
        rows = [row for row, name in enumerate(names) if name not in self.unreadable]
        self.names = tuple(names[row] for row in rows)
        self._arrays = [array]
        # For each name, the number of its array and its row there.
        self._places = np.array([(0, row) for row in rows], dtype=np.int64).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self.names)

    def rows(self, indices: Sequence[int] | torch.Tensor) -> torch.Tensor:
        """Features of the images at these places in `names`, as float32 (B, R, C)."""
        places = self._places[np.asarray(indices, dtype=np.int64)]  # (B, 2)
        features = np.empty((len(places), *self._arrays[0].shape[1:]), np.float32)
        for number, array in enumerate(self._arrays):
            here = places[:, 0] == number
            features[here] = array[places[here, 1]]
        return torch.from_numpy(features)  # (B, R, C)

    def followed_by(self, other: RegionFeatures) -> RegionFeatures:
        """These features and then the others; neither are copied."""
        later = other._places + np.array([len(self._arrays), 0])
        both = copy.copy(self)
        both.names = self.names + other.names
        both.unreadable = self.unreadable | other.unreadable
        both._arrays = self._arrays + other._arrays
        both._places = np.concatenate([self._places, later])
        return both


def cached_features(
    encoder: Encoder,
    images: ImageStore,
    names: Sequence[str],
    cache_dir: Path,
    *,
    device: torch.device,
    mirrored: bool = False,
    batch_size: int = BATCH_SIZE,
    progress: bool = True,
) -> RegionFeatures:
    """The images' region features, read from the cache or computed into it.

    They are computed again after any change to the encoder, its weights, grid or preprocessing, or
    to the images or their order, and when an image has become readable. If a computation was
    stopped, it continues. If another process is computing the same features, this one waits.

    Args:
        encoder: Is moved to `device` if there is something to compute.
        images: Holds the images.
        names: The images' names, in the order wanted.
        cache_dir: Is created if necessary; `feature_file` says what is in it.
        device: Where to compute.
        mirrored: Whether to mirror the images first.
        batch_size: Images to compute at a time.
        progress: Whether to show progress bars on stderr.

    Raises:
        ImageError: An image is missing. One that is unreadable is left out instead.
        EncoderError: The encoder gives infinite or undefined numbers.
        FeatureCacheError: The cached features are damaged, or the disk is full, for example.
        OSError: The cache cannot be created.
    """
    inputs = _Inputs(images, names, encoder.preprocessing, mirrored)
    key = _cache_key(encoder, inputs)
    file = FeatureFile(
        cache_dir / f"{encoder.name}-{key[:16]}.npy",
        key,
        names,
        shape=(encoder.grid_size**2, encoder.channels),
    )
    if (features := _read(file, inputs, progress=progress)) is not None:
        return features
    cache_dir.mkdir(parents=True, exist_ok=True)
    with file.lock():
        # Another process may have computed them while this one waited for the lock.
        if (features := _read(file, inputs, progress=progress)) is not None:
            return features
        compute = partial(
            _compute, encoder, inputs, device=device, batch_size=batch_size, progress=progress
        )
        try:
            file.write(compute, inputs.unreadable, is_readable=inputs.is_readable)
        except EncoderError:
            file.discard()
            raise
        features = _read(file, inputs, progress=progress)
    if features is None:
        raise FeatureCacheError(f"The features just written to {file.path} cannot be read back.")
    return features


def computed_features(
    encoder: Encoder,
    images: ImageStore,
    names: Sequence[str],
    *,
    device: torch.device,
    mirrored: bool = False,
    progress: bool = True,
) -> RegionFeatures:
    """The same as `cached_features`, but always computed, and kept only in memory.

    This is for weights that will soon change: nobody would ask the cache for them again.

    Raises:
        ImageError: An image is missing. One that is unreadable is left out instead.
        EncoderError: The encoder gives infinite or undefined numbers.
    """
    inputs = _Inputs(images, names, encoder.preprocessing, mirrored)
    batches = _compute(encoder, inputs, device=device, batch_size=BATCH_SIZE, progress=progress)
    array = np.concatenate(list(batches))  # (N, R, C)
    return RegionFeatures(names, array, inputs.unreadable)


def read_picture(
    images: ImageStore, name: str, preprocessing: Preprocessing, *, mirrored: bool
) -> torch.Tensor:
    """The image of that name as an encoder takes it (3, S, S); raises ImageError."""
    image = images.open(name)
    return preprocessing(ImageOps.mirror(image) if mirrored else image)


@dataclass(frozen=True)
class _Inputs:
    """Images as the encoder takes them.

    Attributes:
        images: Holds the images.
        names: The images' names, in order.
        preprocessing: The encoder's own.
        mirrored: Whether to mirror the images.
        unreadable: Names of images that turned out to be unreadable, and why.
    """

    images: ImageStore
    names: Sequence[str]
    preprocessing: Preprocessing
    mirrored: bool
    unreadable: dict[str, str] = field(default_factory=dict)

    def is_readable(self, name: str) -> bool:
        try:
            self.images.open(name)
        except ImageError:
            return False
        return True

    def batches(self, start: int, batch_size: int) -> Iterator[torch.Tensor]:
        """The images from place `start` on, in batches (B, 3, S, S).

        While one batch is in use, threads decode the next one and no more.
        """
        with ThreadPoolExecutor(DECODING_THREADS) as pool:
            upcoming: Iterator[torch.Tensor] | None = None
            for names in self._batches_of_names(start, batch_size):
                current, upcoming = upcoming, pool.map(self._read, names)
                if current is not None:
                    yield torch.stack(list(current))
            if upcoming is not None:
                yield torch.stack(list(upcoming))

    def _batches_of_names(self, start: int, batch_size: int) -> Iterator[Sequence[str]]:
        """No batch extends beyond the end of a block.

        So the batches, and with them the last bits of the features, do not depend on where a
        computation was stopped.
        """
        while start < len(self.names):
            block_end = (start // BLOCK_SIZE + 1) * BLOCK_SIZE
            stop = min(start + batch_size, block_end)
            yield self.names[start:stop]
            start = stop

    def _read(self, name: str) -> torch.Tensor:
        """The image of that name (3, S, S), or a black one if it is unreadable."""
        try:
            return read_picture(self.images, name, self.preprocessing, mirrored=self.mirrored)
        except ImageError as error:
            self.unreadable[name] = str(error)
            return self.preprocessing(Image.new("RGB", (1, 1)))


def _cache_key(encoder: Encoder, inputs: _Inputs) -> str:
    """SHA-256 of everything that the features depend on; raises ImageError."""
    content = {
        "format": FORMAT,
        "encoder": encoder.name,
        "grid_size": encoder.grid_size,
        "weights": encoder.weights_hash(),
        "preprocessing": asdict(encoder.preprocessing),
        "images": [(name, inputs.images.fingerprint(name)) for name in inputs.names],
        "mirrored": inputs.mirrored,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _read(file: FeatureFile, inputs: _Inputs, *, progress: bool) -> RegionFeatures | None:
    """The finished features; None if there are none, or if more images can be read by now."""
    stored = file.read(progress=progress)
    if stored is None or any(inputs.is_readable(name) for name in stored.unreadable):
        return None
    return RegionFeatures(inputs.names, stored.array, stored.unreadable)


@torch.inference_mode()
def _compute(
    encoder: Encoder,
    inputs: _Inputs,
    start: int = 0,
    *,
    device: torch.device,
    batch_size: int,
    progress: bool,
) -> Iterator[FeatureArray]:
    """Features of the images from place `start` on, one batch (B, R, C) after another."""
    encoder.to(device)
    with tqdm(
        total=len(inputs.names), initial=start, desc="features", unit="img", disable=not progress
    ) as progress_bar:
        for batch in inputs.batches(start, batch_size):
            # Channels last is a third faster on a CPU.
            pixels = batch.to(device, memory_format=torch.channels_last)  # (B, 3, S, S)
            features = encoder(pixels).cpu().numpy().astype(np.float16)  # (B, R, C)
            if not np.isfinite(features).all():
                raise EncoderError(
                    f"{encoder.name} gives features that are infinite or undefined in half "
                    f"precision; its {encoder.weights_source} weights are damaged."
                )
            yield features
            progress_bar.update(len(features))
