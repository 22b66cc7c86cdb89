"""Split captions into words as the COCO caption evaluation does, and join words to sentences.

The evaluation tools of COCO (Chen et al., "Microsoft COCO Captions: Data Collection and
Evaluation Server", 2015) run Stanford's PTBTokenizer, lower-case the result and drop punctuation.
NLTK's Penn Treebank tokenizer does almost the same without Java; the text is rewritten first where
it would split differently.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nltk.tokenize import TreebankWordTokenizer

# Tokens that the COCO tools drop. Their list also has brackets, but in capitals (-LRB-), which
# lower-cased captions never contain: brackets stay.
PUNCTUATION = frozenset(["''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"])
BRACKETS = {"-lrb-": "(", "-rrb-": ")", "-lsb-": "[", "-rsb-": "]", "-lcb-": "{", "-rcb-": "}"}

# Spaces between words that a sentence omits: before contractions and closing brackets, and after
# opening ones.
NO_SPACE = re.compile(r" (?=(?:'(?:s|m|d|re|ve|ll)|n't)(?!\S)|[)\]}])|(?<=[(\[{#$]) ")

# Typographic characters and what a keyboard types for them; zero-width ones separate words.
TYPOGRAPHIC = str.maketrans(
    dict.fromkeys("\u2018\u2019`", "'")
    | dict.fromkeys("\u201c\u201d\u00ab\u00bb", '"')
    | dict.fromkeys("\u2013\u2014", " -- ")
    | dict.fromkeys("\u200b\ufeff", " ")
    | {"\u2026": " . "}
)

# Words that NLTK would split: brackets as `tokenize` writes them, and marks such as <unk>, which
# other systems leave in their captions. Private-use characters keep the marks together.
WRITTEN_BRACKET = re.compile(r"(?<!\S)-[lr][rsc]b-(?!\S)")
MARK = re.compile(r"<(/?[a-z]\w*)>")
PROTECTED_MARK = " \ue000\\1\ue001 "
RESTORED_MARK = str.maketrans({"\ue000": "<", "\ue001": ">"})

# Patterns and their replacements in lower-case text, applied in this order.
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

# A word with a full stop. The lookbehind lets a match begin only where a word does, which keeps
# the time linear.
LAST_WORD = re.compile(r"(?<![\w.'-])[\w.'-]*\.(?!\w)")
# These keep their full stop anywhere in a caption.
ABBREVIATION = re.compile(
    r"(?:[a-z]\.)+"  # u.s., a.m.
    r"|(?:mr|mrs|ms|dr|prof|rev|gen|capt|lt|sgt|ph\.d|jr|sr|st|rd|ave|blvd|mt|ft"
    r"|vs|etc|inc|co|corp|ltd|jan|feb|aug|sept|oct|nov|dec)\."
)

# What most captions are: plain words with commas and a last full stop. They need no more than a
# split, which is twenty times as fast as all that follows.
PLAIN = re.compile(r"(?:[a-z]++(?:-[a-z]++)*+[ ,]*+)*+\.?")
# Words that NLTK splits in two.
FUSED = re.compile(r"\b(?:cannot|gimme|gonna|gotta|lemme|wanna)\b")


def tokenize(caption: str) -> list[str]:
    """Split a caption into lower-case words without punctuation, as the COCO tools do.

    Contractions are split (`dog 's`, `do n't`), and brackets become `-lrb-` and `-rrb-`. A few
    rare cases are split differently from Stanford's tokenizer: repeated marks (`!!`), Internet
    addresses, emoji, currencies, fractions, `No. 5`, `AT&T`, `y'all` and `5'10"`.
    """
    text = caption.lower().strip()
    if PLAIN.fullmatch(text) and not FUSED.search(text):
        words = text.rstrip(".").replace(",", " ").split()
        if words and not ABBREVIATION.fullmatch(f"{words[-1]}."):
            return words
    return _tokenize_any(text)


def _tokenize_any(text: str) -> list[str]:
    """Split a lower-case caption of any form."""
    text = " ".join(text.translate(TYPOGRAPHIC).split())
    text = WRITTEN_BRACKET.sub(lambda match: BRACKETS[match[0]], text)
    text = MARK.sub(PROTECTED_MARK, text)
    for pattern, replacement in REPAIRS:
        text = pattern.sub(replacement, text)
    text = LAST_WORD.sub(_split_full_stop, text)
    # NLTK always splits off the last full stop. With an extra one, a last abbreviation keeps its
    # own.
    tokens = _treebank().tokenize(f"{text} .", convert_parentheses=True)
    return [token.lower().translate(RESTORED_MARK) for token in tokens if token not in PUNCTUATION]


def sentence(words: Sequence[str]) -> str:
    """Join words from `tokenize` into a sentence with a capital letter and a full stop.

    Contractions are joined, and brackets become characters again: `["a", "dog", "'s", "ball"]`
    becomes "A dog's ball." No words give an empty string.
    """
    return "".join(sentence_parts(words))


def sentence_parts(words: Sequence[str]) -> list[str]:
    """Split `sentence` into one part for each word: `["A", " dog", "'s", " ball."]`."""
    if not words:
        return []
    text = " ".join(BRACKETS.get(word, word) for word in words)
    # Words contain no line breaks, so one can mark the end of a part.
    parts = NO_SPACE.sub("\n", text).replace(" ", "\n ").split("\n")
    parts[0] = parts[0][0].upper() + parts[0][1:]
    if not parts[-1].endswith("."):
        parts[-1] += "."
    return parts


def _split_full_stop(match: re.Match[str]) -> str:
    """Separate a word from its full stop, unless it is an abbreviation."""
    word = match[0]
    return word if ABBREVIATION.fullmatch(word) else f"{word[:-1]} . "


@cache
def _treebank() -> TreebankWordTokenizer:
    # Imported only here: NLTK is large, and serving never tokenizes.
    from nltk.tokenize import TreebankWordTokenizer  # noqa: PLC0415

    return TreebankWordTokenizer()
