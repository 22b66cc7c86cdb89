"""Words and their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PAD, START, END, UNKNOWN = "<pad>", "<start>", "<end>", "<unk>"
SPECIAL_TOKENS = (PAD, START, END, UNKNOWN)


class Vocabulary:
    """A fixed list of words; a word's number is its place in the list.

    The special tokens come first, so their numbers are the same in every vocabulary. They are not
    words: where a caption has the text of one, that is an unknown word like any other.

    Args:
        words: All words, beginning with the special tokens.

    Raises:
        ValueError: `words` begins otherwise, or has a word twice.
    """

    pad, start, end, unknown = range(len(SPECIAL_TOKENS))

    def __init__(self, words: Sequence[str]) -> None:
        if tuple(words[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
            raise ValueError(
                f"A vocabulary begins with {' '.join(SPECIAL_TOKENS)}, "
                f"but this one with {' '.join(words[: len(SPECIAL_TOKENS)])!r}."
            )
        self.words = tuple(words)
        word, count = Counter(self.words).most_common(1)[0]
        if count > 1:
            raise ValueError(f"The vocabulary holds the word {word!r} twice.")
        self._numbers = {
            word: number for number, word in enumerate(self.words) if number >= len(SPECIAL_TOKENS)
        }

    @classmethod
    def build(
        cls,
        captions: Iterable[Sequence[str]],
        *,
        min_count: int,
        texts: Iterable[Sequence[str]] = (),
        min_text_count: int = 1,
        always: Iterable[str] = (),
    ) -> Vocabulary:
        """Build the vocabulary of the words that are frequent in tokenized captions.

        The most frequent words come first, equally frequent ones in alphabetical order, so the
        same captions always give the same vocabulary.

        Args:
            captions: Tokenized captions, of the train split only.
            min_count: How often a word must occur in the captions to be included.
            texts: Tokenized sentences without pictures.
            min_text_count: How often a word that is rarer in the captions must occur in captions
                and texts together; words that no text has are not included for it.
            always: Words to include however rare they are.

        Raises:
            ValueError: No word occurs that often.
        """
        counts = Counter(word for caption in captions for word in caption)
        in_texts = Counter(word for text in texts for word in text)
        for token in SPECIAL_TOKENS:
            del counts[token], in_texts[token]
        kept = {word for word, count in counts.items() if count >= min_count}
        if not kept:
            raise ValueError(
                f"No word occurs at least {min_count} times in the captions of the train split; "
                f"the most frequent one occurs {max(counts.values(), default=0)} times. Lower "
                "min_count."
            )
        together = counts + in_texts
        kept |= {word for word in in_texts if together[word] >= min_text_count}
        kept |= set(always)
        return cls([*SPECIAL_TOKENS, *sorted(kept, key=lambda word: (-together[word], word))])

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._numbers

    def encode(self, words: Sequence[str]) -> list[int]:
        """Return the words' numbers between `<start>` and `<end>`; `<unk>` for unknown words."""
        inner = [self._numbers.get(word, self.unknown) for word in words]
        return [self.start, *inner, self.end]

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """Return the words before the first `<end>`, without `<pad>` and `<start>`."""
        words = []
        for number in numbers:
            if number == self.end:
                break
            if number not in (self.pad, self.start):
                words.append(self.words[number])
        return words


@dataclass(frozen=True)
class Coverage:
    """How many of the words in some captions a vocabulary knows.

    Attributes:
        tokens: Words, counted as often as they occur.
        known_tokens: Those that the vocabulary knows.
        types: Different words.
        known_types: Those that the vocabulary knows.
    """

    tokens: int
    known_tokens: int
    types: int
    known_types: int

    @classmethod
    def of(cls, vocabulary: Vocabulary, captions: Iterable[Sequence[str]]) -> Coverage:
        """Compute a vocabulary's coverage of tokenized captions."""
        counts = Counter(word for caption in captions for word in caption)
        known = {word: count for word, count in counts.items() if word in vocabulary}
        return cls(
            tokens=counts.total(),
            known_tokens=sum(known.values()),
            types=len(counts),
            known_types=len(known),
        )
