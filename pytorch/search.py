"""From region features to word numbers: greedy and beam search, for every decoder.

Axis letters: B images, K beams, T words, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pytorch.decoders import Decoder, State
from pytorch.vocabulary import Vocabulary

NEVER_GENERATED = [Vocabulary.pad, Vocabulary.start, Vocabulary.unknown]


@dataclass(frozen=True)
class DecodingConfig:
    """How captions are searched for; a checkpoint carries the defaults it was tuned with.

    A candidate's score is its log-probability divided by its number of words, `<end>` included,
    to the power `length_normalization`: 0 favours short captions, 1 compares mean words.
    """

    beam_size: int = 3
    max_words: int = 24
    length_normalization: float = 0.0

    def __post_init__(self) -> None:
        if self.beam_size < 1:
            raise ValueError(f"The beam size must be at least 1, not {self.beam_size}.")
        if self.max_words < 1:
            raise ValueError(f"A caption needs room for at least 1 word, not {self.max_words}.")


class Found(NamedTuple):
    """Candidates of each image, best first."""

    words: Tensor
    """Word numbers (B, K, T) without `<start>`, padded with `<pad>` after `<end>`. A caption that
    reached the most words allowed has no `<end>`."""

    log_probabilities: Tensor
    """Total log-probability of each candidate (B, K); minus infinity where there were fewer than
    K possible captions, and the words then mean nothing."""


def word_log_probabilities(logits: Tensor, *, first: bool) -> Tensor:
    """Log-probabilities (..., V) over the words that a caption may contain.

    `<pad>`, `<start>` and `<unk>` have none, nor has `<end>` as the `first` word: a caption is
    never empty.
    """
    forbidden = [*NEVER_GENERATED, Vocabulary.end] if first else NEVER_GENERATED
    allowed = logits.clone()
    allowed[..., forbidden] = -torch.inf
    return allowed.log_softmax(dim=-1)


@torch.inference_mode()
def beam_search(decoder: Decoder, regions: Tensor, config: DecodingConfig) -> Found:
    """The `beam_size` best captions of each image, best first.

    `regions` is (B, R, C). Beam size 1 is greedy search. An ended beam stays among the K and
    competes with those still growing, so there is always an answer.
    """
    images, beams = len(regions), config.beam_size
    memory = tuple(part.repeat_interleave(beams, dim=0) for part in decoder.prepare(regions))
    state = decoder.start(memory)  # (L, B * K, H) each
    words = torch.full((images * beams,), Vocabulary.start, device=regions.device)
    captions = words.new_empty(images, beams, 0)  # (B, K, T)
    ended = torch.zeros(images, beams, dtype=torch.bool, device=regions.device)
    # All beams begin alike; only the first counts, or K copies of one caption would win.
    totals = torch.full((images, beams), -torch.inf, device=regions.device)
    totals[:, 0] = 0.0

    for position in range(config.max_words):
        logits, state, _ = decoder.step(words, state, memory)
        steps = word_log_probabilities(logits, first=position == 0)
        steps = steps.view(images, beams, -1)  # (B, K, V)
        steps = _only_padding_after_end(steps, ended)
        totals, chosen = (totals.unsqueeze(2) + steps).flatten(1).topk(beams)  # (B, K)
        parents, next_words = chosen // steps.shape[2], chosen % steps.shape[2]
        captions = captions.gather(1, parents.unsqueeze(2).expand_as(captions))
        captions = torch.cat([captions, next_words.unsqueeze(2)], dim=2)  # (B, K, T)
        ended = ended.gather(1, parents) | (next_words == Vocabulary.end)
        if ended.all():
            break
        state = _of_parents(state, parents)
        words = next_words.flatten()  # (B * K,)

    return _best_first(captions, totals, config.length_normalization)


def _only_padding_after_end(steps: Tensor, ended: Tensor) -> Tensor:
    padding = torch.full_like(steps[0, 0], -torch.inf)  # (V,)
    padding[Vocabulary.pad] = 0.0
    return torch.where(ended.unsqueeze(2), padding, steps)


def _of_parents(state: State, parents: Tensor) -> State:
    """State (L, B * K, H) rearranged so that each beam continues its parent (B, K)."""
    first_rows = torch.arange(len(parents), device=parents.device) * parents.shape[1]  # (B,)
    rows = (first_rows.unsqueeze(1) + parents).flatten()  # (B * K,)
    return state[0][:, rows], state[1][:, rows]


def _best_first(captions: Tensor, totals: Tensor, length_normalization: float) -> Found:
    lengths = (captions != Vocabulary.pad).sum(dim=2)  # (B, K)
    scores = totals / lengths.to(totals.dtype) ** length_normalization
    order = scores.argsort(dim=1, descending=True)  # (B, K)
    words = captions.gather(1, order.unsqueeze(2).expand_as(captions))  # (B, K, T)
    return Found(words, totals.gather(1, order))
