"""From photographs to captions: transforms -> encoder -> decoder -> search -> words.

Axis letters: B images, K candidates, N candidates of all images together, T words, R regions,
C channels, G rows and columns of the region grid, S side of the encoder's input, V vocabulary.
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

from pytorch.model.concepts import ConceptDetector, ImageFeatures
from pytorch.model.confidence import ConfidenceModel
from pytorch.model.decoders import Decoder
from pytorch.model.decoding import DecodingConfig
from pytorch.model.encoders import Encoder
from pytorch.model.grammar import Grammar
from pytorch.model.guidance import Guidance
from pytorch.model.people_detector import PeopleDetector
from pytorch.model.search import SearchResult, caption_log_probabilities, search
from pytorch.model.tokenization import sentence, sentence_parts
from pytorch.model.vocabulary import Vocabulary

RUNNERS_UP = 4
MOST_TAGS = 8
TAG_THRESHOLD = 0.3  # concepts that are less probable are no tags

AttentionMap = tuple[tuple[float, ...], ...]
"""Attention weights as rows of the region grid, from top to bottom."""


@dataclass(frozen=True)
class CaptionWord:
    """A word of a caption, with its probability.

    Attributes:
        text: The word, as in the vocabulary.
        probability: How probable the model thought it, given the image and the words before it.
        runners_up: Other words that were probable here, `<end>` among them, with their
            probabilities; the most probable one first.
        attention: Where the model looked; None without attention.
    """

    text: str
    probability: float
    runners_up: tuple[tuple[str, float], ...]
    attention: AttentionMap | None


@dataclass(frozen=True)
class Tag:
    """A word for something in an image.

    Attributes:
        word: The word, as in the vocabulary.
        score: How probable it is that the image shows it, 0 to 1.
    """

    word: str
    score: float


@dataclass(frozen=True)
class Caption:
    """A caption of one image.

    Attributes:
        words: The words, without `<end>`.
        log_probability: Sum over the words and `<end>`.
        candidates: The other captions that the search found, best first.
        confidence: How probable it is that the caption is good, 0 to 1; None if nothing says.
        tags: Words for what is in the image, the most probable first; none without concepts, and
            none for `candidates`.
    """

    words: tuple[CaptionWord, ...]
    log_probability: float
    candidates: tuple[Caption, ...] = ()
    confidence: float | None = None
    tags: tuple[Tag, ...] = ()

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
        """The part of the sentence that each word makes: `["A", " dog", " runs."]`."""
        return sentence_parts([word.text for word in self.words])

    @property
    def probability(self) -> float:
        """Probability of the whole caption."""
        return math.exp(self.log_probability)


class Captioner(nn.Module):
    """An encoder, a decoder and their vocabulary: the model that is trained, saved and served.

    Attributes:
        encoder: Makes region features of images.
        decoder: Makes words of region features.
        vocabulary: The decoder's words.
        decoding: How captions are generated unless a call says otherwise.
        concepts: Finds words for what is in images; None where nothing does.
        people: Tells whether people are in images; None where nothing does.
        confidence: Judges captions; None where nothing does.
        name: The name of its checkpoint.
        metrics: What its checkpoint says about its scores and training; empty if unknown.
        config_hash: SHA-256 of its checkpoint's configuration, which holds the hashes of the
            other files, so that different checkpoints have different hashes. Empty for a captioner
            that was not loaded from a checkpoint.
    """

    def __init__(
        self,
        *,
        encoder: Encoder,
        decoder: Decoder,
        vocabulary: Vocabulary,
        decoding: DecodingConfig,
        concepts: ConceptDetector | None = None,
        people: PeopleDetector | None = None,
        confidence: ConfidenceModel | None = None,
        name: str = "untitled",
        metrics: Mapping[str, Any] | None = None,
        config_hash: str = "",
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.vocabulary = vocabulary
        self.decoding = decoding
        self.concepts = concepts
        self.people = people
        self.confidence = confidence
        self._guidance: Guidance | None = None
        self.grammar = Grammar(vocabulary)
        self.name = name
        self.metrics = dict(metrics or {})
        self.config_hash = config_hash
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.decoder.bias.device

    @property
    def guidance(self) -> Guidance:
        """What makes constraints of decoding options."""
        guidance = self._guidance
        if guidance is None or (guidance.detector, guidance.people) != (self.concepts, self.people):
            guidance = self._guidance = Guidance(self.vocabulary, self.concepts, self.people)
        return guidance

    def check_decoding(self, decoding: DecodingConfig) -> None:
        """Check that this model can caption with these options.

        Raises:
            ValueError: It does not know a word that captions must say, or lacks what an option
                needs.
        """
        self.guidance.check(decoding)

    def caption(
        self, images: Sequence[Image.Image], *, decoding: DecodingConfig | None = None
    ) -> list[Caption]:
        """Caption RGB images.

        Args:
            images: Images of any size, in RGB.
            decoding: Options to use instead of the captioner's own.

        Returns:
            One caption for each image.

        Raises:
            ValueError: As for `check_decoding`.
        """
        if not images:
            return []
        return self.caption_regions(self.encode(images), decoding=decoding)

    @torch.inference_mode()
    def encode(self, images: Sequence[Image.Image]) -> Tensor:
        """Compute region features (B, R, C) of RGB images."""
        pixels = torch.stack([self.encoder.preprocessing(image) for image in images])
        regions: Tensor = self.encoder(pixels.to(self.device))  # (B, 3, S, S) -> (B, R, C)
        return regions

    def image_features(self, regions: Tensor) -> ImageFeatures:
        """Say of images with these region features (B, R, C) what the decoder is told."""
        if self.concepts is None:
            return ImageFeatures(regions)
        # The detector is frozen: gradients to a fine-tuned encoder flow through the regions alone.
        with torch.no_grad():
            return ImageFeatures(regions, self.concepts.strongest(self.concepts(regions)))

    def _tags(self, image: ImageFeatures) -> list[tuple[Tag, ...]]:
        """Name what is in the images."""
        if image.concepts is None:
            return [() for _ in image.regions]
        return [
            tuple(
                Tag(self.vocabulary.words[word], score)
                for word, score in zip(words[:MOST_TAGS], scores[:MOST_TAGS], strict=True)
                if score > TAG_THRESHOLD
            )
            for words, scores in zip(
                image.concepts.words.tolist(), image.concepts.scores.tolist(), strict=True
            )
        ]

    def search(self, regions: Tensor, *, decoding: DecodingConfig | None = None) -> SearchResult:
        """Find the word numbers of captions, from region features (B, R, C).

        Raises:
            ValueError: As for `check_decoding`.
        """
        return self._search(self.image_features(regions), decoding or self.decoding)

    def _search(self, image: ImageFeatures, decoding: DecodingConfig) -> SearchResult:
        constraints = self.guidance.constraints(image.regions, decoding)
        grammar = self.grammar if decoding.grammar_rules else None
        return search(self.decoder, image, decoding, constraints, grammar=grammar)

    @torch.inference_mode()
    def caption_regions(
        self, regions: Tensor, *, decoding: DecodingConfig | None = None
    ) -> list[Caption]:
        """Caption images from their region features (B, R, C)."""
        image = self.image_features(regions)
        found = self._search(image, decoding or self.decoding)
        is_caption = found.log_probabilities.isfinite()  # (B, K)
        images, places = is_caption.nonzero().unbind(dim=1)  # (N,) each
        words = found.words[is_caption]  # (N, T)
        # The search keeps nothing but words. One more pass, as in training, gives the runners-up,
        # the attention and the evidence for the confidence.
        steps, attention = caption_log_probabilities(self.decoder, image.rows(images), words)
        candidates: list[list[Caption]] = [[] for _ in regions]
        captions = self._captions(words, steps, attention)
        for row, caption in zip(images.tolist(), captions, strict=True):
            candidates[row].append(caption)
        is_best = places == 0
        confidences = self._confidences(regions, words[is_best], steps[is_best])
        return [
            dataclasses.replace(best, candidates=tuple(rest), tags=tags, confidence=confidence)
            for (best, *rest), tags, confidence in zip(
                candidates, self._tags(image), confidences, strict=True
            )
        ]

    @torch.inference_mode()
    def confidences(self, regions: Tensor, words: Tensor) -> list[float] | list[None]:
        """Judge one caption of each image: how probable is it that the caption is good?

        Args:
            regions: Region features, (B, R, C).
            words: The captions, (B, T), as in `SearchResult`.
        """
        if self.confidence is None:
            return [None] * len(words)
        steps, _ = caption_log_probabilities(self.decoder, self.image_features(regions), words)
        return self._confidences(regions, words, steps)

    def _confidences(
        self, regions: Tensor, words: Tensor, steps: Tensor
    ) -> list[float] | list[None]:
        """Judge captions (B, T), given the log-probabilities (B, T, V) at their places."""
        if self.confidence is None:
            return [None] * len(words)
        evidence = self.confidence.evidence(regions, words, steps, self.concepts)
        confidences: list[float] = self.confidence(evidence).tolist()
        return confidences

    @torch.inference_mode()
    def evidence(self, regions: Tensor, words: Tensor) -> Tensor:
        """Gather the evidence (B, E) that `confidence` reads, of captions as for `confidences`.

        Raises:
            ValueError: There is no `confidence`.
        """
        if self.confidence is None:
            raise ValueError("This captioner has no model of confidence to gather evidence for.")
        steps, _ = caption_log_probabilities(self.decoder, self.image_features(regions), words)
        return self.confidence.evidence(regions, words, steps, self.concepts)

    def _captions(self, words: Tensor, steps: Tensor, attention: Tensor | None) -> list[Caption]:
        """Build captions from found words (N, T).

        Args:
            words: As in `SearchResult`.
            steps: The log-probabilities of all words at each place, (N, T, V).
            attention: The attention weights (N, T, R), if there are any.
        """
        steps = steps.cpu()
        maps = None if attention is None else self._attention_maps(attention)
        return [
            self._caption(words[row].tolist(), steps[row], None if maps is None else maps[row])
            for row in range(len(words))
        ]

    def _attention_maps(self, attention: Tensor) -> list[list[AttentionMap]]:
        """Arrange attention weights (N, T, R) in the region grid."""
        size = self.encoder.grid_size
        grids = attention.view(*attention.shape[:2], size, size).tolist()  # (N, T, G, G)
        return [[tuple(tuple(row) for row in grid) for grid in caption] for caption in grids]

    def _caption(
        self, numbers: list[int], steps: Tensor, maps: list[AttentionMap] | None
    ) -> Caption:
        """Build a caption from its T word numbers and the log-probabilities (T, V)."""
        total, words = 0.0, []
        for position, number in enumerate(numbers):
            if number == Vocabulary.pad:
                break
            total += steps[position, number].item()
            if number == Vocabulary.end:
                break
            attention = None if maps is None else maps[position]
            words.append(self._word(number, steps[position], attention))
        return Caption(tuple(words), total)

    def _word(self, number: int, step: Tensor, attention: AttentionMap | None) -> CaptionWord:
        """Build a word from its number and the log-probabilities (V,) at its place."""
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
            attention=attention,
        )
