"""From images to captions: greedy search, beam search and nucleus sampling.

One loop serves every decoder and every way to choose words.

Axis letters: B images, K candidates, P candidates of all beams of an image, T words, V vocabulary,
R regions, L layers, H hidden units.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from pytorch.model.concepts import ImageFeatures
from pytorch.model.constraints import Constraints
from pytorch.model.decoders import Decoder
from pytorch.model.decoding import DecodingConfig
from pytorch.model.grammar import Grammar
from pytorch.model.injections import Memory, State
from pytorch.model.strategies import (
    BeamSearch,
    ConstrainedBeamSearch,
    NucleusSampling,
    Sampling,
    Strategy,
)
from pytorch.model.vocabulary import Vocabulary
from pytorch.model.word_rules import WordRules, only_padding_after_end

NEVER_GENERATED = [Vocabulary.pad, Vocabulary.start, Vocabulary.unknown]


class SearchResult(NamedTuple):
    """The candidates of each image."""

    words: Tensor
    """Word numbers (B, K, T) without `<start>`, and with `<pad>` after `<end>`. A caption of
    `max_words` words has no `<end>`."""

    log_probabilities: Tensor
    """Total log-probability of each candidate, (B, K). Minus infinity marks rows of `words` that
    mean nothing, because the search found fewer than K different captions."""


def word_log_probabilities(logits: Tensor, *, first: bool) -> Tensor:
    """Return log-probabilities (..., V) over the words that may come next in a caption.

    `<pad>`, `<start>` and `<unk>` never may; nor may `<end>` as the `first` word, since a caption
    is never empty.
    """
    forbidden = [*NEVER_GENERATED, Vocabulary.end] if first else NEVER_GENERATED
    allowed = logits.clone()
    allowed[..., forbidden] = -torch.inf
    return allowed.log_softmax(dim=-1)


def caption_log_probabilities(
    decoder: Decoder, image: ImageFeatures, words: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Run the decoder over captions that a search found, as in training.

    Args:
        decoder: The decoder that found them.
        image: The captions' images, B of them.
        words: One caption for each of them, (B, T), as in `SearchResult`.

    Returns:
        The log-probabilities (B, T, V) of all words at each place, as the search saw them, and
        the attention weights (B, T, R); None without attention.
    """
    start = words.new_full((len(words), 1), Vocabulary.start)
    logits, attention = decoder(image, torch.cat([start, words[:, :-1]], dim=1))
    steps = [
        word_log_probabilities(logits[:, :1], first=True),
        word_log_probabilities(logits[:, 1:], first=False),
    ]
    return torch.cat(steps, dim=1), attention


@torch.inference_mode()
def search(
    decoder: Decoder,
    image: ImageFeatures,
    config: DecodingConfig,
    constraints: Constraints | None = None,
    *,
    grammar: Grammar | None = None,
) -> SearchResult:
    """Find `beam_size` captions of each image, best first.

    Beam size 1 is greedy search. A candidate that has ended keeps its place in the beam and
    competes with those that still grow, so there is always a caption. If `max_words` is too small
    for all the words that an image's captions must say, they say as many as they can.

    Args:
        decoder: In evaluation mode, unless dropout is wanted.
        image: The images, B of them.
        config: Options.
        constraints: What the captions must say, and must not.
        grammar: Rules to keep.
    """
    memory = decoder.prepare(image)
    if constraints is None:
        return _search(decoder, memory, config, WordRules.of(config, grammar))
    # More sets need more candidates, so images are searched with those that have as many sets.
    counts = constraints.counts  # (B,)
    groups = [(counts == count).nonzero().squeeze(1) for count in sorted(set(counts.tolist()))]
    found = []
    for rows in groups:
        rules = WordRules.of(config, grammar, constraints.of(rows))
        found.append(_search(decoder, tuple(part[rows] for part in memory), config, rules))
    return _joined(groups, found)


def sample(decoder: Decoder, image: ImageFeatures, config: DecodingConfig) -> SearchResult:
    """Draw `beam_size` captions of each image from the model's own distribution, in no order.

    Gradients flow through the log-probabilities. Like dropout, it draws from torch's global
    generator.
    """
    memory, strategy = decoder.prepare(image), Sampling(config.beam_size)
    return SearchResult(*_generate(decoder, memory, strategy, WordRules.of(config)))


