"""Captions to words as the COCO caption evaluation splits them, and words back to a sentence.

The evaluation tools of COCO (Chen et al., "Microsoft COCO Captions: Data Collection and
Evaluation Server", 2015) run Stanford's PTBTokenizer, lower-case, and drop punctuation. Here
NLTK's Penn Treebank tokenizer does the same without Java, once the text is prepared for what it
would split differently.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nltk.tokenize import TreebankWordTokenizer

# What the COCO tools drop. Their list also has brackets, but as -LRB-, which lower-casing never
# leaves: brackets stay.
PUNCTUATION = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
BRACKETS = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}"}

# Spaces between words that a sentence is written without: before contractions and closing brackets,
# after opening ones.
NO_SPACE = re.compile(r" (?=(?:'(?:s|m|d|re|ve|ll)|n't)(?!\S)|[)\]}])|(?<=[(\[{#$]) ")

# Typographic characters as a keyboard has them; zero-width ones separate words.
TYPOGRAPHIC = str.maketrans(
    dict.fromkeys("\u2018\u2019`", "'")
    | dict.fromkeys("\u201c\u201d\u00ab\u00bb", '"')
    | dict.fromkeys("\u2013\u2014", " -- ")
    | dict.fromkeys("\u200b\ufeff", " ")
    | {"\u2026": " . "}
)

# Words that NLTK would take apart: brackets as `tokenize` itself writes them, and marks such as
# <unk>, which other systems leave in their captions. Characters for private use keep these whole.
WRITTEN_BRACKET = re.compile(r"(?<!\S)-[lr][rsc]b-(?!\S)")
MARK = re.compile(r"<(/?[a-z]\w*)>")
MARK_KEPT_WHOLE = " \ue000\\1\ue001 "
MARK_AGAIN = str.maketrans({"\ue000": "<", "\ue001": ">"})

# Patterns and replacements, in this order, for lower-case text.
REPAIRS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        # 'stop' sign: an opening quote, but not the apostrophe of a shortened word.
        (r"(?<!\S)'(?!(?:s|m|d|re|ve|ll|t|n|em|tis|twas|cause)\b|\d)(?=\w)", "' "),
        (r"(?<='s)-(?=\w)", " "),  # bird's-eye view
        (r"(?<!\S)-(?=[^\W\d])|(?<=\w)-(?!\S)", " "),  # man -on a horse, man- on a horse
        (r"(?<=\w)/(?!\S)", " / "),  # man w/ a hat
        (r"(?<=\d:\d\d)(?=[ap]m\b)", " "),  # 10:30pm
        (r"\.\.+|(?<!\S)\.(?=[^\W\d])", " . "),  # sits..a cat, sits .a cat
        (r"[=*|\\^~]", r" \g<0> "),
        (r"&amp;", "&"),
    ]
]

# A word with a full stop; the lookbehind holds a match to a word's beginning, for linear time.
LAST_WORD = re.compile(r"(?<![\w.'-])[\w.'-]*\.(?!\w)")
# These keep their full stop, wherever in a caption they stand.
ABBREVIATION = re.compile(
    r"(?:[a-z]\.)+"  # u.s., a.m.
    r"|(?:mr|mrs|ms|dr|prof|rev|gen|capt|lt|sgt|ph\.d|jr|sr|st|rd|ave|blvd|mt|ft"
    r"|vs|etc|inc|co|corp|ltd|jan|feb|aug|sept|oct|nov|dec)\."
)


def tokenize(caption: str) -> list[str]:
    """Split a caption into lower-case words without punctuation, as the COCO tools do.

    Contractions are split (`dog 's`, `do n't`) and brackets become `-lrb-` and `-rrb-`. A few
    rare splits differ from Stanford's: repeated marks (`!!`), Internet addresses, emoji,
    currencies, fractions, `No. 5`, `AT&T`, `y'all`, `5'10"`.
    """
    text = " ".join(caption.lower().translate(TYPOGRAPHIC).split())
    text = WRITTEN_BRACKET.sub(lambda match: BRACKETS[match[0]], text)
    text = MARK.sub(MARK_KEPT_WHOLE, text)
    for pattern, replacement in REPAIRS:
        text = pattern.sub(replacement, text)
    text = LAST_WORD.sub(_split_full_stop, text)
    # NLTK splits off the last full stop in any case: with one more, an abbreviation keeps its own.
    tokens = _treebank().tokenize(f"{text} .", convert_parentheses=True)
    return [token.lower().translate(MARK_AGAIN) for token in tokens if token not in PUNCTUATION]


def sentence(words: Sequence[str]) -> str:
    """Join `tokenize`'s words into a sentence to show: capital first letter, full stop.

    Contractions are joined and brackets written as such: `["a", "dog", "'s", "ball"]` becomes
    "A dog's ball." No words give the empty string.
    """
    return "".join(sentence_parts(words))


def sentence_parts(words: Sequence[str]) -> list[str]:
    """Cut `sentence` into what each word is in it: `["A", " dog", "'s", " ball."]`."""
    if not words:
        return []
    text = " ".join(BRACKETS.get(word, word) for word in words)
    # A line break stands for the end of a part; words contain none.
    parts = NO_SPACE.sub("\n", text).replace(" ", "\n ").split("\n")
    parts[0] = parts[0][0].upper() + parts[0][1:]
    if not parts[-1].endswith("."):
        parts[-1] += "."
    return parts


def _split_full_stop(match: re.Match[str]) -> str:
    word = match[0]
    return word if ABBREVIATION.fullmatch(word) else f"{word[:-1]} . "


@cache
def _treebank() -> TreebankWordTokenizer:
    # NLTK is large, and serving shows sentences but never tokenizes: imported when needed.
    from nltk.tokenize import TreebankWordTokenizer  # noqa: PLC0415

    return TreebankWordTokenizer()
