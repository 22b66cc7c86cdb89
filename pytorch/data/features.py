"""Region features of a data set's images, computed once and kept on disk.

As long as the encoder is frozen, an image has the same features in every epoch and every training.

Axes: N images, B images of a batch, R regions, C channels, S side of the encoder's input.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from tqdm import tqdm

from pytorch.data.images import ImageError, ImageStore
from pytorch.model.encoder_weights import EncoderError
from pytorch.model.encoders import Encoder
from pytorch.model.transforms import Preprocessing

# Counted up when features of the same inputs come to be computed or stored otherwise.
FORMAT = 3
DECODING_THREADS = 2
# On a CPU, 32 images at a time take twice as long for each as 4 do: the activations of large
# batches are too big to be kept by the memory allocator, and each layer gets fresh pages instead.
BATCH_SIZE = 4


class RegionFeatures:
    """Region features of some images, in half precision on disk.

    Attributes:
        names: The images, in order; those that could not be read are not among them.
        unreadable: The names of those, and why.
    """

    def __init__(
        self,
        names: Sequence[str],
        array: npt.NDArray[np.float16],
        unreadable: Mapping[str, str] | None = None,
    ) -> None:
        """Wraps an array of shape (N, R, C) whose rows belong to the N names."""
        self.unreadable = dict(unreadable or {})
        rows = [row for row, name in enumerate(names) if name not in self.unreadable]
        self.names = tuple(names[row] for row in rows)
        self._arrays = [array]
        # Of each name, the array that holds it and its row there.
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
        """These features and then the other ones, which stay where they are on disk."""
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
    """The images' region features, from the cache where it has them, else computed into it.

    They are computed again when the encoder, its weights, its grid or preprocessing, an image, or
    the images' order is another, or an image has become readable. On disk they are
    `ENCODER-KEY.npy`, and a JSON file of the same name without which they are not used.

    Args:
        encoder: Is moved to `device` where there is something to compute.
        images: Holds the images.
        names: The images' names, in the order wanted.
        cache_dir: Is made if it is not there.
        device: Where to compute.
        mirrored: Whether left and right change places in the images first.
        batch_size: Images to compute at a time.
        progress: Whether to show a progress bar on stderr.

    Raises:
        ImageError: An image is missing, naming it. One that is unreadable is left out.
        EncoderError: The encoder gives infinite or undefined numbers.
        OSError: The cache cannot be written.
    """
    key = _cache_key(encoder, images, names, mirrored=mirrored)
    entry = _CacheEntry(
        path=cache_dir / f"{encoder.name}-{key[:16]}.npy",
        key=key,
        shape=(len(names), encoder.grid_size**2, encoder.channels),
    )
    features = entry.read(names)
    if features is None or any(_is_readable(images, name) for name in features.unreadable):
        cache_dir.mkdir(parents=True, exist_ok=True)
        pictures = _Pictures(encoder.preprocessing, images, mirrored=mirrored)
        blocks = _compute(
            encoder, pictures, names, device=device, batch_size=batch_size, progress=progress
        )
        entry.write(blocks, pictures.unreadable)
        features = entry.read(names)
    if features is None:
        raise OSError(f"The features just written to {entry.path} cannot be read back.")
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
    """The same as `cached_features`, but always computed, and kept in memory alone.

    This is for weights that will soon be others: on disk, nobody would ask for them again.

    Raises:
        ImageError: An image is missing, naming it. One that is unreadable is left out.
        EncoderError: The encoder gives infinite or undefined numbers.
    """
    pictures = _Pictures(encoder.preprocessing, images, mirrored=mirrored)
    blocks = _compute(
        encoder, pictures, names, device=device, batch_size=BATCH_SIZE, progress=progress
    )
    array = np.concatenate(list(blocks))  # (N, R, C)
    return RegionFeatures(names, array, pictures.unreadable)


def read_picture(
    images: ImageStore, name: str, preprocessing: Preprocessing, *, mirrored: bool
) -> torch.Tensor:
    """The image of that name as an encoder takes it (3, S, S); raises ImageError."""
    image = images.open(name)
    return preprocessing(ImageOps.mirror(image) if mirrored else image)


def _cache_key(
    encoder: Encoder, images: ImageStore, names: Sequence[str], *, mirrored: bool
) -> str:
    """SHA-256 over everything that the features depend on."""
    inputs = {
        "format": FORMAT,
        "encoder": encoder.name,
        "grid_size": encoder.grid_size,
        "weights": encoder.weights_hash(),
        "preprocessing": asdict(encoder.preprocessing),
        "images": [(name, images.fingerprint(name)) for name in names],
        "mirrored": mirrored,
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _is_readable(images: ImageStore, name: str) -> bool:
    try:
        images.open(name)
    except ImageError:
        return False
    return True


@dataclass(frozen=True)
class _CacheEntry:
    """An array (N, R, C) on disk, and beside it the JSON file that says what it is."""

    path: Path
    key: str
    shape: tuple[int, int, int]

    def read(self, names: Sequence[str]) -> RegionFeatures | None:
        """The features of the names, or None where they are absent, cut short or of others."""
        try:
            description = json.loads(self.path.with_suffix(".json").read_text())
            unreadable = dict(description["unreadable"])
            array: npt.NDArray[np.float16] = np.load(self.path, mmap_mode="r")
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            return None
        if description != self._description(unreadable):
            return None
        if array.shape != self.shape or array.dtype != np.float16:
            return None
        return RegionFeatures(names, array, unreadable)

    def write(
        self,
        blocks: Iterable[npt.NDArray[np.float16]],
        unreadable: Mapping[str, str],
    ) -> None:
        """Writes blocks (B, R, C) one after another; the array appears whole or not at all.

        `unreadable` is looked at when all blocks are written.
        """
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        header = {"descr": "<f2", "fortran_order": False, "shape": self.shape}
        try:
            with temporary.open("wb") as file:
                np.lib.format.write_array_header_1_0(file, header)
                for block in blocks:
                    file.write(block.tobytes())
            temporary.replace(self.path)
            # Only now, so that a description never stands beside an older array.
            temporary.write_text(json.dumps(self._description(unreadable)))
            temporary.replace(self.path.with_suffix(".json"))
        finally:
            temporary.unlink(missing_ok=True)

    def _description(self, unreadable: Mapping[str, str]) -> dict[str, object]:
        return {"key": self.key, "shape": list(self.shape), "unreadable": dict(unreadable)}


class _Pictures:
    """Images as the encoder takes them; an unreadable one is black, and is remembered."""

    def __init__(self, preprocessing: Preprocessing, images: ImageStore, *, mirrored: bool) -> None:
        self.unreadable: dict[str, str] = {}
        self._preprocessing = preprocessing
        self._images = images
        self._mirrored = mirrored

    def __getitem__(self, name: str) -> torch.Tensor:
        """The image of that name (3, S, S)."""
        try:
            return read_picture(self._images, name, self._preprocessing, mirrored=self._mirrored)
        except ImageError as error:
            self.unreadable[name] = str(error)
            return self._preprocessing(Image.new("RGB", (1, 1)))


@torch.inference_mode()
def _compute(
    encoder: Encoder,
    pictures: _Pictures,
    names: Sequence[str],
    *,
    device: torch.device,
    batch_size: int,
    progress: bool,
) -> Iterator[npt.NDArray[np.float16]]:
    """Features of one batch after another, (B, R, C)."""
    encoder.to(device)
    with tqdm(total=len(names), desc="features", unit="img", disable=not progress) as progress_bar:
        for batch in _batches(pictures, names, batch_size):
            # Channels last is a third faster on a CPU.
            inputs = batch.to(device, memory_format=torch.channels_last)  # (B, 3, S, S)
            features = encoder(inputs).cpu().numpy().astype(np.float16)  # (B, R, C)
            if not np.isfinite(features).all():
                raise EncoderError(
                    f"{encoder.name} gives features that are infinite or undefined in half "
                    f"precision; its {encoder.weights_source} weights are damaged."
                )
            yield features
            progress_bar.update(len(features))


def _batches(pictures: _Pictures, names: Sequence[str], batch_size: int) -> Iterator[torch.Tensor]:
    """Batches (B, 3, S, S); while one is in use, threads decode the next one and no more."""
    with ThreadPoolExecutor(DECODING_THREADS) as pool:
        upcoming = pool.map(pictures.__getitem__, names[:batch_size])
        for start in range(batch_size, len(names) + batch_size, batch_size):
            batch = torch.stack(list(upcoming))
            upcoming = pool.map(pictures.__getitem__, names[start : start + batch_size])
            yield batch
