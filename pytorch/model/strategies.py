"""Strategies: how a search chooses the next words of its candidates.

Axis letters: B images, S sets of words, K candidates of a beam, P candidates of all beams of an
image, T words, V vocabulary, C choices, W words of any set.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Extension(NamedTuple):
    """One more word for each of the P candidates; all are (B, P)."""

    totals: Tensor
    """Log-probability of the caption so far."""
    parents: Tensor
    """Which of the former candidates it continues."""
    words: Tensor


class Strategy:
    """A way to choose words: each candidate continues a former one.

    Attributes:
        candidates: P, how many captions of an image are written at a time.
    """

    def __init__(self, candidates: int) -> None:
        self.candidates = candidates

    def start(self, images: int, device: torch.device) -> Tensor:
        """Return the totals (B, P) before the first word."""
        return torch.zeros(images, self.candidates, device=device)

    def extend(self, totals: Tensor, steps: Tensor) -> Extension:
        """Choose words, from the totals (B, P) and the next words' log-probabilities (B, P, V)."""
        raise NotImplementedError

    def is_finished(self, totals: Tensor, ended: Tensor) -> bool:
        """Tell whether more words change nothing, now that some candidates (B, P) have `ended`."""
        return bool(ended.all())

    def chosen(self, captions: Tensor, totals: Tensor) -> tuple[Tensor, Tensor]:
        """Choose K candidates of each image from all (B, P, T), with totals (B, P)."""
        return captions, totals


