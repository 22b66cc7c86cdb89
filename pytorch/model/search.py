"""From region features to captions: greedy search, beam search and nucleus sampling.

One loop serves every decoder and every way to choose words.

Axis letters: B images, K candidates, T words, n words of an n-gram, V vocabulary, R regions,
L layers, H hidden units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pytorch.model.bounds import check_at_least
from pytorch.model.concepts import ImageFeatures
from pytorch.model.decoders import Decoder
from pytorch.model.injections import State
from pytorch.model.options import option
from pytorch.model.vocabulary import Vocabulary

NEVER_GENERATED = [Vocabulary.pad, Vocabulary.start, Vocabulary.unknown]


@dataclass(frozen=True)
class DecodingConfig:
    """Options for generating captions; a checkpoint carries those that it was tuned with.

    A candidate's score is its log-probability divided by its number of words, `<end>` included,
    to the power `length_normalization`: 0 favours short captions, 1 compares the mean
    log-probability of a word.

    With `top_p`, candidates are sampled: every word is drawn from the nucleus, the smallest set of
    most probable words that together reach that probability (Holtzman et al., "The Curious Case of
    Neural Text Degeneration", 2020). The same `sampling_seed` gives an image the same captions,
    whatever else is in the batch.

    Raises:
        ValueError: A number is out of range.
    """

    beam_size: int = option(3, "candidates that beam search keeps at every word")
    max_words: int = option(24, "most words in a caption")
    length_normalization: float = option(
        0.0, "power of the number of words that divides a candidate's log-probability"
    )
    no_repeat_ngram: int = option(0, "forbid repeated n-grams of this length; 0 allows them")
    top_p: float | None = option(
        None, "sample from the most probable words that together reach this, without beam search"
    )
    sampling_seed: int = option(0, "seed of the sampling with top_p")

    def __post_init__(self) -> None:
        check_at_least(self, 1, "beam_size", "max_words")
        check_at_least(self, 0, "length_normalization", "no_repeat_ngram")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be above 0 and at most 1, not {self.top_p}.")


class SearchResult(NamedTuple):
    """The candidates of each image."""

    words: Tensor
    """Word numbers (B, K, T) without `<start>`, and with `<pad>` after `<end>`. A caption of
    `max_words` words has no `<end>`."""

    log_probabilities: Tensor
    """Total log-probability of each candidate, (B, K). Minus infinity marks rows of `words` that
    mean nothing, because the search found fewer than K different captions."""


class _Extension(NamedTuple):
    """One more word for each of the K candidates; all are (B, K)."""

    totals: Tensor
    """Log-probability of the caption so far."""
    parents: Tensor
    """Which of the former candidates it continues."""
    words: Tensor


_Strategy = Callable[[Tensor, Tensor], _Extension]
"""Chooses words, from the totals (B, K) and the next words' log-probabilities (B, K, V)."""


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
def search(decoder: Decoder, image: ImageFeatures, config: DecodingConfig) -> SearchResult:
    """Find `beam_size` captions of each image, best first.

    Beam size 1 is greedy search. A candidate that has ended keeps its place in the beam and
    competes with those that still grow, so there is always a caption.

    Args:
        decoder: In evaluation mode, unless dropout is wanted.
        image: The images, B of them.
        config: Options.
    """
    if config.top_p is None:
        strategy: _Strategy = _beam_search
    else:
        strategy = _nucleus_sampling(config.top_p, config.sampling_seed)
    captions, totals = _generate(decoder, image, config, strategy)
    return _best_first(captions, totals, config.length_normalization)


def sample(decoder: Decoder, image: ImageFeatures, config: DecodingConfig) -> SearchResult:
    """Draw `beam_size` captions of each image from the model's own distribution, in no order.

    Gradients flow through the log-probabilities. Like dropout, it draws from torch's global
    generator.
    """
    return SearchResult(*_generate(decoder, image, config, _sampling))


def _generate(
    decoder: Decoder, image: ImageFeatures, config: DecodingConfig, strategy: _Strategy
) -> tuple[Tensor, Tensor]:
    """Write the captions word by word; return (B, K, T) words and (B, K) log-probabilities."""
    images, beams, device = len(image.regions), config.beam_size, image.regions.device
    memory = tuple(part.repeat_interleave(beams, dim=0) for part in decoder.prepare(image))
    state = decoder.start(memory)  # (L, B * K, H) each
    words = torch.full((images * beams,), Vocabulary.start, device=device)
    captions = words.new_empty(images, beams, 0)  # (B, K, T)
    ended = torch.zeros(images, beams, dtype=torch.bool, device=device)
    totals = torch.zeros(images, beams, device=device)
    if strategy is _beam_search:
        # All candidates begin alike. Only the first counts, or the beam would hold K copies of
        # one caption.
        totals[:, 1:] = -torch.inf

    for position in range(config.max_words):
        logits, state, _ = decoder.step(words, state, memory)
        steps = word_log_probabilities(logits, first=position == 0)
        steps = steps.view(images, beams, -1)  # (B, K, V)
        if 0 < config.no_repeat_ngram <= position:
            steps = _without_repeats(steps, captions, config.no_repeat_ngram)
        steps = _only_padding_after_end(steps, ended)
        totals, parents, next_words = strategy(totals, steps)
        # A candidate may continue any of the former ones: take over its parent's words and state.
        captions = captions.gather(1, parents.unsqueeze(2).expand_as(captions))
        captions = torch.cat([captions, next_words.unsqueeze(2)], dim=2)  # (B, K, T)
        ended = ended.gather(1, parents) | (next_words == Vocabulary.end)
        if ended.all():
            break
        state = _of_parents(state, parents)
        words = next_words.flatten()  # (B * K,)
    return captions, totals


def _beam_search(totals: Tensor, steps: Tensor) -> _Extension:
    """Keep the K most probable continuations of all candidates."""
    # Every candidate with every word is one of K * V continuations; its place among them gives
    # both the parent and the word.
    totals, chosen = (totals.unsqueeze(2) + steps).flatten(1).topk(totals.shape[1])  # (B, K)
    return _Extension(totals, chosen // steps.shape[2], chosen % steps.shape[2])


def _sampling(totals: Tensor, steps: Tensor) -> _Extension:
    """Continue each candidate with one word, drawn from all words."""
    words = steps.flatten(0, 1).exp().multinomial(1).view_as(totals)  # (B, K)
    return _continued(totals, steps, words)


def _nucleus_sampling(top_p: float, seed: int) -> _Strategy:
    """Continue each candidate with one word, drawn from its nucleus."""
    generator = torch.Generator().manual_seed(seed)

    def strategy(totals: Tensor, steps: Tensor) -> _Extension:
        # One number from 0 to 1 for each of the K candidates, and the same K for all images: what
        # an image gets must not depend on the rest of the batch.
        draws = torch.rand(steps.shape[1], 1, generator=generator).to(steps.device)  # (K, 1)
        # The softmax divides the probability of forbidden words among the others.
        ordered, words = steps.softmax(dim=2).sort(dim=2, descending=True)  # (B, K, V)
        # A word is in the nucleus if the more probable words do not reach top_p without it. The
        # most probable word always is.
        more_probable = ordered.cumsum(dim=2) - ordered
        nucleus = ordered.where(more_probable < top_p, torch.zeros_like(ordered))
        # Draw by the inverse of the cumulative distribution, which ends at the probability of the
        # whole nucleus rather than at 1.
        cumulative = nucleus.cumsum(dim=2)
        place = torch.searchsorted(cumulative, draws * cumulative[..., -1:], right=True)
        # Rounding may put a draw just below 1 behind the nucleus's last word.
        place = place.minimum((nucleus > 0).sum(dim=2, keepdim=True) - 1)  # (B, K, 1)
        return _continued(totals, steps, words.gather(2, place).squeeze(2))

    return strategy


def _continued(totals: Tensor, steps: Tensor, words: Tensor) -> _Extension:
    """Continue each candidate with its own word of `words` (B, K)."""
    parents = torch.arange(totals.shape[1], device=totals.device).expand_as(totals)  # (B, K)
    return _Extension(totals + steps.gather(2, words.unsqueeze(2)).squeeze(2), parents, words)


def _without_repeats(steps: Tensor, captions: Tensor, size: int) -> Tensor:
    """Forbid words that would repeat an n-gram of `size` words from the same caption.

    Where no word is left, all stay allowed: a repeated phrase is better than no caption.

    Args:
        steps: Log-probabilities of the next words, (B, K, V).
        captions: The words so far, (B, K, T), with T at least `size`.
        size: The n-gram's length, n.
    """
    ngrams = captions.unfold(2, size, 1)  # (B, K, T - n + 1, n)
    # The next word completes an n-gram whose first n - 1 words are the caption's last ones. With
    # n = 1 these are none, and all n-grams match.
    last_words = captions[:, :, captions.shape[2] - size + 1 :].unsqueeze(2)  # (B, K, 1, n - 1)
    same_beginning = (ngrams[..., :-1] == last_words).all(dim=3)  # (B, K, T - n + 1)
    # The same word may end several n-grams; "amax" forbids it if any of them matches.
    forbidden = torch.zeros_like(steps)
    forbidden.scatter_reduce_(2, ngrams[..., -1], same_beginning.to(steps.dtype), "amax")
    allowed = steps.masked_fill(forbidden > 0, -torch.inf)
    return torch.where(allowed.isfinite().any(dim=2, keepdim=True), allowed, steps)


def _only_padding_after_end(steps: Tensor, ended: Tensor) -> Tensor:
    """Make `<pad>` certain for the candidates that have `ended` (B, K)."""
    padding = torch.full_like(steps[0, 0], -torch.inf)  # (V,)
    padding[Vocabulary.pad] = 0.0
    return torch.where(ended.unsqueeze(2), padding, steps)


def _of_parents(state: State, parents: Tensor) -> State:
    """Rearrange a state (L, B * K, H) so that each candidate has that of its parent (B, K)."""
    first_rows = torch.arange(len(parents), device=parents.device) * parents.shape[1]  # (B,)
    rows = (first_rows.unsqueeze(1) + parents).flatten()  # (B * K,)
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
