"""Words and their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PAD, START, END, UNKNOWN = "<pad>", "<start>", "<end>", "<unk>"
SPECIAL_TOKENS = (PAD, START, END, UNKNOWN)


class Vocabulary:
    """A fixed list of words; a word's number is its place in the list.

    The special tokens always come first, so their numbers are the same in every vocabulary.
    """

    pad, start, end, unknown = range(len(SPECIAL_TOKENS))

    def __init__(self, words: Sequence[str]) -> None:
        """`words` begins with the special tokens; raises ValueError where it does not."""
        if tuple(words[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
            raise ValueError(
                f"A vocabulary begins with {' '.join(SPECIAL_TOKENS)}, "
                f"this one with {' '.join(words[: len(SPECIAL_TOKENS)])!r}."
            )
        self.words = tuple(words)
        self._numbers = {word: number for number, word in enumerate(self.words)}
        if len(self._numbers) != len(self.words):
            repeated = Counter(self.words).most_common(1)[0][0]
            raise ValueError(f"The vocabulary holds the word {repeated!r} twice.")

    @classmethod
    def build(cls, captions: Iterable[Sequence[str]], *, min_count: int) -> Vocabulary:
        """The words that occur at least `min_count` times in tokenized captions.

        Most frequent first, and in alphabetical order among equals, so that the same captions
        always give the same vocabulary. Pass the captions of the training split only. Raises
        ValueError where no word occurs so often.
        """
        counts = Counter(word for caption in captions for word in caption)
        kept = [word for word, count in counts.items() if count >= min_count]
        if not kept:
            raise ValueError(
                f"No word occurs at least {min_count} times in the captions of the train split, "
                f"and the most frequent one {max(counts.values(), default=0)} times. Lower "
                "min_count."
            )
        return cls([*SPECIAL_TOKENS, *sorted(kept, key=lambda word: (-counts[word], word))])

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._numbers

    def encode(self, words: Sequence[str]) -> list[int]:
        """Numbers of the words between `<start>` and `<end>`; unknown words become `<unk>`."""
        inner = [self._numbers.get(word, self.unknown) for word in words]
        return [self.start, *inner, self.end]

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """Words up to the first `<end>`, without `<pad>` and `<start>`."""
        words = []
        for number in numbers:
            if number == self.end:
                break
            if number not in (self.pad, self.start):
                words.append(self.words[number])
        return words


@dataclass(frozen=True)
class Coverage:
    """How many of the words in some captions are in a vocabulary.

    Tokens are words counted as often as they occur, types are different words.
    """

    tokens: int
    known_tokens: int
    types: int
    known_types: int

    @classmethod
    def of(cls, vocabulary: Vocabulary, captions: Iterable[Sequence[str]]) -> Coverage:
        """The vocabulary's coverage of tokenized captions."""
        counts = Counter(word for caption in captions for word in caption)
        known = {word: count for word, count in counts.items() if word in vocabulary}
        return cls(
            tokens=counts.total(),
            known_tokens=sum(known.values()),
            types=len(counts),
            known_types=len(known),
        )
