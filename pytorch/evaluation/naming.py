"""Naming: whether captions of pictures of one thing name it, and whether they invent people.

A names file is JSON, `{"PICTURE": ["cat", "tabby cat"], ...}`: for each picture the words and
phrases any of which names what it shows. The pictures lie in a folder or a zip file beside it, of
the same name: `animals.json` and `animals.zip`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytorch.data.features import cached_features
from pytorch.data.formats.reading import read_json
from pytorch.data.images import DatasetError, ImageError, ImageFiles
from pytorch.evaluation.evaluate import generate_captions
from pytorch.model.captioner import Captioner
from pytorch.model.decoding import DecodingConfig
from pytorch.model.people import PEOPLE, says_people
from pytorch.model.plurals import plural
from pytorch.model.tokenization import tokenize


@dataclass(frozen=True)
class NamedPictures:
    """Pictures of one thing each, with what names it.

    Attributes:
        path: The names file.
        names: The words and phrases that name what each picture shows.
        images: Holds the pictures.
    """

    path: Path
    names: Mapping[str, Sequence[str]]
    images: ImageFiles


@dataclass(frozen=True)
class Naming:
    """How the captions of `NamedPictures` name them.

    Attributes:
        captions: The captions by picture.
        named: The share of captions with a name of what the picture shows.
        people: The share of captions that say people though no name of the picture does.
    """

    captions: Mapping[str, str]
    named: float
    people: float

    def lines(self) -> list[str]:
        """Format the shares, one a line."""
        return [f"named   {self.named:.4f}", f"people  {self.people:.4f}"]


def read_named_pictures(path: Path) -> NamedPictures:
    """Read a names file, and list the pictures beside it.

    Raises:
        DatasetError: One of them is missing or cannot be used.
    """
    names = _read_names(path)
    sources = [each for each in (path.with_suffix(""), path.with_suffix(".zip")) if each.exists()]
    if not sources:
        raise DatasetError(
            f"The pictures of {path} are missing: put them into the folder "
            f"{path.with_suffix('')} or into {path.with_suffix('.zip')}."
        )
    images = ImageFiles(sources)
    absent = [name for name in names if name not in images]
    if absent:
        raise DatasetError(
            f"{path} names pictures that are not in {sources[0]} ({len(absent)} in all, the first "
            f"is {absent[0]!r})."
        )
    return NamedPictures(path, names, images)


def name_pictures(
    captioner: Captioner,
    pictures: NamedPictures,
    cache_dir: Path,
    *,
    decoding: DecodingConfig | None = None,
    progress: bool = False,
) -> Naming:
    """Caption pictures of one thing each, and measure how the captions name it.

    Args:
        captioner: The model.
        pictures: What `read_named_pictures` has read.
        cache_dir: The folder of the feature cache.
        decoding: How to search for captions; None for the captioner's own settings.
        progress: Whether to show progress bars on stderr.

    Raises:
        ImageError: A picture cannot be read.
        FeatureCacheError: The cached features are damaged or cannot be written.
    """
    features = cached_features(
        captioner.encoder,
        pictures.images,
        list(pictures.names),
        cache_dir,
        device=captioner.device,
        progress=progress,
    )
    for reason in features.unreadable.values():
        raise ImageError(reason)
    captions = generate_captions(captioner, features, decoding=decoding, progress=progress)
    return measure_naming(dict(zip(features.names, captions, strict=True)), pictures.names)


def measure_naming(captions: Mapping[str, str], names: Mapping[str, Sequence[str]]) -> Naming:
    """Measure how captions name what pictures show.

    Args:
        captions: The captions by picture.
        names: The words and phrases that name what each picture shows.
    """
    words = {picture: tokenize(caption) for picture, caption in captions.items()}
    named = [says_any(said, names[picture]) for picture, said in words.items()]
    people = [
        says_people(said) and PEOPLE.isdisjoint(_last_words(names[picture]))
        for picture, said in words.items()
    ]
    return Naming(captions, sum(named) / len(named), sum(people) / len(people))


def says_any(words: Sequence[str], phrases: Iterable[str]) -> bool:
    """Whether a caption has one of the phrases as whole words, in the singular or plural."""
    caption = f" {' '.join(words)} "
    return any(
        f" {' '.join([*before, form])} " in caption
        for *before, last in map(tokenize, phrases)
        for form in (last, plural(last))
    )


def naming_report(pictures: NamedPictures, naming: Naming) -> dict[str, Any]:
    """Build what a metrics file says of naming."""
    return {
        "names": pictures.path.name,
        "images": len(naming.captions),
        "named": naming.named,
        "people": naming.people,
        "captions": dict(naming.captions),
    }


def _last_words(phrases: Iterable[str]) -> set[str]:
    return {tokenize(phrase)[-1] for phrase in phrases}


def _read_names(path: Path) -> dict[str, list[str]]:
    names = read_json(path)
    if not isinstance(names, dict) or not names:
        raise DatasetError(
            f'{path} names no pictures: it must hold an object, {{"PICTURE": ["cat"], ...}}.'
        )
    for picture, phrases in names.items():
        if (
            not isinstance(phrases, list)
            or not phrases
            or not all(isinstance(phrase, str) and tokenize(phrase) for phrase in phrases)
        ):
            raise DatasetError(
                f"{path} must give for each picture a list of words that name it, "
                f"not {phrases!r} for {picture!r}."
            )
    return names
