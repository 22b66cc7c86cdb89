"""How the image enters the decoder's LSTM.

Three injections follow Tanti, Gatt and Camilleri, "Where to put the Image in an Image Caption
Generator", 2018: `init` is their init-inject, `prefix` their pre-inject and `every-step` their
par-inject. `attention` follows Xu et al., "Show, Attend and Tell", 2015.

Axis letters: B captions, R regions, C channels of the encoder, D image size in the decoder,
E word embedding, H hidden units, A attention units, L layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from pytorch.model.concepts import ImageFeatures
    from pytorch.model.decoders import DecoderConfig

Memory = tuple[Tensor, ...]
"""What an injection keeps of the images while it writes a caption; the first axis is B."""

State = tuple[Tensor, Tensor]
"""Hidden and cell state of the LSTM, each (L, B, H)."""


class Injection(nn.Module):
    """Gives the LSTM an initial state, a first input, and a context for every word.

    This base class says nothing about the image; each injection overrides its own part.

    Attributes:
        follows_hidden_state: Whether the context depends on the hidden state, so that it must be
            computed word by word. Otherwise training runs all words through one fused LSTM call,
            which is faster.
        context_size: Size of the context that joins every word's embedding; 0 for none.
    """

    follows_hidden_state = False
    context_size = 0

    def __init__(self, config: DecoderConfig, *, channels: int) -> None:
        super().__init__()
        self.config = config
        self.dropout = nn.Dropout(config.dropout)

    def prepare(self, image: ImageFeatures) -> Memory:
        """Compute once per image what every word needs."""
        raise NotImplementedError

    def start(self, memory: Memory) -> State:
        """Return the initial state of the LSTM."""
        zeros = memory[0].new_zeros(
            self.config.layers, len(memory[0]), self.config.hidden_size
        )  # (L, B, H)
        return zeros, zeros

    def first_input(self, memory: Memory) -> Tensor | None:
        """Return the input (B, E) that the LSTM reads before `<start>`, if there is one."""
        return None

    def context(self, hidden: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None]:
        """Compute the image context for the next word.

        Args:
            hidden: The top layer's hidden state after the previous word, (B, H).
            memory: The result of `prepare`.

        Returns:
            The context (B, context_size), and the attention weights (B, R) if there are any.
        """
        return memory[0].new_zeros(len(hidden), 0), None


def projection(channels: int, size: int) -> nn.Sequential:
    """Build the layer that maps features (..., channels) to (..., size)."""
    return nn.Sequential(nn.Linear(channels, size), nn.ReLU())


class FirstState(nn.Module):
    """Predicts the LSTM's initial state from an image vector (B, D)."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.layers = config.layers
        self.hidden = nn.Linear(config.image_size, config.layers * config.hidden_size)
        self.cell = nn.Linear(config.image_size, config.layers * config.hidden_size)

    def forward(self, image: Tensor) -> State:
        """Return the hidden and the cell state, each (L, B, H)."""
        hidden, cell = (
            torch.tanh(linear(image)).view(len(image), self.layers, -1).transpose(0, 1).contiguous()
            for linear in (self.hidden, self.cell)
        )
        return hidden, cell


class InitInjection(Injection):
    """The image vector sets the initial hidden and cell state, and is not used again.

    The init-inject architecture of Tanti et al., 2018.
    """

    def __init__(self, config: DecoderConfig, *, channels: int) -> None:
        super().__init__(config, channels=channels)
        self.project = projection(channels, config.image_size)
        self.first_state = FirstState(config)

    def prepare(self, image: ImageFeatures) -> Memory:
        """Project the image vector, which is the mean of the regions."""
        return (self.dropout(self.project(image.regions.mean(dim=1))),)  # (B, D)

    def start(self, memory: Memory) -> State:
        """Predict the initial state from the image vector."""
        state: State = self.first_state(memory[0])
        return state


class PrefixInjection(Injection):
    """The image vector is the first input, as if it were a word before `<start>`.

    The pre-inject architecture of Tanti et al., 2018; first in Vinyals et al., "Show and Tell",
    2015, section 3.1.
    """

    def __init__(self, config: DecoderConfig, *, channels: int) -> None:
        super().__init__(config, channels=channels)
        self.project = projection(channels, config.embedding_size)

    def prepare(self, image: ImageFeatures) -> Memory:
        """Project the image vector into the space of the word embeddings."""
        return (self.dropout(self.project(image.regions.mean(dim=1))),)  # (B, E)

    def first_input(self, memory: Memory) -> Tensor:
        """Return the image vector (B, E)."""
        return memory[0]


class EveryStepInjection(Injection):
    """The image vector joins the word embedding at every step.

    The par-inject architecture of Tanti et al., 2018. Unlike theirs, the output layer sees the
    image vector as well, beside the hidden state.
    """

    def __init__(self, config: DecoderConfig, *, channels: int) -> None:
        super().__init__(config, channels=channels)
        self.context_size = config.image_size
        self.project = projection(channels, config.image_size)

    def prepare(self, image: ImageFeatures) -> Memory:
        """Project the image vector, which is the mean of the regions."""
        return (self.dropout(self.project(image.regions.mean(dim=1))),)  # (B, D)

    def context(self, hidden: Tensor, memory: Memory) -> tuple[Tensor, None]:
        """Return the same image vector (B, D) for every word."""
        return memory[0], None


class AttentionInjection(Injection):
    """Gated soft attention over the regions at every word.

    Follows Xu et al., "Show, Attend and Tell", 2015, sections 3.1.2 and 4.2.1, except that:

    - the regions are projected from C to D before attention, so that the size of the LSTM's input
      does not depend on the encoder;
    - the gate is a vector with one value for each of the D dimensions, where the paper has a
      scalar, beta;
    - the output layer sees the hidden state and the context, but not the previous word.
    """

    follows_hidden_state = True

    def __init__(self, config: DecoderConfig, *, channels: int) -> None:
        super().__init__(config, channels=channels)
        self.context_size = config.image_size
        self.project = projection(channels, config.image_size)
        self.key = nn.Linear(config.image_size, config.attention_size)
        self.query = nn.Linear(config.hidden_size, config.attention_size, bias=False)
        self.score = nn.Linear(config.attention_size, 1, bias=False)
        self.gate = nn.Linear(config.hidden_size, config.image_size)
        self.first_state = FirstState(config)

    def prepare(self, image: ImageFeatures) -> Memory:
        """Project the regions (B, R, D), and compute their attention keys (B, R, A)."""
        values = self.project(image.regions)  # (B, R, D)
        return values, self.key(values)

    def start(self, memory: Memory) -> State:
        """Predict the initial state from the mean of the projected regions."""
        state: State = self.first_state(self.dropout(memory[0].mean(dim=1)))
        return state

    def context(self, hidden: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Average the regions by how well each matches the hidden state, and gate the result."""
        values, keys = memory
        scores = self.score(torch.tanh(keys + self.query(hidden).unsqueeze(1)))  # (B, R, 1)
        attention = scores.squeeze(2).softmax(dim=1)  # (B, R)
        attended = torch.bmm(attention.unsqueeze(1), values).squeeze(1)  # (B, D)
        # Dropout after the mean, not before: averaging would fill in what single regions lose.
        return torch.sigmoid(self.gate(hidden)) * self.dropout(attended), attention


INJECTIONS: dict[str, type[Injection]] = {
    "init": InitInjection,
    "prefix": PrefixInjection,
    "every-step": EveryStepInjection,
    "attention": AttentionInjection,
}
