"""How the image enters the decoder's LSTM.

Three injections follow Tanti, Gatt and Camilleri, "Where to put the Image in an Image Caption
Generator", 2018: `init` is their init-inject, `prefix` their pre-inject and `every-step` their
par-inject. `attention` follows Xu et al., "Show, Attend and Tell", 2015. `semantic-attention` reads
the concepts of the image as well, and attends after the LSTM.

Axis letters: B captions, T words, R regions, N concepts, C channels of the encoder, D image size in
the decoder, E word embedding, H hidden units, A attention units, L layers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from pytorch.model.concepts import ImageFeatures
    from pytorch.model.decoders import DecoderConfig

Memory = tuple[Tensor, ...]
"""What an injection keeps of the images while it writes a caption; the first axis is B."""

State = tuple[Tensor, Tensor]
"""Hidden and cell state of the LSTM, each (L, B, H)."""


class Context(NamedTuple):
    """What is said of the image at one word (B, ...), or at each word of a caption (B, T, ...)."""

    values: Tensor
    """A vector (..., D), which may have no dimensions."""

    attention: Tensor | None = None
    """How much of it comes from each region, (..., R), if there is attention."""


class Injection(nn.Module):
    """Gives the LSTM an initial state, a first input, and contexts for every word.

    The LSTM reads the input context beside a word, and the output layer reads the output context
    beside the hidden state that came of it. This base class says nothing about the image; each
    injection overrides its own part.

    Attributes:
        needs_concepts: Whether the image's concepts are read.
        follows_hidden_state: Whether the input context depends on the hidden state, so that it must
            be computed word by word. Otherwise training runs all words through one fused LSTM call,
            which is faster.
        input_size: Size of the input context; 0 for none.
        output_size: Size of the output context; 0 for none.
    """

    needs_concepts = False
    follows_hidden_state = False
    input_size = 0
    output_size = 0

    def __init__(self, config: DecoderConfig, *, channels: int) -> None:
        super().__init__()
        self.config = config
        self.dropout = nn.Dropout(config.dropout)

    def prepare(self, image: ImageFeatures, embedding: nn.Embedding) -> Memory:
        """Compute once per image what every word needs.

        Args:
            image: The images, B of them.
            embedding: The decoder's word embeddings.
        """
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

    def input_context(self, hidden: Tensor, memory: Memory) -> Context:
        """Say of the image what the LSTM reads beside the next word.

        Args:
            hidden: The top layer's hidden state after the previous word, (B, H).
            memory: The result of `prepare`.
        """
        return Context(memory[0].new_zeros(len(hidden), 0))

    def output_context(self, hidden: Tensor, memory: Memory, read: Context) -> Context:
        """Say of the image what the output layer reads; by default, what the LSTM has read.

        Args:
            hidden: The top layer's hidden state after the words, (B, H), or that after each of a
                caption's words, (B, T, H).
            memory: The result of `prepare`.
            read: The input context of the same words.
        """
        return read


def projection(channels: int, size: int) -> nn.Sequential:
    """Build the layer that maps features (..., channels) to (..., size)."""
    return nn.Sequential(nn.Linear(channels, size), nn.ReLU())


class FirstState(nn.Module):
    """Predicts the LSTM's initial state from a vector of the image (B, size)."""

    def __init__(self, config: DecoderConfig, size: int) -> None:
        super().__init__()
        self.layers = config.layers
        self.hidden = nn.Linear(size, config.layers * config.hidden_size)
        self.cell = nn.Linear(size, config.layers * config.hidden_size)

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
        self.first_state = FirstState(config, config.image_size)

    def prepare(self, image: ImageFeatures, embedding: nn.Embedding) -> Memory:
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

    def prepare(self, image: ImageFeatures, embedding: nn.Embedding) -> Memory:
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
        self.input_size = self.output_size = config.image_size
        self.project = projection(channels, config.image_size)

    def prepare(self, image: ImageFeatures, embedding: nn.Embedding) -> Memory:
        """Project the image vector, which is the mean of the regions."""
        return (self.dropout(self.project(image.regions.mean(dim=1))),)  # (B, D)

    def input_context(self, hidden: Tensor, memory: Memory) -> Context:
        """Return the same image vector (B, D) for every word."""
        return Context(memory[0])


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
        self.input_size = self.output_size = config.image_size
        self.project = projection(channels, config.image_size)
        self.key = nn.Linear(config.image_size, config.attention_size)
        self.query = nn.Linear(config.hidden_size, config.attention_size, bias=False)
        self.score = nn.Linear(config.attention_size, 1, bias=False)
        self.gate = nn.Linear(config.hidden_size, config.image_size)
        self.first_state = FirstState(config, config.image_size)

    def prepare(self, image: ImageFeatures, embedding: nn.Embedding) -> Memory:
        """Project the regions (B, R, D), and compute their attention keys (B, R, A)."""
        values = self.project(image.regions)  # (B, R, D)
        return values, self.key(values)

    def start(self, memory: Memory) -> State:
        """Predict the initial state from the mean of the projected regions."""
        state: State = self.first_state(self.dropout(memory[0].mean(dim=1)))
        return state

    def input_context(self, hidden: Tensor, memory: Memory) -> Context:
        """Average the regions by how well each matches the hidden state, and gate the result."""
        values, keys = memory
        scores = self.score(torch.tanh(keys + self.query(hidden).unsqueeze(1)))  # (B, R, 1)
        attention = scores.squeeze(2).softmax(dim=1)  # (B, R)
        attended = torch.bmm(attention.unsqueeze(1), values).squeeze(1)  # (B, D)
        # Dropout after the mean, not before: averaging would fill in what single regions lose.
        return Context(torch.sigmoid(self.gate(hidden)) * self.dropout(attended), attention)


