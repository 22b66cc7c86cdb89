"""EfficientNet-Lite without its classifier.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019. The
Lite variants drop squeeze-and-excitation, use ReLU6 for every activation, and scale neither the
stem nor the head nor the number of blocks in the first and last stage.

Axis letters: B images, C channels, H rows, W columns.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import nn
from torch.nn import functional

# Multiples of lite0's channels and blocks: (width, depth).
SCALING = {
    "lite0": (1.0, 1.0),
    "lite1": (1.0, 1.1),
    "lite2": (1.1, 1.2),
}

# The stages of lite0: (expansion, kernel size, stride of the first block, channels, blocks).
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
STEM_LAYERS = 3

# Layers of a block that have weights: (index in the block, name in the original model, name in
# timm). Blocks of the first stage do not expand.
BLOCK_LAYERS = (
    (0, "_expand_conv", "conv_pw"),
    (1, "_bn0", "bn1"),
    (3, "_depthwise_conv", "conv_dw"),
    (4, "_bn1", "bn2"),
    (6, "_project_conv", "conv_pwl"),
    (7, "_bn2", "bn3"),
)
FIRST_BLOCK_LAYERS = (
    (0, "_depthwise_conv", "conv_dw"),
    (1, "_bn1", "bn1"),
    (3, "_project_conv", "conv_pw"),
    (4, "_bn2", "bn2"),
)


def scaled_channels(channels: int, width: float) -> int:
    """Round `channels` times `width` to a multiple of eight, never down by more than a tenth."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * scaled else rounded + 8


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding, with which the weights were trained.

    The output has ceil(size / stride) rows and columns. An odd row or column of padding goes to
    the bottom or right; PyTorch's `padding=1` would put it at the top or left.
    """

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Convolve (B, C, H, W)."""
        top, bottom = self._padding(inputs.shape[2], axis=0)
        left, right = self._padding(inputs.shape[3], axis=1)
        if top != bottom or left != right:
            inputs = functional.pad(inputs, (left, right, top, bottom))
            top = left = 0
        return functional.conv2d(
            inputs, self.weight, self.bias, self.stride, (top, left), self.dilation, self.groups
        )

    def _padding(self, size: int, *, axis: int) -> tuple[int, int]:
        """Compute the padding before and after an axis of this size."""
        kernel, stride = self.kernel_size[axis], self.stride[axis]
        total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        return total // 2, total - total // 2


def convolution(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Build a convolution and the batch normalisation that replaces its bias."""
    return [
        SameConv2d(inputs, outputs, kernel, stride=stride, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3),
    ]


class InvertedResidual(nn.Module):
    """Expands the channels, filters each one separately, and projects them to fewer.

    Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018.
    """

    def __init__(
        self, *, inputs: int, outputs: int, expansion: int, kernel: int, stride: int
    ) -> None:
        super().__init__()
        inner = inputs * expansion
        expand = [*convolution(inputs, inner, 1), nn.ReLU6(inplace=True)] if expansion > 1 else []
        self.layers = nn.Sequential(
            *expand,
            *convolution(inner, inner, kernel, stride=stride, groups=inner),
            nn.ReLU6(inplace=True),
            *convolution(inner, outputs, 1),
        )
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) to the output channels, with H and W divided by the stride."""
        outputs: torch.Tensor = self.layers(inputs)
        return inputs + outputs if self.has_shortcut else outputs


def efficientnet_lite(variant: str) -> nn.Sequential:
    """Build the layers up to and including the head, with random weights.

    Args:
        variant: A key of `SCALING`.

    Returns:
        A network that maps (B, 3, H, W) to (B, 1280, ceil(H / 32), ceil(W / 32)).
    """
    width, _ = SCALING[variant]
    layers = [*convolution(3, STEM_CHANNELS, 3, stride=2), nn.ReLU6(inplace=True)]
    channels = STEM_CHANNELS
    stages = zip(STAGES, blocks_of_stages(variant), strict=True)
    for (expansion, kernel, stride, base_channels, _), blocks in stages:
        outputs = scaled_channels(base_channels, width)
        for block in range(blocks):
            layers.append(
                InvertedResidual(
                    inputs=channels,
                    outputs=outputs,
                    expansion=expansion,
                    kernel=kernel,
                    stride=stride if block == 0 else 1,
                )
            )
            channels = outputs
    layers += [*convolution(channels, HEAD_CHANNELS, 1), nn.ReLU6(inplace=True)]
    return nn.Sequential(*layers)


def blocks_of_stages(variant: str) -> list[int]:
    """Count the blocks of each stage."""
    _, depth = SCALING[variant]
    first, *scaled, last = (blocks for *_, blocks in STAGES)
    return [first, *(math.ceil(blocks * depth) for blocks in scaled), last]


def trunk_name(variant: str, published: str) -> str:
    """Translate a tensor's name in files of the original model or of timm to its name here.

    Any other name is returned unchanged.
    """
    layer, _, kind = published.rpartition(".")
    return f"{_layer_names(variant).get(layer, layer)}.{kind}"


@cache
def _layer_names(variant: str) -> dict[str, str]:
    """Map the names of layers in published files to their names here."""
    names = {"_conv_stem": "0", "_bn0": "1", "conv_stem": "0", "bn1": "1"}
    index = STEM_LAYERS
    for stage, blocks in enumerate(blocks_of_stages(variant)):
        for block in range(blocks):
            for layer, original, timm in BLOCK_LAYERS if stage > 0 else FIRST_BLOCK_LAYERS:
                ours = f"{index}.layers.{layer}"
                names[f"_blocks.{index - STEM_LAYERS}.{original}"] = ours
                names[f"blocks.{stage}.{block}.{timm}"] = ours
            index += 1
    convolution, normalisation = str(index), str(index + 1)
    return names | {
        "_conv_head": convolution,
        "_bn1": normalisation,
        "conv_head": convolution,
        "bn2": normalisation,
    }
