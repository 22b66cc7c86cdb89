"""LSTM language models conditioned on an image.

How the image enters the LSTM is the injection: see `injections`.

Axis letters: B captions, T words, R regions, C channels of the encoder, D image size in the
decoder, E word embedding, H hidden units, L layers, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytorch.model.bounds import check_at_least, check_fractions
from pytorch.model.concepts import ImageFeatures
from pytorch.model.injections import INJECTIONS, Context, Memory, State
from pytorch.model.options import option
from pytorch.model.vocabulary import Vocabulary


@dataclass(frozen=True)
class DecoderConfig:
    """Options of a decoder.

    Tied embeddings follow Press and Wolf, "Using the Output Embedding to Improve Language Models",
    2017.

    Raises:
        ValueError: There is no such injection, or a number is out of range.
    """

    injection: str = option("attention", "how the image enters the LSTM", choices=INJECTIONS)
    layers: int = option(1, "layers of the LSTM")
    embedding_size: int = option(300, "size of a word embedding")
    hidden_size: int = option(512, "hidden units of each LSTM layer")
    image_size: int = option(512, "size that image features are projected to, except by prefix")
    attention_size: int = option(512, "hidden units of the attention scores")
    dropout: float = option(0.5, "probability of dropping a value in training")
    tied_embeddings: bool = option(True, "use the word embeddings as output weights too")

    def __post_init__(self) -> None:
        if self.injection not in INJECTIONS:
            raise ValueError(
                f"There is no injection {self.injection!r}; choose one of {', '.join(INJECTIONS)}."
            )
        check_at_least(self, 1, "layers", "embedding_size", "hidden_size")
        check_at_least(self, 1, "image_size", "attention_size")
        check_fractions(self, "dropout")


class Step(NamedTuple):
    """The result of reading one word."""

    logits: Tensor  # (B, V)
    state: State
    attention: Tensor | None  # (B, R)


class Decoder(nn.Module):
    """An LSTM that predicts the next word of a caption.

    It predicts a vector of the size of an embedding, which the output weights turn into logits.
    `forward` reads whole captions for training; `prepare`, `start` and `step` read word by word.

    Args:
        config: Options.
        vocabulary_size: Number of words, special tokens included.
        channels: Size of the encoder's region features.
    """

    def __init__(self, config: DecoderConfig, *, vocabulary_size: int, channels: int) -> None:
        super().__init__()
        self.config = config
        self.vocabulary_size = vocabulary_size
        self.channels = channels
        self.injection = INJECTIONS[config.injection](config, channels=channels)
        self.embedding = nn.Embedding(
            vocabulary_size, config.embedding_size, padding_idx=Vocabulary.pad
        )
        # The default scale of 1 would make the logits of tied embeddings so large that training
        # would begin by undoing them.
        nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)
        self.lstm = nn.LSTM(
            config.embedding_size + self.injection.input_size,
            config.hidden_size,
            num_layers=config.layers,
            dropout=config.dropout if config.layers > 1 else 0.0,
            batch_first=True,
        )
        self.to_embedding = nn.Linear(
            config.hidden_size + self.injection.output_size, config.embedding_size
        )
        self.output = (
            None
            if config.tied_embeddings
            else nn.Linear(config.embedding_size, vocabulary_size, bias=False)
        )
        self.bias = nn.Parameter(torch.zeros(vocabulary_size))
        self.dropout = nn.Dropout(config.dropout)

    def prepare(self, image: ImageFeatures) -> Memory:
        """Compute once per image what every word needs."""
        return self.injection.prepare(image, self.embedding)

    def start(self, memory: Memory) -> State:
        """Return the state before `<start>`."""
        state = self.injection.start(memory)
        first = self.injection.first_input(memory)
        return state if first is None else self._advance(first, state, memory)[0]

    def step(self, words: Tensor, state: State, memory: Memory) -> Step:
        """Read `words` (B,) and predict the next ones."""
        embedded = self.dropout(self.embedding(words))  # (B, E)
        state, read = self._advance(embedded, state, memory)
        context = self.injection.output_context(state[0][-1], memory, read)
        return Step(self._logits(state[0][-1], context.values), state, context.attention)

    def forward(self, image: ImageFeatures, words: Tensor) -> tuple[Tensor, Tensor | None]:
        """Predict the word after each word of known captions (teacher forcing).

        Args:
            image: The captions' images, B of them.
            words: Word numbers, (B, T), beginning with `<start>`.

        Returns:
            The logits (B, T, V) of the words that follow, and the attention weights (B, T, R) of
            each prediction; None without attention.
        """
        memory = self.prepare(image)
        state = self.start(memory)
        embedded = self.dropout(self.embedding(words))  # (B, T, E)
        read_all = self._read_by_word if self.injection.follows_hidden_state else self._read_fused
        outputs, read = read_all(embedded, state, memory)  # (B, T, H)
        context = self.injection.output_context(outputs, memory, read)
        return self._logits(outputs, context.values), context.attention

    def _read_by_word(
        self, embedded: Tensor, state: State, memory: Memory
    ) -> tuple[Tensor, Context]:
        """Read all words (B, T, E), one after the other; return the outputs (B, T, H)."""
        outputs, values, attentions = [], [], []
        for word in embedded.unbind(dim=1):
            state, read = self._advance(word, state, memory)
            outputs.append(state[0][-1])
            values.append(read.values)
            if read.attention is not None:
                attentions.append(read.attention)
        attention = torch.stack(attentions, dim=1) if attentions else None
        return torch.stack(outputs, dim=1), Context(torch.stack(values, dim=1), attention)

    def _read_fused(self, embedded: Tensor, state: State, memory: Memory) -> tuple[Tensor, Context]:
        """Read all words (B, T, E) in one call of the LSTM, since their context is the same."""
        read = self.injection.input_context(state[0][-1], memory)
        values = read.values.unsqueeze(1).expand(-1, embedded.shape[1], -1)  # (B, T, D)
        outputs, _ = self.lstm(torch.cat([embedded, values], dim=2), state)  # (B, T, H)
        return outputs, Context(values)

    def _advance(self, embedded: Tensor, state: State, memory: Memory) -> tuple[State, Context]:
        """Read one word (B, E); return the new state, and what was read beside it."""
        read = self.injection.input_context(state[0][-1], memory)
        inputs = torch.cat([embedded, read.values], dim=1)  # (B, E + D)
        hiddens, cells = [], []
        # The same as one step of self.lstm, which takes half as long again for a single word.
        for layer, weights in enumerate(self.lstm.all_weights):
            if layer > 0:
                inputs = self.dropout(inputs)
            hidden, cell = torch.lstm_cell(inputs, (state[0][layer], state[1][layer]), *weights)
            hiddens.append(hidden)
            cells.append(cell)
            inputs = hidden  # (B, H)
        return (torch.stack(hiddens), torch.stack(cells)), read

    def _logits(self, outputs: Tensor, contexts: Tensor) -> Tensor:
        """Predict words from the LSTM's outputs (..., H) and the contexts (..., D)."""
        joined = torch.cat([self.dropout(outputs), contexts], dim=-1)  # (..., H + D)
        # No dropout after this layer: after two epochs, CIDEr-D on Flickr8k's dev split was 0.443
        # with it and 0.488 without.
        predicted = self.to_embedding(joined)  # (..., E)
        weight = self.embedding.weight if self.output is None else self.output.weight
        return functional.linear(predicted, weight, self.bias)  # (..., V)
