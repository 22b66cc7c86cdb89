import io
import itertools
from pathlib import Path

import pytest
import torch

from pytorch.data.caption_dataset import Example
from pytorch.data.features import RegionFeatures
from pytorch.data.images import ImageFiles
from pytorch.data.prepared import PreparedSplit
from pytorch.model.captioner import Captioner
from pytorch.model.decoding import DecodingConfig
from pytorch.model.encoders import Encoder
from pytorch.model.tokenization import tokenize
from pytorch.model.vocabulary import Vocabulary
from pytorch.training import concept_fitting
from pytorch.training.concept_fitting import fitted_concepts, with_concepts
from pytorch.training.train_data import TrainData, Weighted
from tests.tiny import tiny_decoder

pytestmark = pytest.mark.slow

CHANNELS = 1280
COLOURS, THINGS = ("red", "black", "green"), ("dog", "cat", "bus", "cake")


def examples(copies=4):
    """Pictures of colourful things, upright and mirrored; one of them shows a zebra as well."""
    upright = [
        Example(f"{colour}-{thing}-{copy}.jpg", (f"a {colour} {thing}", f"the {thing} in {colour}"))
        for copy, colour, thing in itertools.product(range(copies), COLOURS, THINGS)
    ]
    first = upright[0]
    upright[0] = Example(first.image, tuple(f"{text} beside a zebra" for text in first.captions))
    return tuple(upright + [example.mirrored() for example in upright])


def regions_of(example):
    """Two regions whose channels tell colour and thing, and each picture apart."""
    words = example.image.removesuffix(".jpg").split("-")
    generator = torch.Generator().manual_seed(hash_of(example.image))
    regions = torch.rand(2, CHANNELS, generator=generator)
    for place, word in enumerate((*COLOURS, *THINGS)):
        regions[:, place * 20 : place * 20 + 20] += 2.0 * (word in words)
    return regions + example.is_mirrored * 0.01


def hash_of(text):
    return sum(ord(letter) * 31**place for place, letter in enumerate(text)) % 2**31


def split_of(found):
    features = torch.stack([regions_of(example) for example in found]).half().numpy()
    names = [example.image for example in found]
    return PreparedSplit(found, RegionFeatures(names, features), ImageFiles([]), Path("unused"))


TRAIN = TrainData((Weighted(split_of(examples())),))


def new_captioner():
    captions = [tokenize(text) for example in examples() for text in example.captions]
    vocabulary = Vocabulary.build(captions, min_count=1)
    decoder = tiny_decoder("semantic-attention", channels=CHANNELS, vocabulary_size=len(vocabulary))
    return Captioner(
        encoder=Encoder("efficientnet_lite0", grid_size=1),
        decoder=decoder,
        vocabulary=vocabulary,
        decoding=DecodingConfig(),
    )


@pytest.fixture(scope="module", autouse=True)
def _few_steps():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concept_fitting, "STEPS", 300)
        patch.setattr(concept_fitting, "STEPS_OF_HALF", 200)
        yield


@pytest.fixture(scope="module")
def captioner():
    return new_captioner()


@pytest.fixture(scope="module")
def fitted(captioner):
    return fitted_concepts(captioner, TRAIN, count=20, seed=1)


@pytest.fixture(scope="module")
def train(captioner, fitted):
    return with_concepts(captioner, TRAIN, fitted)


def scores_by_word(captioner, concepts, row):
    words = [captioner.vocabulary.words[number] for number in concepts.words[row].tolist()]
    return dict(zip(words, concepts.scores[row].tolist(), strict=True))


def test_content_words_are_the_concepts(captioner, train):
    words = {captioner.vocabulary.words[number] for number in captioner.concepts.words}
    assert words == {*COLOURS, *THINGS, "zebra"}


