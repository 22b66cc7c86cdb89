import math

import pytest
import torch
from torch import nn

from pytorch.model.concepts import ConceptDetector
from pytorch.model.decoding import DecodingConfig
from pytorch.model.guidance import Guidance
from pytorch.model.people_detector import PeopleDetector
from pytorch.model.vocabulary import SPECIAL_TOKENS, Vocabulary

WORDS = "a cat cats tabby dog dogs labrador banana bananas fruit laptop desk animal wedding man men"
VOCABULARY = Vocabulary([*SPECIAL_TOKENS, *f"{WORDS} person groom on purple".split()])
# Names and more general words of each class.
CLASSES = {
    "tabby": ("tabby cat", "animal"),
    "tiger cat": ("cat", "animal"),
    "labrador": ("labrador dog", "animal"),
    "poodle": ("dog", "animal"),
    "banana": ("banana", "fruit"),
    "laptop": ("laptop", ""),
    "desk": ("desk", ""),
    "groom": ("groom", "wedding man"),
    "lynx": ("", "animal"),
    "newt": ("", "animal"),
    "nothing": ("", ""),
}
CONCEPTS = ["cat", "tabby", "dog", "labrador", "banana", "fruit", "laptop", "desk", "animal"]
CONCEPTS += ["wedding", "man", "groom"]


def detector_of(classes=CLASSES):
    """A detector that finds the probabilities that are written into `regions`."""
    channels = len(CLASSES) + len(CONCEPTS)
    layer, classifier = nn.Linear(channels, len(CONCEPTS)), nn.Linear(channels, len(classes))
    with torch.no_grad():
        for linear, before in ((layer, len(CLASSES)), (classifier, 0)):
            linear.weight.zero_()
            linear.weight[:, before : before + len(linear.weight)] = torch.eye(len(linear.weight))
            linear.bias.zero_()
    class_words = torch.zeros(len(classes), len(CONCEPTS))
    for row, (names, general) in enumerate(classes.values()):
        for words, value in ((general, 0.45), (names, 1.0)):
            for word in words.split():
                class_words[row, CONCEPTS.index(word)] = value
    return ConceptDetector(
        VOCABULARY.encode(CONCEPTS)[1:-1],
        layer=layer,
        classifier=classifier,
        class_words=class_words,
    )


def people_of():
    """A layer that finds the probability of a man that is written into `regions`."""
    people = PeopleDetector(len(CLASSES) + len(CONCEPTS), len(CLASSES))
    with torch.no_grad():
        people.layer.weight.zero_()
        people.layer.weight[0, len(CLASSES) + CONCEPTS.index("man")] = 1
        people.layer.bias.zero_()
    return people


def regions_of(classes, *, man=0.01):
    """Features of one image with these probabilities of classes, and of a man."""
    features = torch.full((1, 1, len(CLASSES) + len(CONCEPTS)), -9.0)
    rest = (1 - sum(classes.values())) / (len(CLASSES) - len(classes))
    for row, name in enumerate(CLASSES):
        features[0, 0, row] = math.log(classes.get(name, rest) + 1e-6)
    features[0, 0, len(CLASSES) + CONCEPTS.index("man")] = math.log(man / (1 - man))
    return features


def words_of(marks):
    return {VOCABULARY.words[number] for number in marks.nonzero().flatten().tolist()}


def guided(regions, **options):
    """The sets that a caption of one image must say, and the words that it must not."""
    guidance = Guidance(VOCABULARY, detector_of(), people_of())
    found = guidance.constraints(regions, DecodingConfig(**options))
    if found is None:
        return [], set()
    sets = [words_of(marks) for marks in found.required[0]]
    return [words for words in sets if words], words_of(found.forbidden[0])


@pytest.mark.parametrize(
    ("classes", "sets"),
    [
        ({"banana": 0.9}, [{"banana", "bananas"}]),
        ({"tabby": 0.5, "tiger cat": 0.4}, [{"cat", "cats", "tabby"}]),
        ({"tabby": 0.4, "tiger cat": 0.5}, [{"cat", "cats"}]),
        ({"labrador": 0.3, "poodle": 0.2}, [{"dog", "dogs", "labrador"}]),
        ({"laptop": 0.4, "desk": 0.45}, [{"desk"}, {"laptop"}]),
        ({"laptop": 0.3, "desk": 0.45}, [{"desk"}]),
        (
            {"tabby": 0.45, "tiger cat": 0.1, "poodle": 0.4},
            [{"cat", "cats", "tabby"}, {"dog", "dogs"}],
        ),
        ({"banana": 0.3, "laptop": 0.3, "desk": 0.3}, []),
        ({"tabby": 0.2, "lynx": 0.3, "poodle": 0.2}, [{"animal"}]),
        ({"groom": 0.9}, [{"wedding"}]),
        ({"nothing": 0.9}, []),
    ],
)
def test_a_caption_must_name_what_the_classifier_is_sure_of(classes, sets):
    assert guided(regions_of(classes), name_above=0.35) == (sets, set())


