"""How a captioner's weights change: AdamW, gradient clipping, mixed precision, averaging."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from pytorch.model.captioner import Captioner
from pytorch.training.ema import ExponentialMovingAverage
from pytorch.training.training_config import TrainingConfig

# Names in `torch.cpu.get_capabilities`.
BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")


def computes_in_half_precision(device: torch.device) -> bool:
    """Whether a device computes in half precision itself.

    Other processors convert every number forth and back: on one with AVX2 a step took twelve times
    as long, and a fused LSTM could not be computed at all.
    """
    if device.type == "cuda":
        return True
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in BFLOAT16_INSTRUCTIONS)


class Optimization:
    """The optimizer of one phase, and the moving average of the weights that it changes.

    Attributes:
        optimizer: AdamW. The encoder's trainable weights, if any, are a parameter group of their
            own; the "base_lr" of a group is its learning rate before the schedule.
        ema: The moving average.
        accumulation_steps: Batches whose gradients are gathered for one step.
    """

    def __init__(self, captioner: Captioner, config: TrainingConfig, *, base_lr: float) -> None:
        """Set up a fresh optimizer and average.

        Args:
            captioner: The captioner to train.
            config: The training options.
            base_lr: The decoder's learning rate before the schedule.
        """
        self.captioner = captioner
        self.accumulation_steps = config.accumulation_steps
        self._max_grad_norm = config.max_grad_norm
        self._mixed_precision = config.mixed_precision
        groups = [{"params": list(captioner.decoder.parameters()), "base_lr": base_lr}]
        if encoder_weights := captioner.encoder.trainable_parameters():
            groups.append({"params": encoder_weights, "base_lr": config.fine_tune_learning_rate})
        self.optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
        self.ema = ExponentialMovingAverage(captioner, decay=config.ema_decay)
        device = captioner.device.type
        has_bfloat16 = device == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)
        self._half = torch.bfloat16 if has_bfloat16 else torch.float16
        # Gradients must be scaled in float16 only, whose range is small.
        self._scaler = torch.amp.GradScaler(
            device, enabled=config.mixed_precision and not has_bfloat16
        )

    def autocast(self) -> AbstractContextManager[Any]:
        """A context for forward passes, in half precision if `mixed_precision` is set."""
        return torch.autocast(self.captioner.device.type, self._half, enabled=self._mixed_precision)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of one batch to those gathered for the next step."""
        torch.autograd.backward(self._scaler.scale(loss / self.accumulation_steps))

    def step(self, lr_factor: float) -> None:
        """Change the weights by the gathered gradients, at `lr_factor` times the base rates."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr_factor * group["base_lr"]
        self._scaler.unscale_(self.optimizer)
        clip_grad_norm_(self._parameters(), self._max_grad_norm)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self.optimizer.zero_grad()
        self.ema.update(self.captioner)

    def has_finite_weights(self) -> bool:
        """Whether no weight that is trained, and no average of one, is infinite or undefined."""
        averages = [p for p in self.ema.captioner.parameters() if p.requires_grad]
        return all(bool(p.isfinite().all()) for p in [*self._parameters(), *averages])

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs, except for the weights and their average themselves."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "ema_updates": self.ema.updates,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        self.ema.updates = state["ema_updates"]

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]
