"""Guidance: what captions must say and must not, by what a detector sees and a person chose.

Axis letters: B images, R regions, C channels of the encoder, K ImageNet classes, W words of the
classes, P pairs of a class and its word, S sets of words, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from pytorch.model.concepts import ConceptDetector
from pytorch.model.constraints import MOST_SETS, Constraints
from pytorch.model.decoding import DecodingConfig
from pytorch.model.people import FEMALE, MALE, PEOPLE
from pytorch.model.people_detector import PeopleDetector
from pytorch.model.plurals import plural
from pytorch.model.vocabulary import Vocabulary

MOST_NAMED = 2
"""Objects of an image that a caption must name because the classifier is sure of them."""


class Guidance:
    """Makes constraints of decoding options, for the captions of one model.

    Args:
        vocabulary: The decoder's words.
        detector: Finds what is in images; None where nothing does.
        people: Finds people; None where nothing does.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        detector: ConceptDetector | None = None,
        people: PeopleDetector | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.detector = detector
        self.people = people
        self._people_words = self._marks(PEOPLE)  # (V,)
        self._genders = [self._marks(words) for words in (MALE, FEMALE)]  # (V,) each
        self._class_words = None
        if detector is not None and detector.class_words is not None:
            self._class_words = _ClassWords(vocabulary, detector, detector.class_words)

    def check(self, decoding: DecodingConfig) -> None:
        """Check that captions can be guided by the options.

        Raises:
            ValueError: The vocabulary lacks a word that captions must say, or the model lacks what
                an option needs.
        """
        for word in decoding.words_to_say:
            if word not in self.vocabulary:
                raise ValueError(
                    f"must_say has {word!r}, which is not one of the {len(self.vocabulary)} words "
                    "that the model knows. Choose another word."
                )
        if decoding.name_above is not None and self._class_words is None:
            raise ValueError(
                "name_above needs a model with concepts and a classifier of ImageNet's classes. "
                "This one lacks them; leave the option out."
            )
        if decoding.gender_above is not None and self.detector is None:
            raise ValueError(
                "gender_above needs a model with concepts. This one has none; leave the option out."
            )
        if decoding.no_people_below is not None and self.people is None:
            raise ValueError(
                "no_people_below needs a model that can tell whether people are in a picture, "
                "which calibrate_captioner teaches it. Leave it out."
            )

    def constraints(self, regions: Tensor, decoding: DecodingConfig) -> Constraints | None:
        """Make the constraints of images, from their region features (B, R, C).

        What a person chose takes precedence: words in `must_say` may name people though none are
        seen, and words in `must_not_say` need not be said though the classifier is sure.

        Returns:
            None if the options ask for nothing.

        Raises:
            ValueError: As for `check`.
        """
        self.check(decoding)
        sets = [
            self._marks(entry.split("|")).to(regions.device).expand(len(regions), -1)  # (B, V)
            for entry in decoding.must_say
        ]
        forbidden = self._people_not_seen(regions, decoding.no_people_below)  # (B, V)
        forbidden |= self._gender_not_seen(regions, decoding.gender_above)
        for words in sets:
            forbidden &= ~words
        forbidden |= self._marks(decoding.must_not_say).to(regions.device)
        if decoding.name_above is not None and self._class_words is not None:
            most = min(MOST_NAMED, MOST_SETS - len(sets))
            named = self._class_words.sure(regions, decoding.name_above, most=most)
            sets += [words & ~forbidden for words in named]
        if not sets and not forbidden.any():
            return None
        required = forbidden.new_zeros(len(regions), 0, len(self.vocabulary))  # (B, 0, V)
        return Constraints(torch.cat([required, *(s.unsqueeze(1) for s in sets)], dim=1), forbidden)

    def _marks(self, words: Iterable[str]) -> Tensor:
        """Mark words, (V,) bool. Those that the vocabulary lacks are left out."""
        numbers = self.vocabulary.encode(list(words))[1:-1]
        marks = torch.zeros(len(self.vocabulary), dtype=torch.bool)
        marks[numbers] = True
        marks[Vocabulary.unknown] = False
        return marks

    def _people_not_seen(self, regions: Tensor, threshold: float | None) -> Tensor:
        """Mark the words for people, (B, V), for the images in which none are seen."""
        absent = torch.zeros(len(regions), dtype=torch.bool, device=regions.device)
        if threshold is not None and self.people is not None:
            absent = self.people(regions, self.detector) < threshold
        return absent.unsqueeze(1) & self._people_words.to(regions.device)

    def _gender_not_seen(self, regions: Tensor, threshold: float | None) -> Tensor:
        """Mark the words that say a gender, (B, V), for the images in which neither is clear.

        A gender is as probable as its words together, as if they were independent, compared with
        the words of both.
        """
        unclear = torch.zeros(len(regions), dtype=torch.bool, device=regions.device)
        genders = [marks.to(regions.device) for marks in self._genders]
        if threshold is not None and self.detector is not None:
            absent = 1 - self.detector(regions)  # (B, M)
            numbers = list(self.detector.words)
            said = torch.stack(
                [1 - absent[:, marks[numbers]].prod(dim=1) for marks in genders], dim=1
            )  # (B, 2)
            unclear = said.amax(dim=1) <= threshold * said.sum(dim=1)
        return unclear.unsqueeze(1) & (genders[0] | genders[1])


