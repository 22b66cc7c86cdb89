"""From region features to word numbers: greedy and beam search and nucleus sampling.

One loop serves every decoder. Axis letters: B images, K candidates, T words, V vocabulary,
L layers, H hidden units.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pytorch.model.decoders import Decoder
from pytorch.model.injections import State
from pytorch.model.vocabulary import Vocabulary

NEVER_GENERATED = [Vocabulary.pad, Vocabulary.start, Vocabulary.unknown]


@dataclass(frozen=True)
class DecodingConfig:
    """How captions are searched for; a checkpoint carries the defaults it was tuned with.

    A candidate's score is its log-probability divided by its number of words, `<end>` included,
    to the power `length_normalization`: 0 favours short captions, 1 compares mean words.
    With `no_repeat_ngram` n above 0 no n words in a row come twice in a caption.

    With `top_p`, candidates are sampled instead: every word from the most probable ones that
    together reach that probability (Holtzman et al., "The Curious Case of Neural Text
    Degeneration", 2020). The same `sampling_seed` gives the same captions, whatever else is in the
    batch.
    """

    beam_size: int = 3
    max_words: int = 24
    length_normalization: float = 0.0
    no_repeat_ngram: int = 0
    top_p: float | None = None
    sampling_seed: int = 0

    def __post_init__(self) -> None:
        if self.beam_size < 1:
            raise ValueError(f"The beam size must be at least 1, not {self.beam_size}.")
        if not 0 <= self.length_normalization < math.inf:
            raise ValueError(
                f"length_normalization must be 0 or more, not {self.length_normalization}."
            )
        if self.max_words < 1:
            raise ValueError(f"A caption needs room for at least 1 word, not {self.max_words}.")
        if self.no_repeat_ngram < 0:
            raise ValueError(f"no_repeat_ngram must be 0 or more, not {self.no_repeat_ngram}.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, not {self.top_p}.")


class Found(NamedTuple):
    """Candidates of each image, best first."""

    words: Tensor
    """Word numbers (B, K, T) without `<start>`, padded with `<pad>` after `<end>`. A caption that
    reached the most words allowed has no `<end>`."""

    log_probabilities: Tensor
    """Total log-probability of each candidate (B, K); minus infinity where there were fewer than
    K different captions, and the words then mean nothing."""


class _Choice(NamedTuple):
    """How candidates go on by one word, each (B, K)."""

    totals: Tensor
    parents: Tensor
    words: Tensor


def word_log_probabilities(logits: Tensor, *, first: bool) -> Tensor:
    """Log-probabilities (..., V) over the words that a caption may contain.

    `<pad>`, `<start>` and `<unk>` have none, nor has `<end>` as the `first` word: a caption is
    never empty.
    """
    forbidden = [*NEVER_GENERATED, Vocabulary.end] if first else NEVER_GENERATED
    allowed = logits.clone()
    allowed[..., forbidden] = -torch.inf
    return allowed.log_softmax(dim=-1)


def read_captions(decoder: Decoder, regions: Tensor, words: Tensor) -> tuple[Tensor, Tensor | None]:
    """Read found captions once more, as in training.

    `words` (B, T) are those of one caption for each image of `regions` (B, R, C), as `Found` has
    them. Returns the log-probabilities (B, T, V) at each place, as the search saw them, and the
    attention weights (B, T, R) where the decoder has them.
    """
    start = words.new_full((len(words), 1), Vocabulary.start)
    logits, attention = decoder(regions, torch.cat([start, words[:, :-1]], dim=1))
    steps = [
        word_log_probabilities(logits[:, :1], first=True),
        word_log_probabilities(logits[:, 1:], first=False),
    ]
    return torch.cat(steps, dim=1), attention


@torch.inference_mode()
def search(decoder: Decoder, regions: Tensor, config: DecodingConfig) -> Found:
    """The `beam_size` captions of each image that the configuration asks for, best first.

    `regions` is (B, R, C). Beam size 1 is greedy search. An ended candidate stays among the K and
    competes with those still growing, so there is always an answer.
    """
    choose = _best_beams if config.top_p is None else _nucleus(config.top_p, config.sampling_seed)
    captions, totals = _grow(decoder, regions, config, choose)
    return _best_first(captions, totals, config.length_normalization)


def sample(decoder: Decoder, regions: Tensor, config: DecodingConfig) -> Found:
    """The `beam_size` captions of each image drawn from the model's own distribution, unordered.

    Gradients flow through the log-probabilities. Chance comes from torch's global generator, as
    that of dropout does.
    """
    return Found(*_grow(decoder, regions, config, _by_chance))


def _grow(
    decoder: Decoder,
    regions: Tensor,
    config: DecodingConfig,
    choose: Callable[[Tensor, Tensor], _Choice],
) -> tuple[Tensor, Tensor]:
    """Word numbers (B, K, T) and their total log-probabilities (B, K)."""
    images, beams = len(regions), config.beam_size
    memory = tuple(part.repeat_interleave(beams, dim=0) for part in decoder.prepare(regions))
    state = decoder.start(memory)  # (L, B * K, H) each
    words = torch.full((images * beams,), Vocabulary.start, device=regions.device)
    captions = words.new_empty(images, beams, 0)  # (B, K, T)
    ended = torch.zeros(images, beams, dtype=torch.bool, device=regions.device)
    totals = torch.zeros(images, beams, device=regions.device)
    if choose is _best_beams:
        # All beams begin alike; only the first counts, or K copies of one caption would win.
        totals[:, 1:] = -torch.inf

    for position in range(config.max_words):
        logits, state, _ = decoder.step(words, state, memory)
        steps = word_log_probabilities(logits, first=position == 0)
        steps = steps.view(images, beams, -1)  # (B, K, V)
        if 0 < config.no_repeat_ngram <= position:
            steps = _without_repeats(steps, captions, config.no_repeat_ngram)
        steps = _only_padding_after_end(steps, ended)
        totals, parents, next_words = choose(totals, steps)
        captions = captions.gather(1, parents.unsqueeze(2).expand_as(captions))
        captions = torch.cat([captions, next_words.unsqueeze(2)], dim=2)  # (B, K, T)
        ended = ended.gather(1, parents) | (next_words == Vocabulary.end)
        if ended.all():
            break
        state = _of_parents(state, parents)
        words = next_words.flatten()  # (B * K,)
    return captions, totals


def _best_beams(totals: Tensor, steps: Tensor) -> _Choice:
    """The K most probable continuations of all candidates; `steps` is (B, K, V)."""
    totals, chosen = (totals.unsqueeze(2) + steps).flatten(1).topk(totals.shape[1])  # (B, K)
    return _Choice(totals, chosen // steps.shape[2], chosen % steps.shape[2])


def _by_chance(totals: Tensor, steps: Tensor) -> _Choice:
    """One word for each candidate, drawn from all of them."""
    words = steps.flatten(0, 1).exp().multinomial(1).view_as(totals)  # (B, K)
    parents = torch.arange(totals.shape[1], device=totals.device).expand_as(totals)  # (B, K)
    return _Choice(totals + steps.gather(2, words.unsqueeze(2)).squeeze(2), parents, words)


def _nucleus(top_p: float, seed: int) -> Callable[[Tensor, Tensor], _Choice]:
    """A choice of one word for each candidate by chance, from its own nucleus."""
    generator = torch.Generator().manual_seed(seed)

    def choose(totals: Tensor, steps: Tensor) -> _Choice:
        # One number for each of the K, the same for all images: whatever else is in the batch,
        # an image meets the same chances.
        chances = torch.rand(steps.shape[1], 1, generator=generator).to(steps.device)  # (K, 1)
        # Words that may not come next have left their probability to the others.
        ordered, words = steps.softmax(dim=2).sort(dim=2, descending=True)  # (B, K, V)
        before = ordered.cumsum(dim=2) - ordered
        nucleus = ordered.where(before < top_p, torch.zeros_like(ordered))
        reached = nucleus.cumsum(dim=2)
        place = torch.searchsorted(reached, chances * reached[..., -1:], right=True)  # (B, K, 1)
        # Rounding may put a chance just under 1 behind the last word.
        place = place.minimum((nucleus > 0).sum(dim=2, keepdim=True) - 1)
        chosen = words.gather(2, place)  # (B, K, 1)
        parents = torch.arange(steps.shape[1], device=steps.device).expand_as(totals)  # (B, K)
        return _Choice(totals + steps.gather(2, chosen).squeeze(2), parents, chosen.squeeze(2))

    return choose


def _without_repeats(steps: Tensor, captions: Tensor, size: int) -> Tensor:
    """Log-probabilities (B, K, V) without words that would repeat `size` words of a caption.

    Where that leaves no word, all stay: a repeated phrase is better than no caption.
    """
    windows = captions.unfold(2, size, 1)  # (B, K, T - size + 1, size)
    recent = captions[:, :, captions.shape[2] - size + 1 :].unsqueeze(2)  # (B, K, 1, size - 1)
    would_repeat = (windows[..., :-1] == recent).all(dim=3)  # (B, K, T - size + 1)
    banned = torch.zeros_like(steps)
    banned.scatter_reduce_(2, windows[..., -1], would_repeat.to(steps.dtype), "amax")
    allowed = steps.masked_fill(banned > 0, -torch.inf)
    return torch.where(allowed.isfinite().any(dim=2, keepdim=True), allowed, steps)


def _only_padding_after_end(steps: Tensor, ended: Tensor) -> Tensor:
    padding = torch.full_like(steps[0, 0], -torch.inf)  # (V,)
    padding[Vocabulary.pad] = 0.0
    return torch.where(ended.unsqueeze(2), padding, steps)


def _of_parents(state: State, parents: Tensor) -> State:
    """State (L, B * K, H) rearranged so that each candidate continues its parent (B, K)."""
    first_rows = torch.arange(len(parents), device=parents.device) * parents.shape[1]  # (B,)
    rows = (first_rows.unsqueeze(1) + parents).flatten()  # (B * K,)
    return state[0][:, rows], state[1][:, rows]


def _best_first(captions: Tensor, totals: Tensor, length_normalization: float) -> Found:
    lengths = (captions != Vocabulary.pad).sum(dim=2)  # (B, K)
    scores = totals / lengths.to(totals.dtype) ** length_normalization
    order = scores.argsort(dim=1, descending=True, stable=True)  # (B, K)
    words = captions.gather(1, order.unsqueeze(2).expand_as(captions))  # (B, K, T)
    totals = totals.gather(1, order)
    # Sampling may find a caption twice.
    same = (words.unsqueeze(2) == words.unsqueeze(1)).all(dim=3)  # (B, K, K)
    return Found(words, totals.masked_fill(same.tril(diagonal=-1).any(dim=2), -torch.inf))
