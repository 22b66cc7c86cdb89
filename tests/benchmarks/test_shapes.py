import pytest

from benchmarks.shapes import exact_match, shapes_config
from pytorch.data.caption_dataset import Example

EXAMPLES = [
    Example("one.png", ("A red circle above a blue square.", "A blue square below a red circle.")),
    Example("two.png", ("A green triangle left of a black circle.",)),
]


@pytest.mark.parametrize(
    ("captions", "share"),
    [
        (["a blue square below a red circle", "a green triangle left of a black circle"], 1.0),
        (["a blue square below a red circle", "a green triangle left of a black"], 0.5),
        (["a green triangle left of a black circle", "a blue square below a red circle"], 0.0),
    ],
)
def test_a_caption_matches_a_reference_with_the_same_words(captions, share):
    assert exact_match(captions, EXAMPLES) == share


def test_the_options_choose_the_encoder_whose_weights_are_among_the_requirements():
    config = shapes_config()
    assert config.model.encoder == "efficientnet_lite2"
    assert config.decoder.injection == "attention"
