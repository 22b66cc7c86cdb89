"""Random models that are small enough to caption in milliseconds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from pytorch.data.prepared import PreparedSplit, prepare
from pytorch.data.shapes import load_shapes
from pytorch.model.captioner import Captioner
from pytorch.model.checkpoint import save_checkpoint
from pytorch.model.concepts import ConceptDetector, ConceptScores, ImageFeatures
from pytorch.model.confidence import ConfidenceModel, Familiarity, evidence_of
from pytorch.model.decoders import Decoder, DecoderConfig
from pytorch.model.decoding import DecodingConfig
from pytorch.model.encoders import Encoder
from pytorch.model.injections import INJECTIONS
from pytorch.model.tokenization import tokenize
from pytorch.model.transforms import Preprocessing
from pytorch.model.vocabulary import SPECIAL_TOKENS, Vocabulary
from pytorch.training.training_config import TrainingConfig

WORDS = ["a", "the", "dog", "cat", "runs", "sits", "on", "in", "grass", "snow"]
WORDS += ["red", "black", "small", "person"]
# Options that turn fine-tuning off: the defaults.
FROZEN = {
    name: getattr(TrainingConfig, name)
    for name in ("fine_tune_from", "fine_tune_after", "fine_tune_learning_rate")
}
END_BIAS = 1.0  # so that some captions end early and some do not


def tiny_decoder(
    injection: str = "attention",
    *,
    seed: int = 1,
    channels: int = 6,
    vocabulary_size: int = 18,
    **options: Any,
) -> Decoder:
    """Build a decoder whose random weights are so large that images get different captions."""
    decoder = Decoder(
        DecoderConfig(
            injection=injection,
            embedding_size=8,
            hidden_size=10,
            image_size=7,
            attention_size=5,
            **options,
        ),
        vocabulary_size=vocabulary_size,
        channels=channels,
    )
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.uniform_(-0.6, 0.6)
        decoder.bias[Vocabulary.end] += END_BIAS
    return decoder.eval()


def tiny_images(seed: int, images: int = 4) -> ImageFeatures:
    """Build random features of images for `tiny_decoder`.

    The last concept of each has no score, and the second image is not shown.
    """
    generator = torch.Generator().manual_seed(seed)
    regions = torch.rand(images, 4, 6, generator=generator)  # (B, R, C)
    words = torch.rand(images, 14, generator=generator).argsort(dim=1)[:, :3] + 4  # (B, N)
    scores = torch.rand(images, 3, generator=generator)
    scores[:, -1] = 0
    shown = torch.arange(images) != 1  # (B,)
    return ImageFeatures(regions, ConceptScores(words, scores), shown)


def one_by_one(images: ImageFeatures) -> list[ImageFeatures]:
    """The images as batches of one."""
    return [images.rows(torch.tensor([row])) for row in range(len(images.regions))]


def tiny_detector(seed: int = 1, *, channels: int = 6) -> ConceptDetector:
    """Build a random detector of the words 4 to 9, through three classes as well."""
    generator = torch.Generator().manual_seed(seed)
    layer, classifier = torch.nn.Linear(channels, 6), torch.nn.Linear(channels, 3)
    with torch.no_grad():
        for parameter in (*layer.parameters(), *classifier.parameters()):
            parameter.uniform_(-1, 1, generator=generator).div_(channels**0.5)
    class_words = torch.tensor([[1, 0, 0.45, 0, 0, 0], [0, 1, 0.45, 0, 0, 0], [0, 0, 0, 1, 0, 0]])
    return ConceptDetector(
        range(4, 10), layer=layer, classifier=classifier, class_words=class_words
    )


def tiny_confidence(
    detector: ConceptDetector | None = None, *, seed: int = 1, channels: int = 6
) -> ConfidenceModel:
    """Build a model of confidence with random weights and three random prototypes."""
    confidence = ConfidenceModel(evidence_of(detector), Familiarity(channels, prototypes=3))
    generator = torch.Generator().manual_seed(seed)
    for name, values in confidence.named_buffers():
        if not name.endswith("deviation"):
            values.uniform_(-1, 1, generator=generator)
    return confidence


def random_encoder(name: str, *, grid_size: int = 2, images: torch.Tensor | None = None) -> Encoder:
    """Build an encoder with random weights whose features differ between images.

    Its batch normalisation has the statistics of `images`. With those of a new network, features
    would grow or fade from layer to layer until half precision could not hold them.

    Args:
        name: A key of ENCODERS.
        grid_size: Rows and columns of the region grid.
        images: Preprocessed images (B, 3, S, S); noise if None.
    """
    encoder = Encoder(name, grid_size=grid_size)
    encoder.trunk.train()
    for layer in encoder.trunk.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        encoder.trunk(torch.randn(4, 3, 96, 96) if images is None else images)
    return encoder.eval()


def tiny_captioner(injection: str = "attention", *, seed: int = 1) -> Captioner:
    """Build a captioner with a random decoder and a pretrained encoder of 64 pixels.

    A random encoder would give almost the same features for every image.
    """
    encoder = Encoder("efficientnet_lite2", grid_size=2)
    half = (0.5, 0.5, 0.5)
    encoder.preprocessing = Preprocessing(size=64, mean=half, std=half, interpolation="bilinear")
    encoder.load_pretrained()
    vocabulary = Vocabulary([*SPECIAL_TOKENS, *WORDS])
    return Captioner(
        encoder=encoder,
        decoder=tiny_decoder(
            injection, seed=seed, channels=encoder.channels, vocabulary_size=len(vocabulary)
        ),
        vocabulary=vocabulary,
        decoding=DecodingConfig(beam_size=2, max_words=6),
        concepts=(
            tiny_detector(seed, channels=encoder.channels)
            if INJECTIONS[injection].needs_concepts
            else None
        ),
        metrics={
            "dataset": "flickr8k",
            "split": "dev",
            "beam_size": 2,
            "scores": {"BLEU-4": 0.0123, "CIDEr-D": 0.0456},
        },
    )


def save_tiny_checkpoint(directory: Path, injection: str = "attention") -> Path:
    """Save a tiny captioner as a checkpoint, and return its directory."""
    save_checkpoint(directory, tiny_captioner(injection), model_card="# A random model\n")
    return directory


def tiny_shapes(
    cache_dir: Path, *, flip: bool = False, dropout: float = 0.5
) -> tuple[Captioner, PreparedSplit, PreparedSplit]:
    """Build a captioner with a random encoder of 64 pixels, and drawn images to train it.

    Returns:
        The captioner, a train split of eight images and a dev split of four.
    """
    everything = load_shapes(cache_dir)
    few = {"train": everything.split("train")[:8], "dev": everything.split("dev")[:4]}
    dataset = dataclasses.replace(everything, splits=few)
    torch.manual_seed(1)
    encoder = random_encoder("efficientnet_lite0")
    half = (0.5, 0.5, 0.5)
    encoder.preprocessing = Preprocessing(size=64, mean=half, std=half, interpolation="bilinear")
    captions = (tokenize(text) for example in few["train"] for text in example.captions)
    vocabulary = Vocabulary.build(captions, min_count=1)
    captioner = Captioner(
        encoder=encoder,
        decoder=tiny_decoder(
            channels=encoder.channels, vocabulary_size=len(vocabulary), dropout=dropout
        ),
        vocabulary=vocabulary,
        decoding=DecodingConfig(beam_size=2, max_words=8),
    )
    prepared = prepare(
        dataset, ("train", "dev"), encoder, cache_dir, device=captioner.device, flip=flip
    )
    return captioner, prepared.splits["train"], prepared.splits["dev"]