def _search(
    decoder: Decoder, memory: Memory, config: DecodingConfig, rules: WordRules
) -> SearchResult:
    """Search for captions of images that have equally many sets of required words."""
    strategy: Strategy = BeamSearch(config.beam_size)
    if config.top_p is not None:
        strategy = NucleusSampling(config.beam_size, config.top_p, config.sampling_seed)
    elif rules.constraints is not None and rules.constraints.required.shape[1] > 0:
        strategy = ConstrainedBeamSearch(config.beam_size, rules.constraints.required)
    captions, totals = strategy.chosen(*_generate(decoder, memory, strategy, rules))
    return _best_first(captions, totals, config.length_normalization)


def _generate(
    decoder: Decoder, memory: Memory, strategy: Strategy, rules: WordRules
) -> tuple[Tensor, Tensor]:
    """Write the captions word by word; return (B, P, T) words and (B, P) log-probabilities."""
    images, candidates, device = len(memory[0]), strategy.candidates, memory[0].device
    memory = tuple(part.repeat_interleave(candidates, dim=0) for part in memory)
    state = decoder.start(memory)  # (L, B * P, H) each
    words = torch.full((images * candidates,), Vocabulary.start, device=device)
    captions = words.new_empty(images, candidates, 0)  # (B, P, T)
    ended = torch.zeros(images, candidates, dtype=torch.bool, device=device)
    totals = strategy.start(images, device)

    for position in range(rules.max_words):
        logits, state, _ = decoder.step(words, state, memory)
        steps = word_log_probabilities(logits, first=position == 0)
        steps = steps.view(images, candidates, -1)  # (B, P, V)
        steps = only_padding_after_end(rules.apply(steps, captions), ended)
        totals, parents, next_words = strategy.extend(totals, steps)
        # A candidate may continue any of the former ones: take over its parent's words and state.
        captions = captions.gather(1, parents.unsqueeze(2).expand_as(captions))
        captions = torch.cat([captions, next_words.unsqueeze(2)], dim=2)  # (B, P, T)
        ended = ended.gather(1, parents) | (next_words == Vocabulary.end)
        if strategy.is_finished(totals, ended):
            break
        state = _of_parents(state, parents)
        words = next_words.flatten()  # (B * P,)
    return captions, totals


def _of_parents(state: State, parents: Tensor) -> State:
    """Rearrange a state (L, B * P, H) so that each candidate has that of its parent (B, P)."""
    first_rows = torch.arange(len(parents), device=parents.device) * parents.shape[1]  # (B,)
    rows = (first_rows.unsqueeze(1) + parents).flatten()  # (B * P,)
    return state[0][:, rows], state[1][:, rows]


def _best_first(captions: Tensor, totals: Tensor, length_normalization: float) -> SearchResult:
    """Order the candidates (B, K, T) by score, and mark captions that were found before."""
    lengths = (captions != Vocabulary.pad).sum(dim=2)  # (B, K)
    scores = totals / lengths.to(totals.dtype) ** length_normalization
    order = scores.argsort(dim=1, descending=True, stable=True)  # (B, K)
    words = captions.gather(1, order.unsqueeze(2).expand_as(captions))  # (B, K, T)
    totals = totals.gather(1, order)
    # Sampling may find a caption twice. Below the diagonal, each is compared with those before it.
    same = (words.unsqueeze(2) == words.unsqueeze(1)).all(dim=3)  # (B, K, K)
    return SearchResult(words, totals.masked_fill(same.tril(diagonal=-1).any(dim=2), -torch.inf))


def _joined(groups: list[Tensor], found: list[SearchResult]) -> SearchResult:
    """Join the results of groups of images, whose numbers are given, in the images' order."""
    longest = max(result.words.shape[2] for result in found)
    words = [
        functional.pad(result.words, (0, longest - result.words.shape[2]), value=Vocabulary.pad)
        for result in found
    ]
    order = torch.cat(groups).argsort()
    totals = torch.cat([result.log_probabilities for result in found])
    return SearchResult(torch.cat(words)[order], totals[order])
