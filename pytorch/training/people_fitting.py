"""Learning from captions whether people are in a picture.

Axis letters: N rows, C channels of the encoder, K ImageNet classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pytorch.model.captioner import Captioner
from pytorch.model.people import says_people
from pytorch.model.people_detector import PeopleDetector, class_count, seen_in
from pytorch.model.tokenization import tokenize
from pytorch.training.layer_learning import LayerLearner, regions_of_rows, row_weights
from pytorch.training.train_data import TrainData

STEPS = 600
# With less, or with rare classes blown up to the deviation of common ones, it learns by heart.
WEIGHT_DECAY = 10.0
LEAST_DEVIATION = 0.2


def fitted_people(captioner: Captioner, train: TrainData, *, seed: int) -> PeopleDetector:
    """Learn which pictures' captions say people.

    Args:
        captioner: Has the encoder that computed the features, and its classifier.
        train: Has the captions and the features.
        seed: Decides everything that is random.
    """
    shares = torch.tensor(
        [
            [sum(says_people(tokenize(text)) for text in each.captions) / len(each.captions)]
            for each in train.examples
        ]
    )  # (N, 1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        learner = LayerLearner(
            _seen(captioner, train),
            shares,
            row_weights(train),
            device=captioner.device,
            weight_decay=WEIGHT_DECAY,
            least_deviation=LEAST_DEVIATION,
        )
        layer = learner.folded(learner.layer(torch.arange(len(train)), STEPS))
        people = PeopleDetector(captioner.encoder.channels, class_count(captioner.concepts))
    people.layer.load_state_dict(layer.state_dict())
    return people.to(captioner.device)


@torch.no_grad()
def _seen(captioner: Captioner, train: TrainData) -> Tensor:
    """What the layer reads of each row, (N, C + K), on the CPU."""
    every = regions_of_rows(train, torch.arange(len(train)))
    device = captioner.device
    return torch.cat([seen_in(regions.to(device), captioner.concepts).cpu() for regions in every])