def test_the_detector_finds_what_captions_say(captioner, train):
    with torch.inference_mode():
        found = captioner.concepts.strongest(captioner.concepts(TRAIN.features.rows(range(48))), 2)
    for row, example in enumerate(TRAIN.examples[:48]):
        expected = set(example.image.split("-")[:2])
        assert row == 0 or set(scores_by_word(captioner, found, row)) == expected


def test_pictures_are_scored_by_detectors_that_have_not_seen_them(captioner, train):
    assert train.concepts.words.shape == (len(TRAIN), 8)
    right = 0
    for row, example in enumerate(TRAIN.examples):
        scores = scores_by_word(captioner, train.concepts, row)
        right += set(list(scores)[:2]) == set(example.image.split("-")[:2])
    assert right > 0.6 * len(TRAIN)  # by chance 0.04
    # Only the picture itself, and its mirror image, could tell of the zebra.
    mirrored = len(TRAIN) // 2
    zebra = [scores_by_word(captioner, train.concepts, row)["zebra"] for row in (0, mirrored)]
    with torch.inference_mode():
        seen = captioner.concepts(TRAIN.features.rows([0, mirrored]))
    place = captioner.concepts.words.index(captioner.vocabulary.encode(["zebra"])[1])
    assert max(zebra) < 0.1 < min(seen[:, place].tolist())


def test_the_same_seed_gives_the_same_concepts(captioner, fitted):
    again = fitted_concepts(new_captioner(), TRAIN, count=20, seed=1)
    assert again["numbers"] == fitted["numbers"]
    for part in ("detector", "train"):
        assert all(again[part][name].equal(tensor) for name, tensor in fitted[part].items())


def test_other_random_numbers_are_left_alone():
    other = new_captioner()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fitted_concepts(other, TRAIN, count=2, seed=1)
    assert torch.rand(1) == expected


def test_a_state_of_a_run_gives_the_same_detector_and_scores(captioner, fitted, train):
    content = io.BytesIO()
    torch.save(fitted, content)
    content.seek(0)
    other = new_captioner()
    restored = with_concepts(other, TRAIN, torch.load(content, weights_only=True))
    assert all(a.equal(b) for a, b in zip(restored.concepts, train.concepts, strict=True))
    regions = TRAIN.features.rows([3])
    assert other.concepts(regions).equal(captioner.concepts(regions))


def test_a_picture_counts_as_much_as_its_captions_are_seen(monkeypatch):
    monkeypatch.setattr(concept_fitting, "STEPS", 0)  # leaves the rates that it begins with
    dogs = tuple(e for e in examples() if "dog" in e.image)
    cats = tuple(e for e in examples() if "cat" in e.image)
    data = TrainData((Weighted(split_of(dogs), 3.0), Weighted(split_of(cats))))
    captioner = new_captioner()
    with_concepts(captioner, data, fitted_concepts(captioner, data, count=20, seed=1))
    rates = captioner.concepts.layer.bias.sigmoid()
    words = [captioner.vocabulary.words[number] for number in captioner.concepts.words]
    assert rates[words.index("dog")].item() == pytest.approx(0.75, abs=0.01)


def test_further_training_on_few_pictures_keeps_the_detector_and_believes_it(captioner, train):
    few = TrainData((Weighted(split_of(examples(copies=1))),))
    fitted = fitted_concepts(captioner, few, count=3, seed=2)
    assert fitted["numbers"] == list(captioner.concepts.words)
    with torch.inference_mode():
        expected = captioner.concepts.strongest(captioner.concepts(few.features.rows(range(24))))
    assert fitted["train"]["scores"].equal(expected.scores)


def test_without_content_words_there_are_no_concepts():
    nothing = TrainData((Weighted(split_of((Example("red-dog-1.jpg", ("a the in",)),))),))
    captioner = new_captioner()
    captioner.vocabulary = Vocabulary.build([["a", "the", "in"]], min_count=1)
    with pytest.raises(ValueError, match="No word of the captions says what is in a picture"):
        fitted_concepts(captioner, nothing, count=5, seed=1)
