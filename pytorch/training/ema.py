"""An exponential moving average of a captioner's weights."""

from __future__ import annotations

import copy

import torch

from pytorch.model.captioner import Captioner


class ExponentialMovingAverage:
    """A second captioner whose weights are the moving average of those being trained.

    `torch.optim.swa_utils.AveragedModel` would also copy a frozen encoder, and takes the first
    update whole instead of ramping the decay up.

    Attributes:
        captioner: The averaged captioner, in evaluation mode. It shares a frozen encoder with the
            captioner being trained.
        updates: Number of updates so far.
    """

    def __init__(self, captioner: Captioner, *, decay: float) -> None:
        """Start from a captioner's weights.

        Args:
            captioner: The captioner being trained.
            decay: Share of the average that an update keeps; with 0 there is no averaging.
        """
        encoder = captioner.encoder
        shared = {} if encoder.trainable_parameters() else {id(encoder): encoder}
        self.captioner = copy.deepcopy(captioner, memo=shared).eval()
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, captioner: Captioner) -> None:
        """Take in the weights after one more step of the optimizer."""
        self.updates += 1
        # Start with a short memory: a long one would hold on to the random initial weights.
        decay = min(self.decay, self.updates / (self.updates + 10))
        for average, weight in zip(
            self.captioner.parameters(), captioner.parameters(), strict=True
        ):
            if weight.requires_grad:
                average.lerp_(weight, 1 - decay)
