import math

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pytorch.model.efficientnet_lite import (
    SameConv2d,
    efficientnet_lite,
    scaled_channels,
)
from tests.published import published_file


# Sides that "SAME" padding treats differently: even and odd at every stride.
@pytest.mark.parametrize(
    ("variant", "sides"),
    [
        ("lite0", (224, 224)),
        ("lite1", (240, 240)),
        ("lite2", (260, 260)),
        ("lite2", (97, 130)),
    ],
)
def test_it_agrees_with_an_independent_implementation(variant, sides):
    file = published_file(f"efficientnet_{variant}")
    tensors = list(torch.load(file, weights_only=True).values())
    theirs = timm.create_model(f"tf_efficientnet_{variant}", pretrained=False).eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), tensors, strict=True)))
    ours = efficientnet_lite(variant).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), tensors[:-2], strict=True)))

    images = torch.randn(1, 3, *sides, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = theirs.forward_features(images)
        features = ours(images)

    assert features.shape == (1, 1280, *(math.ceil(side / 32) for side in sides))
    assert expected.abs().max() > 1
    torch.testing.assert_close(features, expected, atol=1e-4, rtol=0)


@settings(deadline=None)  # the first convolution initialises PyTorch
@given(
    size=st.integers(1, 40),
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.integers(1, 3),
)
def test_same_padding_gives_one_output_for_every_full_or_partial_stride(size, kernel, stride):
    convolution = SameConv2d(1, 1, kernel, stride=stride, bias=False)
    with torch.inference_mode():
        outputs = convolution(torch.ones(1, 1, size, 7))
    assert outputs.shape == (1, 1, math.ceil(size / stride), math.ceil(7 / stride))


def test_odd_padding_goes_to_the_bottom_and_right():
    convolution = SameConv2d(1, 1, 3, stride=2, bias=False)
    torch.nn.init.ones_(convolution.weight)
    image = torch.arange(16.0).view(1, 1, 4, 4)

    with torch.inference_mode():
        outputs = convolution(image)

    padded = functional.pad(image, (0, 1, 0, 1))
    assert outputs.flatten().tolist() == [
        padded[0, 0, row : row + 3, column : column + 3].sum()
        for row in (0, 2)
        for column in (0, 2)
    ]


@given(channels=st.integers(1, 2000), width=st.floats(0.5, 3))
def test_scaled_channels_are_multiples_of_eight_close_to_the_product(channels, width):
    scaled = scaled_channels(channels, width)
    assert scaled % 8 == 0
    assert 0.9 * channels * width <= scaled <= max(8, channels * width + 8)
