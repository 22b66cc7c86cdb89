"""Sentences in which an object has the name of another, so that rare names are learned too.

Captions and sentences never say most names of ImageNet's classes. A decoder that has read "a brown
wombat in the grass", told of a wombat with a high score, has learned to say what it is told. Names
that the text lacks are borrowed in the manner of Venugopalan et al., "Captioning Images with
Diverse Objects", 2017, where similar objects share what is said of them; here, objects that have a
more general word in common do.

Axis letters: B captions, T words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import torch

from pytorch.model.imagenet_words import ClassWords, imagenet_words
from pytorch.model.people import PEOPLE
from pytorch.model.vocabulary import Vocabulary
from pytorch.training.caption_batches import NO_PICTURE, CaptionBatch

SHARE_RENAMED = 0.3
# Keeps what is drawn here independent of what `told_concepts` draws for the same batch.
STREAM = 1
# A general word that fewer classes have is too special to make their names exchangeable.
FEWEST_CLASSES = 5
# An object follows one of these, or an adjective after it. Other places may hold a verb: "fly".
ARTICLES = ("a", "an", "the")
VOWELS = ("a", "e", "i", "o", "u")


class RenamedObjects:
    """Renames an object in some sentences, depending on seed, epoch and batch only."""

    def __init__(self, vocabulary: Vocabulary, classes: Iterable[ClassWords], *, seed: int) -> None:
        self._seed = seed
        self._others = _exchangeable(vocabulary, classes)
        self._renameable = np.zeros(len(vocabulary), dtype=bool)
        self._renameable[list(self._others)] = True
        articles = [word for word in ARTICLES if word in vocabulary]
        self._articles = np.array(vocabulary.encode(articles)[1:-1])
        self._a, self._an = (vocabulary.encode([word])[1] for word in ("a", "an"))
        self._has_both = Vocabulary.unknown not in (self._a, self._an)
        self._vowel = np.array([word.startswith(VOWELS) for word in vocabulary.words])

    def of_batch(self, batch: CaptionBatch, epoch: int) -> tuple[CaptionBatch, torch.Tensor]:
        """The batch with some of its sentences changed.

        Returns:
            The batch, and the new name in each of its captions, (B,); `<pad>` where none is new.
        """
        random = np.random.default_rng([self._seed, epoch, batch.number, STREAM])
        words = batch.words.numpy().copy()  # (B, T)
        follows = np.zeros(words.shape, dtype=bool)
        is_article = np.isin(words, self._articles)
        follows[:, 1:] |= is_article[:, :-1]
        follows[:, 2:] |= is_article[:, :-2]
        drawn = (batch.rows == NO_PICTURE) & (random.random(len(words)) < SHARE_RENAMED)
        places = self._renameable[words] & follows & drawn[:, None]  # (B, T)
        new = np.full(len(words), Vocabulary.pad)
        for row in np.flatnonzero(places.any(axis=1)):
            place = random.choice(np.flatnonzero(places[row]))
            new[row] = random.choice(self._others[words[row, place]])
            words[row, place] = new[row]
            self._correct_article(words[row], place)
        return batch._replace(words=torch.from_numpy(words)), torch.from_numpy(new)

    def _correct_article(self, words: np.ndarray, place: int) -> None:
        """Write "an" before a vowel, and "a" before another letter."""
        if self._has_both and words[place - 1] in (self._a, self._an):
            words[place - 1] = self._an if self._vowel[words[place]] else self._a


def _exchangeable(vocabulary: Vocabulary, classes: Iterable[ClassWords]) -> dict[int, np.ndarray]:
    """For each name in the vocabulary, the names of classes that share a general word with it."""
    kinds: dict[str, list[set[str]]] = defaultdict(list)  # the names of each class of a kind
    for each in classes:
        for general in each.general:
            kinds[general].append({name for name in each.names if name in vocabulary} - PEOPLE)
    others: dict[str, set[str]] = defaultdict(set)
    for names_of_classes in kinds.values():
        if len(names_of_classes) >= FEWEST_CLASSES:
            kind = set().union(*names_of_classes)
            for name in kind:
                others[name] |= kind - {name}
    return {
        vocabulary.encode([name])[1]: np.array(vocabulary.encode(sorted(same))[1:-1])
        for name, same in others.items()
        if same
    }


def class_names() -> set[str]:
    """All names of ImageNet's classes that are no words for people."""
    return {name for each in imagenet_words() for name in each.names} - PEOPLE
