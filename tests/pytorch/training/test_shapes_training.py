"""Every encoder with every injection learns to caption two scenes of the data set `shapes`."""

import dataclasses
from pathlib import Path

import pytest
import torch

from pytorch.data.caption_dataset import Example
from pytorch.data.features import cached_features
from pytorch.data.prepared import PreparedSplit
from pytorch.data.shapes import SIDE, DrawnImages, Scene, Shape
from pytorch.evaluation.evaluate import generate_captions
from pytorch.model.captioner import Captioner
from pytorch.model.concepts import ConceptDetector
from pytorch.model.decoders import Decoder, DecoderConfig
from pytorch.model.decoding import DecodingConfig
from pytorch.model.encoders import ENCODERS
from pytorch.model.injections import INJECTIONS
from pytorch.model.tokenization import tokenize
from pytorch.model.vocabulary import Vocabulary
from pytorch.training.teacher_forcing import TeacherForcing
from pytorch.training.train_data import TrainData, Weighted
from pytorch.training.training_config import TrainingConfig
from tests.tiny import random_encoder

pytestmark = pytest.mark.slow

SCENES = [
    Scene(Shape("large", colour, "circle"), "above", Shape("large", colour, "square"))
    for colour in ("black", "yellow")
]
# Whatever a decoder knows of captions, it cannot say both of these without looking. They differ
# from the first word on: a difference in one word of nine is learned only after all the others.
CAPTIONS = [
    "A large black circle above a large black square.",
    "There is a yellow circle above a yellow square.",
]
IMAGES = DrawnImages(tuple(SCENES))
TOKENS = [tokenize(text) for text in CAPTIONS]
STEPS = 80


@pytest.fixture(scope="module", params=ENCODERS)
def seen(request, tmp_path_factory):
    """An encoder with random weights, and its features of the scenes."""
    torch.manual_seed(1)
    preprocessing = dataclasses.replace(ENCODERS[request.param].preprocessing, size=SIDE)
    pictures = torch.stack([preprocessing(scene.draw()) for scene in SCENES])
    encoder = random_encoder(request.param, images=pictures)
    encoder.preprocessing = preprocessing
    features = cached_features(
        encoder,
        IMAGES,
        [scene.image for scene in SCENES],
        tmp_path_factory.mktemp("features"),
        device=torch.device("cpu"),
        progress=False,
    )
    return encoder, features


@pytest.mark.parametrize("injection", INJECTIONS)
def test_every_injection_learns_from_the_features_of_every_encoder(seen, injection):
    encoder, features = seen
    vocabulary = Vocabulary.build(TOKENS, min_count=1)
    torch.manual_seed(1)
    decoder = Decoder(
        DecoderConfig(
            injection=injection,
            embedding_size=64,
            hidden_size=64,
            image_size=64,
            attention_size=64,
            dropout=0.0,
        ),
        vocabulary_size=len(vocabulary),
        channels=encoder.channels,
    )
    first_weights = {name: weight.clone() for name, weight in decoder.named_parameters()}
    captioner = Captioner(
        encoder=encoder,
        decoder=decoder,
        vocabulary=vocabulary,
        decoding=DecodingConfig(beam_size=1, max_words=12),
        concepts=ConceptDetector(range(4, 10), layer=torch.nn.Linear(encoder.channels, 6)),
    )
    examples = [Example(scene.image, (text,)) for scene, text in zip(SCENES, CAPTIONS, strict=True)]
    split = PreparedSplit(tuple(examples), features, IMAGES, cache_dir=Path("unused"))
    objective = TeacherForcing(
        captioner,
        TrainData((Weighted(split),)),
        TrainingConfig(batch_size=len(examples), label_smoothing=0.0, attention_penalty=0.0),
    )
    objective.train()
    optimizer = torch.optim.Adam(decoder.parameters(), lr=3e-3)
    for epoch in range(STEPS):
        for batch in objective.batches(epoch):
            objective(batch).backward()
            optimizer.step()
            optimizer.zero_grad()

    captioner.eval()
    assert generate_captions(captioner, features) == [" ".join(words) for words in TOKENS]
    unmoved = [
        name for name, weight in decoder.named_parameters() if weight.equal(first_weights[name])
    ]
    # All pictures are shown, so the vector that stands for none is not needed.
    assert set(unmoved) <= {"injection.no_image"}
