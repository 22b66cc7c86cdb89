"""Which words are concepts: words for what can be seen in a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

from pytorch.model.imagenet_words import ClassWords
from pytorch.model.vocabulary import Vocabulary

FEWEST_LETTERS = 3

# Words that say nothing of what is in a picture by themselves: the function words of English, then
# words of number and order, of place, and of pictures as such.
_STOP_TEXT = """
    a about above across after again against ago all almost along alongside already also although
    always am amid amidst among amongst an and another any anyone anything are aren't around as at
    away be because been before behind being below beneath beside besides between beyond both but by
    can cannot could did do does doing done down during each either else enough even ever every
    everyone everything few for from further get gets getting given gives go goes going had has have
    having he hence her here hers herself him himself his how however i if in including inside into
    is it its itself just keep keeps kept let lets like likes made make makes making many may maybe
    me might mine more most much must my myself near nearby nearly need needs neither never next no
    nobody none nor not nothing now of off often on once one ones only onto or other others our ours
    out outside over own per perhaps put puts rather really same seem seems seen several shall she
    should since so some someone something somewhere still such take takes taken than that the
    their theirs them themselves then there these they thing things this those though through
    throughout thus to together too toward towards under underneath until unto up upon us use used
    uses using very via was way ways we were what when where whether which while who whom whose why
    will with within without would yet you your yours yourself

    first second third last two three four five six seven eight nine ten eleven twelve dozen
    hundred hundreds thousand couple pair pairs half double single multiple various different
    numerous lot lots bunch group groups set sets part parts piece pieces kind kinds type types
    amount number numbers total whole

    front back top bottom side sides left right middle center centre end ends edge corner area
    areas place places spot distance background foreground close far ahead apart side-by-side
    horizontally vertically

    big bigger little long large larger small smaller good nice new old great best able appears
    appear apparently shown shows show showing depicted depicts featuring features image images
    photo photos photograph photographs picture pictures pictured scene view views shot closeup
    close-up
"""
STOP_WORDS = frozenset(_STOP_TEXT.split())


def concept_words(
    captions: Iterable[Sequence[str]],
    vocabulary: Vocabulary,
    classes: Iterable[ClassWords],
    *,
    count: int,
) -> tuple[str, ...]:
    """Choose the concept words among those of the vocabulary.

    Args:
        captions: The words of captions and of sentences without pictures.
        vocabulary: The decoder's words.
        classes: Classes whose names are concepts however rare they are.
        count: How many of the most frequent words to take.

    Returns:
        The most frequent content words, the most frequent first, and then names of classes.
    """
    counts = Counter(chain.from_iterable(captions))
    order = sorted(filter(_is_content, vocabulary.words), key=lambda word: (-counts[word], word))
    names = [
        name
        for each in classes
        for name in each.names
        if name in vocabulary and name not in STOP_WORDS
    ]
    return tuple(dict.fromkeys([*order[:count], *names]))


def _is_content(word: str) -> bool:
    """Whether a word is of letters, not very short, and no stop word."""
    is_word = all(part.isalpha() for part in word.split("-"))  # a bracket is -lrb-
    return is_word and len(word) >= FEWEST_LETTERS and word not in STOP_WORDS
