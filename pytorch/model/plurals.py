"""Plurals of English nouns, as captions write them."""

from __future__ import annotations

import re

IRREGULAR = {
    "calf": "calves",
    "deer": "deer",
    "foot": "feet",
    "goose": "geese",
    "half": "halves",
    "knife": "knives",
    "leaf": "leaves",
    "loaf": "loaves",
    "mouse": "mice",
    "ox": "oxen",
    "person": "people",
    "scarf": "scarves",
    "sheep": "sheep",
    "shelf": "shelves",
    "thief": "thieves",
    "tooth": "teeth",
    "wolf": "wolves",
}
# Families of words: fireman and firewoman, grandchild, starfish, housewife.
IRREGULAR_ENDINGS = {"man": "men", "child": "children", "fish": "fish", "wife": "wives"}
# They end as "man" does but have nothing to do with it.
REGULAR = frozenset(["human", "german", "ottoman", "talisman", "caiman"])
HISSING = re.compile(r"(?:s|x|z|ch|sh)$")
CONSONANT_Y = re.compile(r"(?<=[^aeiou])y$")
# "-o" takes -es in these alone: tomatoes, but pianos and flamingos.
O_WITH_ES = frozenset(["buffalo", "hero", "mango", "mosquito", "potato", "tomato", "volcano"])


def plural(noun: str) -> str:
    """The plural of a noun in the singular: `dog` becomes `dogs`, `woman` becomes `women`."""
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if noun not in REGULAR:
        for ending, replacement in IRREGULAR_ENDINGS.items():
            if noun.endswith(ending):
                return noun.removesuffix(ending) + replacement
    if HISSING.search(noun) or noun in O_WITH_ES:
        return f"{noun}es"
    if CONSONANT_Y.search(noun):
        return CONSONANT_Y.sub("ies", noun)
    return f"{noun}s"
