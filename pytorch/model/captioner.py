"""From photographs to captions: transforms -> encoder -> decoder -> search -> words.

Axis letters: B images, K candidates, N candidates of all images, T words, R regions, S pixels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from pytorch.model.decoders import Decoder
from pytorch.model.encoders import Encoder
from pytorch.model.search import DecodingConfig, Found, read_captions, search
from pytorch.model.tokenization import sentence, sentence_parts
from pytorch.model.vocabulary import Vocabulary

RUNNERS_UP = 4


@dataclass(frozen=True)
class CaptionWord:
    """A word of a caption, and how sure the model was of it."""

    text: str
    probability: float
    runners_up: tuple[tuple[str, float], ...]
    """Other words it considered here, with their probabilities; `<end>` among them."""
    attention: tuple[tuple[float, ...], ...] | None
    """Attention weights as rows of the region grid, top to bottom; None without attention."""


@dataclass(frozen=True)
class Caption:
    """What the model says of one image."""

    words: tuple[CaptionWord, ...]
    log_probability: float
    """Total over the words and the end of the caption."""
    candidates: tuple[Caption, ...] = ()
    """The other captions that the search found, best first."""

    @property
    def text(self) -> str:
        """The words in lower case, as they are scored: `a dog runs`."""
        return " ".join(word.text for word in self.words)

    @property
    def sentence(self) -> str:
        """The words as a person writes them: `A dog runs.`."""
        return sentence([word.text for word in self.words])

    @property
    def sentence_parts(self) -> list[str]:
        """What each word is in the sentence: joined, they are it."""
        return sentence_parts([word.text for word in self.words])

    @property
    def probability(self) -> float:
        """Probability of the whole caption."""
        return math.exp(self.log_probability)


class Captioner(nn.Module):
    """An encoder, a decoder and their vocabulary, ready to caption images.

    `metrics` is what the checkpoint tells of its scores and training; empty where unknown.
    `config_hash` is the SHA-256 of the checkpoint's configuration, which holds those of its other
    files, and so tells checkpoints apart; empty where the captioner is not from a checkpoint.
    """

    def __init__(
        self,
        *,
        encoder: Encoder,
        decoder: Decoder,
        vocabulary: Vocabulary,
        decoding: DecodingConfig,
        name: str = "untitled",
        metrics: Mapping[str, Any] | None = None,
        config_hash: str = "",
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.vocabulary = vocabulary
        self.decoding = decoding
        self.name = name
        self.metrics = dict(metrics or {})
        self.config_hash = config_hash
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.decoder.bias.device

    def caption(
        self, images: Sequence[Image.Image], *, decoding: DecodingConfig | None = None
    ) -> list[Caption]:
        """One caption for each RGB image; `decoding` replaces the checkpoint's own."""
        if not images:
            return []
        return self.caption_regions(self.regions(images), decoding=decoding)

    @torch.inference_mode()
    def regions(self, images: Sequence[Image.Image]) -> Tensor:
        """Region features (B, R, C) of RGB images."""
        pixels = torch.stack([self.encoder.preprocessing(image) for image in images])
        features: Tensor = self.encoder(pixels.to(self.device))  # (B, 3, S, S) -> (B, R, C)
        return features

    def search(self, regions: Tensor, *, decoding: DecodingConfig | None = None) -> Found:
        """Word numbers of each image's candidates, from region features (B, R, C)."""
        return search(self.decoder, regions, decoding or self.decoding)

    @torch.inference_mode()
    def caption_regions(
        self, regions: Tensor, *, decoding: DecodingConfig | None = None
    ) -> list[Caption]:
        """One caption for each image, from region features (B, R, C)."""
        found = self.search(regions, decoding=decoding)
        possible = found.log_probabilities.isfinite()  # (B, K)
        of_image = possible.nonzero()[:, 0]  # (N,)
        described = self._describe(regions[of_image], found.words[possible])
        captions = []
        for number in range(len(regions)):
            best, *others = (
                caption
                for caption, image in zip(described, of_image.tolist(), strict=True)
                if image == number
            )
            captions.append(dataclasses.replace(best, candidates=tuple(others)))
        return captions

    def _describe(self, regions: Tensor, words: Tensor) -> list[Caption]:
        """Captions of found words (N, T) with probabilities and attention.

        The search keeps only words; reading them once more, as in training, gives all the rest.
        """
        steps, attention = read_captions(self.decoder, regions, words)
        steps = steps.cpu()  # (N, T, V)
        maps = None if attention is None else self._grids(attention)
        return [
            self._caption(words[row].tolist(), steps[row], None if maps is None else maps[row])
            for row in range(len(words))
        ]

    def _grids(self, attention: Tensor) -> list[Any]:
        """Attention weights (N, T, R) as nested lists with the regions as grid rows."""
        grid = self.encoder.grid_size
        maps: list[Any] = attention.view(
            *attention.shape[:2], grid, grid
        ).tolist()  # (N, T, grid, grid)
        return maps

    def _caption(self, numbers: list[int], steps: Tensor, maps: list[Any] | None) -> Caption:
        """A caption from its word numbers and the log-probabilities (T, V) at each of them."""
        total, words = 0.0, []
        for position, number in enumerate(numbers):
            if number == Vocabulary.pad:
                break
            total += steps[position, number].item()
            if number == Vocabulary.end:
                break
            grid = None if maps is None else tuple(tuple(row) for row in maps[position])
            words.append(self._word(number, steps[position], grid))
        return Caption(tuple(words), total)

    def _word(
        self, number: int, step: Tensor, grid: tuple[tuple[float, ...], ...] | None
    ) -> CaptionWord:
        """A word from its number and the log-probabilities (V,) at its place."""
        probabilities, best = step.exp().topk(min(RUNNERS_UP + 1, len(step)))
        runners_up = [
            (self.vocabulary.words[other], probability)
            for other, probability in zip(best.tolist(), probabilities.tolist(), strict=True)
            if other != number and probability > 0
        ]
        return CaptionWord(
            text=self.vocabulary.words[number],
            probability=step[number].exp().item(),
            runners_up=tuple(runners_up[:RUNNERS_UP]),
            attention=grid,
        )
