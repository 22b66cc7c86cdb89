"""When a caption is good: what a captioner's confidence is the probability of.

Two things at once, both against the references that people wrote. The caption must say much of what
they say, which CIDEr-D measures; and its main noun, what it says the picture is of, must be one of
theirs. CIDEr-D alone forgives "a man riding a wave" for a dog in the surf, and the noun alone says
nothing about the rest.

The main noun is the first word that is no article, number, quantity or common adjective: "dog" in
"two small dogs play". Of a compound it is the first part ("baseball" player). No tagger is needed,
because captions begin with their subject.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytorch.model.people import NEUTRAL, PEOPLE
from pytorch.model.plurals import plural
from pytorch.model.tokenization import tokenize

GOOD_CIDER_D = 0.4
"""The least CIDEr-D of a good caption. Of 40 captions of an early model, compared with their
pictures by eye, this judgement was right for 33; CIDEr-D alone was right for 30."""

# What may stand before the main noun.
NO_NOUN = frozenset(
    """
    a an the this that these some several many few other another each both all no one two three
    four five six seven eight nine ten dozen
    his her its their my our your it there is are was were
    of in on at with and or to from by for up out next very close-up closeup
    group groups bunch couple pair lot lots number variety row rows pile stack piece pieces set
    assortment collection view picture pictures photo photos photograph image images shot close
    front back side top inside middle
    big small little large tiny huge giant tall short long low high wide narrow thin fat skinny
    thick slim medium sized overweight chubby muscular
    young old older elderly new vintage antique ancient modern teenage middle-aged grown
    black white brown tan red blue green yellow orange pink purple grey gray beige blond blonde
    brunette golden gold silver colorful colored dark light bright pale brightly multicolored
    male female adult asian african american african-american indian chinese japanese hispanic
    caucasian oriental german
    beautiful pretty cute nice lovely attractive fancy funny happy sad angry serious lone single
    lonely double different various empty full open closed busy crowded quiet calm still
    clean dirty muddy dusty wet dry soft hard hot cold warm fresh clear cloudy sunny snowy icy rainy
    grassy rocky sandy wooden metal plastic furry fluffy shaggy hairy curly bald bearded shirtless
    topless barefoot naked bare tattooed masked helmeted spotted striped fallen broken stuffed
    decorated covered filled lit dressed clad parked seated sliced cooked assorted painted
    professional military public outdoor indoor local traditional homemade domestic wild
    smiling laughing crying sleeping standing sitting lying laying running walking jumping playing
    flying swimming riding wearing holding looking eating drinking living dining
    """.split()  # noqa: SIM905
)


def is_good(caption: str, references: Sequence[str], cider_d: float) -> bool:
    """Judge the caption of an image.

    Args:
        caption: The caption.
        references: The image's reference captions.
        cider_d: What the caption scores against them; see `cider_d_of_images`.
    """
    return cider_d >= GOOD_CIDER_D and main_noun_is_right(caption, references)


def main_noun(words: Sequence[str]) -> str | None:
    """The main noun of a tokenized caption; None if it has none."""
    return next((word for word in words if word not in NO_NOUN), None)


def main_noun_is_right(caption: str, references: Sequence[str]) -> bool:
    """Whether the main noun of a caption is in a reference, in the singular or the plural.

    A neutral word for people is right if a reference says one of those that it stands for: "person"
    for "women". A caption without a noun is wrong.
    """
    noun = main_noun(tokenize(caption))
    if noun is None:
        return False
    said = {word for text in references for word in tokenize(text)}
    said |= {neutral for word in said for neutral in _neutral_words(word)}
    return noun in said or plural(noun) in said or noun in map(plural, said)


def _neutral_words(word: str) -> set[str]:
    """The words that say of a person less than this one: "child" and "person" for "boy"."""
    neutral = {"person"} if word in PEOPLE else set()
    while word in NEUTRAL:
        word = NEUTRAL[word]
        neutral.add(word)
    return neutral
