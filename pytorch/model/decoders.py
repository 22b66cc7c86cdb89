"""LSTM language models that are told about an image, and the ways of telling them.

Axis letters: B captions, T words, R regions, C channels of the encoder, D image size in the
decoder, E word embedding, H hidden units, A attention units, L layers, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytorch.model.bounds import check_at_least, check_fractions
from pytorch.model.vocabulary import Vocabulary

Memory = tuple[Tensor, ...]
"""What an injection keeps of the images for a whole caption; the first axis is B."""

State = tuple[Tensor, Tensor]
"""Hidden and cell state of the LSTM, each (L, B, H)."""


@dataclass(frozen=True)
class DecoderConfig:
    """Options of a decoder.

    With `tied_embeddings` the word embeddings are also the output weights (Press and Wolf, "Using
    the Output Embedding to Improve Language Models", 2017).

    Raises:
        ValueError: The injection is not in INJECTIONS, or a number is out of bounds.
    """

    injection: str = "attention"
    layers: int = 1
    embedding_size: int = 300
    hidden_size: int = 512
    image_size: int = 512
    attention_size: int = 512
    dropout: float = 0.5
    tied_embeddings: bool = True

    def __post_init__(self) -> None:
        if self.injection not in INJECTIONS:
            raise ValueError(
                f"There is no injection {self.injection!r}; choose one of {', '.join(INJECTIONS)}."
            )
        check_at_least(self, 1, "layers", "embedding_size", "hidden_size")
        check_at_least(self, 1, "image_size", "attention_size")
        check_fractions(self, "dropout")


class Injection(nn.Module):
    """How the image enters the LSTM: the first state, a first input, a context for every word.

    `follows_hidden_state` says whether the context must be computed word by word. Where it need
    not, training runs all words through one fused LSTM call, which is faster. The
    base class tells the LSTM nothing; each injection replaces what it is about.
    """

    follows_hidden_state = False
    context_size = 0

    def __init__(self, config: DecoderConfig, *, channels: int) -> None:
        super().__init__()
        self.config = config
        self.dropout = nn.Dropout(config.dropout)

    def prepare(self, regions: Tensor) -> Memory:
        """Compute once per image what every word will need, from region features (B, R, C)."""
        raise NotImplementedError

    def start(self, memory: Memory) -> State:
        """State of the LSTM before anything was read."""
        zeros = memory[0].new_zeros(
            self.config.layers, len(memory[0]), self.config.hidden_size
        )  # (L, B, H)
        return zeros, zeros

    def first_input(self, memory: Memory) -> Tensor | None:
        """Input (B, E) that the LSTM reads before `<start>`, if any."""
        return None

    def context(self, hidden: Tensor, memory: Memory) -> tuple[Tensor, Tensor | None]:
        """Context for the next word (B, context_size) and attention weights (B, R), if any.

        `hidden` (B, H) is the top layer's hidden state after the previous word.
        """
        return memory[0].new_zeros(len(hidden), 0), None


def projection(channels: int, size: int) -> nn.Sequential:
    """From the encoder's channels (..., C) to `size` of them."""
    return nn.Sequential(nn.Linear(channels, size), nn.ReLU())


class FirstState(nn.Module):
    """Predicts the LSTM's first state from an image vector (B, D)."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.layers = config.layers
        self.hidden = nn.Linear(config.image_size, config.layers * config.hidden_size)
        self.cell = nn.Linear(config.image_size, config.layers * config.hidden_size)

    def forward(self, image: Tensor) -> State:
        """Hidden and cell state, each (L, B, H)."""
        hidden, cell = (
            torch.tanh(linear(image)).view(len(image), self.layers, -1).transpose(0, 1).contiguous()
            for linear in (self.hidden, self.cell)
        )
        return hidden, cell


class InitInjection(Injection):
    """The image vector becomes the first hidden and cell state, and is not seen again."""

    def __init__(self, config: DecoderConfig, *, channels: int) -> None:
        super().__init__(config, channels=channels)
        self.project = projection(channels, config.image_size)
        self.first_state = FirstState(config)

    def prepare(self, regions: Tensor) -> Memory:
        """The projected image vector, the mean of its regions."""
        return (self.dropout(self.project(regions.mean(dim=1))),)  # (B, D)

    def start(self, memory: Memory) -> State:
        """State predicted from the image vector."""
        state: State = self.first_state(memory[0])
        return state


class PrefixInjection(Injection):
    """The image vector is the first input, before `<start>`: a word that stands for the image.

    Vinyals et al., "Show and Tell", 2015, section 3.1.
    """

    def __init__(self, config: DecoderConfig, *, channels: int) -> None:
        super().__init__(config, channels=channels)
        self.project = projection(channels, config.embedding_size)

    def prepare(self, regions: Tensor) -> Memory:
        """The image vector projected into the space of the word embeddings."""
        return (self.dropout(self.project(regions.mean(dim=1))),)  # (B, E)

    def first_input(self, memory: Memory) -> Tensor:
        """The image as a word."""
        return memory[0]


class EveryStepInjection(Injection):
    """The image vector joins every word's input: a third weight matrix beside word and state."""

    def __init__(self, config: DecoderConfig, *, channels: int) -> None:
        super().__init__(config, channels=channels)
        self.context_size = config.image_size
        self.project = projection(channels, config.image_size)

    def prepare(self, regions: Tensor) -> Memory:
        """The projected image vector, the mean of its regions."""
        return (self.dropout(self.project(regions.mean(dim=1))),)  # (B, D)

    def context(self, hidden: Tensor, memory: Memory) -> tuple[Tensor, None]:
        """The same image vector for every word."""
        return memory[0], None


class AttentionInjection(Injection):
    """Soft attention over the regions at every word, with a gate.

    Xu et al., "Show, Attend and Tell", 2015, sections 3.1.2 and 4.2.1. Regions are projected to
    D before attention, which the paper does not do: the LSTM's input then does not grow with
    the encoder's channels.
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

    def prepare(self, regions: Tensor) -> Memory:
        """Projected regions (B, R, D) and their attention keys (B, R, A)."""
        values = self.project(regions)  # (B, R, D)
        return values, self.key(values)

    def start(self, memory: Memory) -> State:
        """State predicted from the mean of the regions."""
        state: State = self.first_state(self.dropout(memory[0].mean(dim=1)))
        return state

    def context(self, hidden: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Gated mean of the regions, weighted by how well each matches the hidden state."""
        values, keys = memory
        scores = self.score(torch.tanh(keys + self.query(hidden).unsqueeze(1)))  # (B, R, 1)
        attention = scores.squeeze(2).softmax(dim=1)  # (B, R)
        seen = torch.bmm(attention.unsqueeze(1), values).squeeze(1)  # (B, D)
        # Not of the regions: the mean over them would undo what single ones lose.
        return torch.sigmoid(self.gate(hidden)) * self.dropout(seen), attention


INJECTIONS: dict[str, type[Injection]] = {
    "init": InitInjection,
    "prefix": PrefixInjection,
    "every-step": EveryStepInjection,
    "attention": AttentionInjection,
}


class Step(NamedTuple):
    """One word's worth of decoding."""

    logits: Tensor  # (B, V)
    state: State
    attention: Tensor | None  # (B, R)


class Decoder(nn.Module):
    """An LSTM over words; its injection tells it about the image."""

    def __init__(self, config: DecoderConfig, *, vocabulary_size: int, channels: int) -> None:
        """Random weights for a vocabulary of this size and an encoder with so many channels."""
        super().__init__()
        self.config = config
        self.vocabulary_size = vocabulary_size
        self.channels = channels
        self.injection = INJECTIONS[config.injection](config, channels=channels)
        context_size = self.injection.context_size
        self.embedding = nn.Embedding(
            vocabulary_size, config.embedding_size, padding_idx=Vocabulary.pad
        )
        # As output weights, embeddings at their default scale of 1 would make the first logits so
        # large that training starts by undoing them.
        nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)
        self.lstm = nn.LSTM(
            config.embedding_size + context_size,
            config.hidden_size,
            num_layers=config.layers,
            dropout=config.dropout if config.layers > 1 else 0.0,
            batch_first=True,
        )
        self.to_embedding = nn.Linear(config.hidden_size + context_size, config.embedding_size)
        self.output = (
            None
            if config.tied_embeddings
            else nn.Linear(config.embedding_size, vocabulary_size, bias=False)
        )
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))
        self.dropout = nn.Dropout(config.dropout)

    def prepare(self, regions: Tensor) -> Memory:
        """Image context for all steps, from region features (B, R, C)."""
        return self.injection.prepare(regions)

    def start(self, memory: Memory) -> State:
        """State before `<start>`."""
        state = self.injection.start(memory)
        first = self.injection.first_input(memory)
        return state if first is None else self._advance(first, state, memory)[0]

    def step(self, words: Tensor, state: State, memory: Memory) -> Step:
        """Logits of the word that follows `words` (B,)."""
        embedded = self.dropout(self.embedding(words))  # (B, E)
        state, context, attention = self._advance(embedded, state, memory)
        return Step(self._logits(state[0][-1], context), state, attention)

    def forward(self, regions: Tensor, words: Tensor) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing: logits (B, T, V) of the words that follow each of `words` (B, T).

        Also the attention weights (B, T, R) with which each was predicted, where the injection
        has them.
        """
        memory = self.prepare(regions)
        state = self.start(memory)
        embedded = self.dropout(self.embedding(words))  # (B, T, E)
        if not self.injection.follows_hidden_state:
            return self._forward_fused(embedded, state, memory), None
        outputs, contexts, attentions = [], [], []
        for word in embedded.unbind(dim=1):
            state, context, attention = self._advance(word, state, memory)
            outputs.append(state[0][-1])
            contexts.append(context)
            if attention is not None:
                attentions.append(attention)
        logits = self._logits(torch.stack(outputs, dim=1), torch.stack(contexts, dim=1))
        return logits, torch.stack(attentions, dim=1) if attentions else None

    def _forward_fused(self, embedded: Tensor, state: State, memory: Memory) -> Tensor:
        context, _ = self.injection.context(state[0][-1], memory)
        contexts = context.unsqueeze(1).expand(-1, embedded.shape[1], -1)  # (B, T, D)
        outputs, _ = self.lstm(torch.cat([embedded, contexts], dim=2), state)  # (B, T, H)
        return self._logits(outputs, contexts)

    def _advance(
        self, embedded: Tensor, state: State, memory: Memory
    ) -> tuple[State, Tensor, Tensor | None]:
        """State after a word (B, E), the context it was read with, and the attention weights."""
        context, attention = self.injection.context(state[0][-1], memory)
        inputs = torch.cat([embedded, context], dim=1)  # (B, E + D)
        hiddens, cells = [], []
        # One step of self.lstm, whose own call costs half as much again for a single word.
        for layer, weights in enumerate(self.lstm.all_weights):
            if layer > 0:
                inputs = self.dropout(inputs)
            hidden, cell = torch.lstm_cell(inputs, (state[0][layer], state[1][layer]), *weights)
            hiddens.append(hidden)
            cells.append(cell)
            inputs = hidden  # (B, H)
        return (torch.stack(hiddens), torch.stack(cells)), context, attention

    def _logits(self, outputs: Tensor, contexts: Tensor) -> Tensor:
        joined = torch.cat([self.dropout(outputs), contexts], dim=-1)  # (..., H + D)
        # No dropout of these as well: CIDEr-D on Flickr8k's dev split after two passes over the
        # train split was 0.443 with it and 0.488 without.
        predicted = self.to_embedding(joined)  # (..., E)
        weight = self.embedding.weight if self.output is None else self.output.weight
        return functional.linear(predicted, weight, self.bias)  # (..., V)
