"""A caption as plain data, as the database stores it, pages show it, and the API sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from captioning.engine import Caption

# On 300 photographs of Flickr8k's dev split (2764 words), the shipped checkpoint's words below this
# probability stand in one of the photograph's five references in 43% of cases, the others in 75%.
DOUBTFUL_BELOW = 0.2


def caption_data(caption: Caption) -> dict[str, Any]:
    """Convert a caption to dictionaries, lists, strings and numbers, which JSON can hold.

    Args:
        caption: The caption, with its other candidates.

    Returns:
        `sentence`, `text`, `probability` and `log_probability` of the caption; `candidates` with
        the same keys each; `confidence`, which may be None; `tags`, each with `word` and `score`;
        and `words`. A word has its `text`, its `part` of the sentence (such as `" dog"`; joined,
        the parts are the sentence), `probability`, `runners_up`, and `attention`: weights as rows
        of the region grid from top to bottom, or None. Captions that were stored before there were
        tags have neither `tags` nor `confidence`.
    """
    return _sentence_data(caption) | {
        "confidence": caption.confidence,
        "tags": [{"word": tag.word, "score": tag.score} for tag in caption.tags],
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
