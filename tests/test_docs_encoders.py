"""docs/encoders.md agrees with the registry, torchvision and the packages."""

import re
from pathlib import Path

import pytest
import torch
from torchvision.models import get_model_weights

from pytorch.model.encoders import ENCODERS, Encoder
from tests.published import published_file

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "encoders.md").read_text("utf-8")


def table(first_columns):
    """The rows below a header that begins with these columns, by encoder."""
    _, _, after = TEXT.partition(f"| {first_columns} |")
    body, _, _ = after.partition("\n\n")
    rows = [line.strip("| ").split(" | ") for line in body.splitlines()[2:]]
    return {row[0].strip("`"): row[1:] for row in rows}


FACTS = table("encoder | input")
LAYERS = table("encoder | layers")
SPEEDS = table("encoder | images per second")


@pytest.mark.parametrize("rows", [FACTS, LAYERS, SPEEDS])
def test_every_encoder_has_a_row_in_the_order_of_the_registry(rows):
    assert list(rows) == list(ENCODERS)


@pytest.mark.parametrize("name", ENCODERS)
def test_the_table_of_weights_agrees_with_their_publishers(name):
    spec = ENCODERS[name]
    if spec.source.startswith("torchvision"):
        meta = get_model_weights(name).DEFAULT.meta
        size, accuracy = meta["_file_size"], f"{meta['_metrics']['ImageNet-1K']['acc@1']:.1f}"
    else:
        size, accuracy = published_file(name).stat().st_size / 2**20, "-"
    assert FACTS[name] == [
        str(spec.preprocessing.size),
        str(spec.channels),
        spec.source,
        spec.licence,
        f"{size:.1f}",
        accuracy,
    ]


def expanded(text):
    """ "`0`, `3` to `5`" as ["0", "3", "4", "5"]."""
    names = []
    for part in text.split(", "):
        first, *last = re.findall(r"`(\w+)`", part)
        names += range(int(first), int(last[0]) + 1) if last else [first]
    return [str(name) for name in names]


@pytest.mark.parametrize("name", ENCODERS)
def test_the_layers_are_those_of_the_network(name):
    with torch.device("meta"):
        encoder = Encoder(name)
        images = torch.zeros(1, 3, encoder.preprocessing.size, encoder.preprocessing.size)
    layers, last_stage = LAYERS[name]
    assert expanded(layers) == list(encoder.layers)

    rows = []
    for layer in encoder.layers.values():
        layer.register_forward_hook(lambda _layer, _inputs, output: rows.append(output.shape[2]))
    encoder(images)
    first_as_coarse_as_the_last = list(encoder.layers)[rows.index(rows[-1])]
    assert last_stage == f"`{first_as_coarse_as_the_last}`"
