"""A caption as plain data: what is stored, what the page shows, and what the API answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from captioning.engine import Caption

# With the shipped checkpoint, 43% of the words below this are in one of the five references of
# their photograph, and 75% of the others (300 photographs of Flickr8k's dev split, 2764 words).
DOUBTFUL_BELOW = 0.2


def caption_data(caption: Caption) -> dict[str, Any]:
    """Describe a caption in dictionaries, lists, strings and numbers, as JSON has them.

    Each word comes with its part of the sentence (`" dog"`; joined, they are the sentence), its
    runners-up, and its attention weights as rows of the region grid, top to bottom, or None.
    """
    return _sentence_data(caption) | {
        "words": [
            {
                "text": word.text,
                "part": part,
                "probability": word.probability,
                "runners_up": [
                    {"text": text, "probability": probability}
                    for text, probability in word.runners_up
                ],
                "attention": word.attention and [list(row) for row in word.attention],
            }
            for word, part in zip(caption.words, caption.sentence_parts, strict=True)
        ],
        "candidates": [_sentence_data(candidate) for candidate in caption.candidates],
    }


def _sentence_data(caption: Caption) -> dict[str, Any]:
    return {
        "sentence": caption.sentence,
        "text": caption.text,
        "probability": caption.probability,
        "log_probability": caption.log_probability,
    }
