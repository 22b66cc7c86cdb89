import pytest
import torch
from torch import nn

from pytorch.training.layer_learning import recall


def layer_that_says(logits):
    layer = nn.Linear(3, len(logits))
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.tensor(logits))
    return layer


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ([0, 1, 18, 19], 0.5),
        ([0, 1], 1.0),
        ([18, 19], 0.0),
        ([], 0.0),
    ],
)
def test_recall_is_the_share_of_what_is_said_that_is_among_the_strongest(said, share):
    layer = layer_that_says([20.0 - place for place in range(20)])
    targets = torch.zeros(1, 20)
    targets[0, said] = 0.4
    assert recall(layer, torch.rand(1, 3), targets) == share


def test_what_one_of_five_captions_says_does_not_count():
    targets = torch.tensor([[0.2, 0.0, 0.6]])
    assert recall(layer_that_says([1.0, 0.0, 1.0]), torch.rand(1, 3), targets) == 1