class _ClassWords:
    """The words of ImageNet's classes that captions can be asked for: those that are no people."""

    def __init__(
        self, vocabulary: Vocabulary, detector: ConceptDetector, class_words: Tensor
    ) -> None:
        self.detector = detector
        words = [vocabulary.words[number] for number in detector.words]
        class_words = class_words.cpu()
        usable = torch.tensor([word not in PEOPLE for word in words])  # (M,)
        places = (usable & (class_words > 0).any(dim=0)).nonzero().flatten().tolist()  # W of them
        self.names = _Words.of(class_words[:, places] == 1)
        self.words = _Words.of(class_words[:, places] > 0)
        # A name may be said in the plural as well.
        forms = [
            (column, vocabulary.encode([form])[1])
            for column, place in enumerate(places)
            for form in (words[place], plural(words[place]))
            if form in vocabulary
        ]
        self.columns, self.numbers = torch.tensor(forms, dtype=torch.long).view(-1, 2).T
        self.vocabulary_size = len(vocabulary)

    def sure(self, regions: Tensor, threshold: float, *, most: int) -> list[Tensor]:
        """Find what the classifier is sure of in images (B, R, C).

        Several classes have the same word: the tabby and the tiger cat are both cats. The word
        with the largest probability of its classes together counts, and if that is above the
        threshold, a caption must say a name of the most probable one of them. If other classes are
        sure without the first ones, and share no name with it, they are another object. Where no
        name is sure, a more general word may be: many kinds of animals make an animal.

        Args:
            regions: Region features.
            threshold: The probability above which a word counts.
            most: Objects to find in an image at most.

        Returns:
            `most` sets of words, (B, V) bool each; empty where nothing is sure.
        """
        if not self.names.marks.shape[1] or most == 0:
            return []
        names, words = self.names.to(regions.device), self.words.to(regions.device)
        probabilities = left = self.detector.class_probabilities(regions)  # (B, K)
        found = []
        for _ in range(most):
            named = _of_likeliest(left, names, threshold)  # (B, W)
            found.append(named)
            left = left.masked_fill(names.classes_with(named), 0)
        nameless = ~found[0].any(dim=1, keepdim=True)
        found[0] = found[0] | (nameless & _of_likeliest(probabilities, words, threshold))
        return [self._in_vocabulary(each) for each in found]

    def _in_vocabulary(self, words: Tensor) -> Tensor:
        """Turn words of the classes (B, W) into words of the vocabulary, (B, V) bool."""
        counts = torch.zeros(len(words), self.vocabulary_size, device=words.device)
        numbers, columns = self.numbers.to(words.device), self.columns.to(words.device)
        return counts.index_add(1, numbers, words[:, columns].to(counts.dtype)) > 0


class _Words(NamedTuple):
    """Words of classes. Nearly all marks are false, so sums run over the pairs that are true."""

    marks: Tensor
    """Whether a word is one of a class, (K, W) bool."""
    classes: Tensor
    """The class of each pair, (P,)."""
    words: Tensor
    """The word of each pair, (P,)."""

    @classmethod
    def of(cls, marks: Tensor) -> _Words:
        """Find the pairs."""
        return cls(marks, *marks.nonzero().unbind(dim=1))

    def to(self, device: torch.device) -> _Words:
        """Return them on a device."""
        return _Words(*(tensor.to(device) for tensor in self))

    def probabilities(self, of_classes: Tensor) -> Tensor:
        """Add the probabilities (B, K) of the classes of each word, (B, W)."""
        totals = of_classes.new_zeros(len(of_classes), self.marks.shape[1])
        return totals.index_add(1, self.words, of_classes[:, self.classes])

    def classes_with(self, some: Tensor) -> Tensor:
        """Find the classes, (B, K), that have any of some words, (B, W) bool."""
        counts = torch.zeros(len(some), len(self.marks), device=some.device)
        return counts.index_add(1, self.classes, some[:, self.words].to(counts.dtype)) > 0


def _of_likeliest(probabilities: Tensor, words: _Words, threshold: float) -> Tensor:
    """Find the words of the likeliest class among those that share the likeliest word.

    Args:
        probabilities: Of the classes, (B, K).
        words: The words of each class.
        threshold: The probability above which a word counts.

    Returns:
        Whether each is a word of that class, (B, W) bool.
    """
    likeliest, word = words.probabilities(probabilities).max(dim=1)  # (B,)
    likeliest_class = (probabilities * words.marks[:, word].T).argmax(dim=1)  # (B,)
    return words.marks[likeliest_class] & (likeliest > threshold).unsqueeze(1)