class BeamSearch(Strategy):
    """Keeps the K most probable continuations of all candidates."""

    def start(self, images: int, device: torch.device) -> Tensor:
        """Let only the first candidate count, or the beam would hold K copies of one caption."""
        totals = super().start(images, device)
        totals[:, 1:] = -torch.inf
        return totals

    def extend(self, totals: Tensor, steps: Tensor) -> Extension:
        """Choose among every candidate with every word."""
        # Its place among the K * V continuations gives both the parent and the word.
        totals, chosen = (totals.unsqueeze(2) + steps).flatten(1).topk(totals.shape[1])  # (B, K)
        return Extension(totals, chosen // steps.shape[2], chosen % steps.shape[2])


class ConstrainedBeamSearch(BeamSearch):
    """Keeps a beam for each state, that is, for the sets of words that a candidate has said.

    Anderson et al., "Guided Open Vocabulary Image Captioning with Constrained Beam Search", 2017.
    A candidate competes only with those that have said words of the same sets. So one that has just
    said an improbable word of a set stays. The state's number has a bit for each set; in the last
    state, the full one, all sets have been said, and its candidates alone may end.

    Args:
        beam_size: K, the candidates of each state.
        required: The sets, (B, S, V), as in `Constraints`.
    """

    def __init__(self, beam_size: int, required: Tensor) -> None:
        sets, device = required.shape[1], required.device
        super().__init__(beam_size * 2**sets)
        self.beam_size = beam_size
        self.states = torch.arange(2**sets, device=device)  # (2^S,)
        self.state_of = self.states.repeat_interleave(beam_size)  # (P,)
        places = torch.arange(sets, device=device)  # (S,)
        self.sets_said = (self.states.unsqueeze(1) >> places & 1).sum(dim=1)  # (2^S,)
        self.in_any = required.any(dim=1)  # (B, V)
        # The words of any set, and the bits of the sets that each is in. Images with fewer such
        # words than others have words of no set too, whose bits are 0.
        most = int(self.in_any.sum(dim=1).max())
        self.words = self.in_any.to(torch.uint8).topk(most, dim=1).indices  # (B, W)
        bits = (required << places.view(1, -1, 1)).sum(dim=1)  # (B, V)
        self.bits = bits.gather(1, self.words)  # (B, W)

    def extend(self, totals: Tensor, steps: Tensor) -> Extension:
        """Choose the K best continuations that lead to each state.

        A word of a set leads to another state, unless it was said before, and any other word to the
        same. So for each candidate all words of sets are choices, and the K most probable others.
        """
        candidates = steps.shape[1]
        totals = totals.unsqueeze(2)  # (B, P, 1)
        states = self.state_of.view(1, -1, 1)  # (1, P, 1)
        others = steps.masked_fill(self.in_any.unsqueeze(1), -torch.inf)
        others, other_words = others.topk(min(self.beam_size, steps.shape[2]), dim=2)  # (B, P, K)
        words = self.words.unsqueeze(1).expand(-1, candidates, -1)  # (B, P, W)
        bits = self.bits.unsqueeze(1)  # (B, 1, W)
        named = steps.gather(2, words).masked_fill(bits == 0, -torch.inf)  # (B, P, W)
        all_totals = (totals + torch.cat([others, named], dim=2)).flatten(1)  # (B, C)
        all_words = torch.cat([other_words, words], dim=2).flatten(1)  # (B, C)
        leads_to = torch.cat([states.expand_as(others), states | bits], dim=2).flatten(1)  # (B, C)
        to_state = leads_to.unsqueeze(1) == self.states.view(1, -1, 1)  # (B, 2^S, C)
        best = all_totals.unsqueeze(1).where(to_state, -torch.inf).topk(self.beam_size, dim=2)
        chosen = best.indices.flatten(1)  # (B, P)
        parents = chosen // (all_totals.shape[1] // candidates)
        return Extension(best.values.flatten(1), parents, all_words.gather(1, chosen))

    def is_finished(self, totals: Tensor, ended: Tensor) -> bool:
        """Tell whether the full state has ended, and no other is probable enough to enter it."""
        full, others = totals[:, -self.beam_size :], totals[:, : -self.beam_size]
        grows = full.isfinite() & ~ended[:, -self.beam_size :]
        enters = others > full.amin(dim=1, keepdim=True)
        return not bool(grows.any() or enters.any())

    def chosen(self, captions: Tensor, totals: Tensor) -> tuple[Tensor, Tensor]:
        """Choose the beam of the full state; where that is empty, of one that has said most."""
        beams = totals.view(len(totals), -1, self.beam_size)  # (B, 2^S, K)
        has_any = beams.isfinite().any(dim=2)  # (B, 2^S)
        state = self.sets_said.where(has_any, -1).argmax(dim=1, keepdim=True)  # (B, 1)
        rows = state * self.beam_size + torch.arange(self.beam_size, device=state.device)  # (B, K)
        words = captions.gather(1, rows.unsqueeze(2).expand(-1, -1, captions.shape[2]))
        return words, totals.gather(1, rows)


class Sampling(Strategy):
    """Continues each candidate with one word, drawn from all words by torch's global generator."""

    def extend(self, totals: Tensor, steps: Tensor) -> Extension:
        """Draw the words."""
        words = steps.flatten(0, 1).exp().multinomial(1).view_as(totals)  # (B, P)
        return _continued(totals, steps, words)


class NucleusSampling(Strategy):
    """Continues each candidate with one word, drawn from its nucleus."""

    def __init__(self, candidates: int, top_p: float, seed: int) -> None:
        super().__init__(candidates)
        self.top_p = top_p
        self.generator = torch.Generator().manual_seed(seed)

    def extend(self, totals: Tensor, steps: Tensor) -> Extension:
        """Draw the words."""
        # One number from 0 to 1 for each of the P candidates, and the same P for all images: what
        # an image gets must not depend on the rest of the batch.
        draws = torch.rand(self.candidates, 1, generator=self.generator).to(steps.device)  # (P, 1)
        # The softmax divides the probability of forbidden words among the others.
        ordered, words = steps.softmax(dim=2).sort(dim=2, descending=True)  # (B, P, V)
        # A word is in the nucleus if the more probable words do not reach top_p without it. The
        # most probable word always is.
        more_probable = ordered.cumsum(dim=2) - ordered
        nucleus = ordered.where(more_probable < self.top_p, torch.zeros_like(ordered))
        # Draw by the inverse of the cumulative distribution, which ends at the probability of the
        # whole nucleus rather than at 1.
        cumulative = nucleus.cumsum(dim=2)
        place = torch.searchsorted(cumulative, draws * cumulative[..., -1:], right=True)
        # Rounding may put a draw just below 1 behind the nucleus's last word.
        place = place.minimum((nucleus > 0).sum(dim=2, keepdim=True) - 1)  # (B, P, 1)
        return _continued(totals, steps, words.gather(2, place).squeeze(2))


def _continued(totals: Tensor, steps: Tensor, words: Tensor) -> Extension:
    """Continue each candidate with its own word of `words` (B, P)."""
    parents = torch.arange(totals.shape[1], device=totals.device).expand_as(totals)  # (B, P)
    return Extension(totals + steps.gather(2, words.unsqueeze(2)).squeeze(2), parents, words)
