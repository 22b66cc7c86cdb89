"""What learns in a captioner, and the moving average of its weights."""

from __future__ import annotations

import copy

import torch
from torch import nn

from pytorch.model.decoders import Decoder
from pytorch.model.encoders import Encoder


class Model(nn.Module):
    """What learns: the decoder, and the encoder while that is fine-tuned."""

    def __init__(self, decoder: Decoder, encoder: Encoder | None) -> None:
        super().__init__()
        self.decoder = decoder
        self.encoder = encoder


class ExponentialMovingAverage:
    """An exponential moving average of a model's weights, as a model."""

    def __init__(self, model: Model, *, decay: float) -> None:
        self.model = copy.deepcopy(model).eval()
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, model: Model) -> None:
        """Take in the weights after one more step of the optimizer."""
        self.updates += 1
        # The first averages are of few steps, or they would remember the random weights.
        decay = min(self.decay, self.updates / (self.updates + 10))
        for average, weight in zip(self.model.parameters(), model.parameters(), strict=True):
            if weight.requires_grad:
                average.lerp_(weight, 1 - decay)
