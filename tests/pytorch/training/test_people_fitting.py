from pathlib import Path

import torch

from pytorch.data.caption_dataset import Example
from pytorch.data.features import RegionFeatures
from pytorch.data.images import ImageFiles
from pytorch.data.prepared import PreparedSplit
from pytorch.training.people_fitting import fitted_people
from pytorch.training.train_data import TrainData, Weighted
from tests.tiny import tiny_captioner

THINGS = ["a man on a bench", "two girls", "a dog on a bench", "a couple of birds"] * 20


def train_data(channels):
    """Pictures whose first channel tells whether there are people."""
    regions = torch.rand(len(THINGS), 1, channels, generator=torch.Generator().manual_seed(1))
    regions[:, 0, 0] = torch.tensor([2.0 * (text in THINGS[:2]) for text in THINGS])
    examples = tuple(Example(f"{place}.jpg", (text,)) for place, text in enumerate(THINGS))
    names = [example.image for example in examples]
    features = RegionFeatures(names, regions.half().numpy())
    return TrainData((Weighted(PreparedSplit(examples, features, ImageFiles([]), Path("unused"))),))


def test_it_learns_which_pictures_have_people():
    captioner = tiny_captioner("semantic-attention")
    train = train_data(captioner.encoder.channels)
    people = fitted_people(captioner, train, seed=1)
    found = people(train.features.rows(range(len(train))), captioner.concepts)
    has_people = torch.tensor([text in THINGS[:2] for text in THINGS])
    assert found[has_people].min() > found[~has_people].max()


def test_the_same_seed_gives_the_same_weights_and_leaves_other_randomness_alone():
    captioner = tiny_captioner("semantic-attention")
    train = train_data(captioner.encoder.channels)
    state = torch.get_rng_state()
    one, other = (fitted_people(captioner, train, seed=2) for _ in range(2))
    assert torch.equal(one.layer.weight, other.layer.weight)
    assert torch.equal(torch.get_rng_state(), state)