class SemanticAttentionInjection(Injection):
    """Attention over regions and concepts after the LSTM, which reads the same at every word.

    That the words for what is in the image are attended to follows You et al., "Image Captioning
    with Semantic Attention", 2016; that the hidden state attends after it has read the word, and
    may turn to a sentinel instead of the image, follows Lu et al., "Knowing When to Look", 2017.
    Unlike in the papers:

    - one attention chooses among regions, concepts and sentinel, by scaled dot products;
    - the sentinel is learned and the same at every word, where Lu et al. gate the LSTM's memory;
    - a concept is its word's embedding with its score.

    Nothing that the LSTM reads depends on its state, so training needs one fused call.

    Where no picture is shown, a learned vector stands for the image, and no region is attended to.
    """

    needs_concepts = True
    # The mean of the concepts fades out where the sum of their scores is far below this.
    LITTLE_SCORE = 0.5

    def __init__(self, config: DecoderConfig, *, channels: int) -> None:
        super().__init__(config, channels=channels)
        size = config.image_size
        self.input_size, self.output_size = 2 * size, size
        self.project_image = projection(channels, size)
        self.project_regions = projection(channels, size)
        self.project_concepts = projection(config.embedding_size + 1, size)
        self.no_image = nn.Parameter(torch.randn(size) * size**-0.5)
        self.sentinel = nn.Parameter(torch.randn(size) * size**-0.5)
        self.key = nn.Linear(size, config.attention_size)
        self.query = nn.Linear(config.hidden_size, config.attention_size)
        self.first_state = FirstState(config, self.input_size)

    def prepare(self, image: ImageFeatures, embedding: nn.Embedding) -> Memory:
        """Project the image and its concepts, and compute their attention keys.

        Returns:
            What the LSTM reads (B, 2 D); regions, concepts and sentinel (B, R + N + 1, D), and
            their keys (B, R + N + 1, A); whether the regions (B, R) and the concepts (B, N) are
            there.

        Raises:
            ValueError: The image has no concepts.
        """
        if image.concepts is None:
            raise ValueError(
                "The injection semantic-attention reads the concepts of images, but the captioner "
                "has no concept detector. Give it one, or choose another injection."
            )
        regions, (words, scores) = image.regions, image.concepts
        shown = image.shown
        if shown is None:
            shown = torch.ones(len(regions), dtype=torch.bool, device=regions.device)
        pooled = self.project_image(regions.mean(dim=1))  # (B, D)
        pooled = torch.where(shown.unsqueeze(1), pooled, self.no_image)
        weights = scores.unsqueeze(2)  # (B, N, 1)
        concepts = self.project_concepts(torch.cat([embedding(words), weights], dim=2))  # (B, N, D)
        mean = (concepts * weights).sum(dim=1) / (weights.sum(dim=1) + self.LITTLE_SCORE)  # (B, D)
        read = self.dropout(torch.cat([pooled, mean], dim=1))  # (B, 2 D)
        sentinel = self.sentinel.expand(len(regions), 1, -1)  # (B, 1, D)
        values = torch.cat([self.project_regions(regions), concepts, sentinel], dim=1)
        is_region = shown.unsqueeze(1).expand(-1, regions.shape[1])  # (B, R)
        return read, values, self.key(values), is_region, scores > 0

    def start(self, memory: Memory) -> State:
        """Predict the initial state from what the LSTM reads."""
        state: State = self.first_state(memory[0])
        return state

    def input_context(self, hidden: Tensor, memory: Memory) -> Context:
        """Return the same vector (B, 2 D) for every word."""
        return Context(memory[0])

    def output_context(self, hidden: Tensor, memory: Memory, read: Context) -> Context:
        """Average regions, concepts and sentinel by how well each matches the hidden state."""
        _, values, keys, is_region, is_concept = memory
        queries = self.query(hidden).view(len(hidden), -1, keys.shape[2])  # (B, T, A)
        scores = queries @ keys.transpose(1, 2) / math.sqrt(keys.shape[2])  # (B, T, R + N + 1)
        is_there = torch.cat([is_region, is_concept, torch.ones_like(is_region[:, :1])], dim=1)
        weights = scores.masked_fill(~is_there.unsqueeze(1), -torch.inf).softmax(dim=2)
        attended = self.dropout(weights @ values)  # (B, T, D)
        # Told are the weights of the regions among themselves, whatever goes to concepts and
        # sentinel: like those of `attention`, they sum to 1, so that a map of them shows where the
        # model looked and the attention penalty asks that it look at all of the picture. Where no
        # picture is shown they are 0, and the penalty is a constant.
        regions = scores[:, :, : is_region.shape[1]].softmax(dim=2) * is_region.unsqueeze(1)
        words = hidden.shape[:-1]  # (B) or (B, T)
        return Context(attended.view(*words, -1), regions.view(*words, -1))


INJECTIONS: dict[str, type[Injection]] = {
    "init": InitInjection,
    "prefix": PrefixInjection,
    "every-step": EveryStepInjection,
    "attention": AttentionInjection,
    "semantic-attention": SemanticAttentionInjection,
}