def test_the_threshold_is_the_least_probability_that_is_not_enough():
    regions = regions_of({"banana": 0.6})
    assert guided(regions, name_above=0.59)[0]
    assert not guided(regions, name_above=0.61)[0]


def test_in_a_batch_each_image_has_its_own_constraints():
    images = [{"banana": 0.9}, {"nothing": 0.9}, {"laptop": 0.45, "desk": 0.45}]
    regions = torch.cat([regions_of(classes) for classes in images])
    found = Guidance(VOCABULARY, detector_of()).constraints(regions, DecodingConfig(name_above=0.4))
    assert found.counts.tolist() == [1, 0, 2]
    for number, classes in enumerate(images):
        sets = [words_of(marks) for marks in found.required[number] if marks.any()]
        assert sets == guided(regions_of(classes), name_above=0.4)[0]


def test_people_are_forbidden_where_none_are_seen():
    people = {"man", "men", "person", "groom"}
    assert guided(regions_of({}, man=0.05), no_people_below=0.1) == ([], people)
    assert guided(regions_of({}, man=0.2), no_people_below=0.1) == ([], set())


def test_a_gender_is_said_only_where_it_is_clear():
    vocabulary = Vocabulary([*SPECIAL_TOKENS, "a", "man", "woman", "her", "person", "dog"])
    detector = ConceptDetector(vocabulary.encode(["man", "woman"])[1:-1], layer=nn.Linear(2, 2))
    with torch.no_grad():
        detector.layer.weight.copy_(torch.eye(2))
        detector.layer.bias.zero_()

    def forbidden(man, woman):
        regions = torch.tensor([[[man, woman]]]).logit()
        decoding = DecodingConfig(gender_above=0.7)
        found = Guidance(vocabulary, detector).constraints(regions, decoding)
        marks = torch.zeros(len(vocabulary)) if found is None else found.forbidden[0]
        return {vocabulary.words[number] for number in marks.nonzero().flatten().tolist()}

    assert forbidden(0.6, 0.3) == forbidden(0.3, 0.6) == {"man", "woman", "her"}
    assert forbidden(0.8, 0.3) == forbidden(0.3, 0.8) == set()


def test_a_person_chooses_words():
    required, forbidden = guided(
        regions_of({}), must_say=(" Cat|dog ", "purple"), must_not_say=["man", "unknown", ""]
    )
    assert required == [{"cat", "dog"}, {"purple"}]
    assert forbidden == {"man"}


def test_what_a_person_chose_takes_precedence():
    banana, nobody = regions_of({"banana": 0.9}), regions_of({}, man=0.01)
    words = {"must_not_say": ("bananas",), "name_above": 0.5}
    assert guided(banana, **words) == ([{"banana"}], {"bananas"})
    words = {"must_not_say": ("bananas", "banana"), "name_above": 0.5}
    assert guided(banana, **words) == ([], {"banana", "bananas"})
    required, forbidden = guided(nobody, must_say=("man",), no_people_below=0.5)
    assert required == [{"man"}]
    assert forbidden == {"men", "person", "groom"}


@pytest.mark.parametrize("chosen", range(4))
def test_there_are_never_too_many_sets(chosen):
    must_say = ("a", "on", "purple")[:chosen]
    regions = regions_of({"laptop": 0.45, "desk": 0.45})
    required, _ = guided(regions, must_say=must_say, name_above=0.4)
    assert len(required) == min(3, chosen + 2)


def test_without_options_there_are_no_constraints():
    regions = regions_of({"banana": 0.9})
    assert Guidance(VOCABULARY, detector_of()).constraints(regions, DecodingConfig()) is None


@pytest.mark.parametrize(
    ("detector", "options", "message"),
    [
        (detector_of(), {"must_say": ("cat", "dog|dogg")}, "must_say has 'dogg', which is not one"),
        (detector_of(), {"must_say": ("",)}, "must_say has '', which is not one of the 24 words"),
        (detector_of(), {"must_say": ("<end>",)}, "must_say has '<end>'"),
        (None, {"name_above": 0.5}, "name_above needs a model with concepts and a classifier"),
        (None, {"gender_above": 0.6}, "gender_above needs a model with concepts"),
        (None, {"no_people_below": 0.5}, "no_people_below needs a model that can tell whether"),
        (
            ConceptDetector([5], layer=nn.Linear(3, 1)),
            {"name_above": 0.5},
            "name_above needs a model with concepts and a classifier",
        ),
    ],
)
def test_what_the_model_lacks_is_named(detector, options, message):
    with pytest.raises(ValueError, match=message):
        Guidance(VOCABULARY, detector).check(DecodingConfig(**options))
