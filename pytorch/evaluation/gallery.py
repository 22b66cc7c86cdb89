"""The best, median and worst captions of a split as one HTML page, with where the model looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageEnhance

from pytorch.evaluation.evaluate import cider_d_of_images
from pytorch.evaluation.html_report import (
    Html,
    bullets,
    element,
    page,
    paragraph,
    picture,
    section,
    table,
    text,
)
from pytorch.evaluation.score_report import ScoreReport
from pytorch.evaluation.split_captions import SplitCaptions
from pytorch.model.captioner import CaptionWord

GROUP_SIZE = 5
OVERLAY_SIZE = 160  # pixels of the longer side
DIMMED = 0.2  # brightness of what the model did not look at

RANKING = "Captions are ranked by the CIDEr-D of their image."
PROBABILITIES = " Below each word is the probability that the model gave it."
ATTENTION = (
    " Above it the photograph is bright where the model looked; all bright means that it looked "
    "everywhere alike."
)


@dataclass(frozen=True)
class Entry:
    """One image of a gallery; `words` is empty where a caption came from elsewhere."""

    image: Image.Image
    name: str
    sentence: str
    references: tuple[str, ...]
    cider_d: float
    words: tuple[CaptionWord, ...] = ()


def extremes(scores: Sequence[float]) -> dict[str, list[int]]:
    """Places of the best, median and worst scores, best first in each group."""
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    size = max(1, min(GROUP_SIZE, len(order) // 3))
    middle = (len(order) - size) // 2
    return {
        "Best": order[:size],
        "Median": order[middle : middle + size],
        "Worst": order[-size:],
    }


def draw_gallery(captioned: SplitCaptions, report: ScoreReport) -> str:
    """Draw the best, median and worst captions of a split.

    Returns:
        The page, as HTML.

    Raises:
        ImageError: An image can no longer be read.
    """
    examples = captioned.examples
    scores = cider_d_of_images(captioned.captions, examples)
    groups = {}
    for name, rows in extremes(scores).items():
        detailed = captioned.word_by_word(rows) if captioned.word_by_word else [None] * len(rows)
        groups[name] = [
            Entry(
                image=captioned.dataset.images.open(examples[row].image),
                name=examples[row].image,
                sentence=caption.sentence if caption else captioned.captions[row],
                references=examples[row].captions,
                cider_d=scores[row],
                words=caption.words if caption else (),
            )
            for row, caption in zip(rows, detailed, strict=True)
        ]
    title = f"Captions of {captioned.name} for {captioned.dataset.name} {captioned.split}"
    return gallery_page(title, groups, report)


def gallery_page(title: str, groups: Mapping[str, Sequence[Entry]], report: ScoreReport) -> str:
    """A page of the entries of each group, below the scores of the whole split."""
    scores = report.scores
    words = [word for entries in groups.values() for entry in entries for word in entry.words]
    how_to_read = RANKING + PROBABILITIES * bool(words)
    if any(word.attention for word in words):
        how_to_read += ATTENTION
    parts = [
        table(list(scores), [[f"{score:.3f}" for score in scores.values()]]),
        *(paragraph(f"{name}: {note}", class_="note") for name, note in report.notes.items()),
        paragraph(how_to_read, class_="note"),
    ]
    parts += [section(name, *map(card, entries)) for name, entries in groups.items()]
    return page(title, *parts)


def card(entry: Entry) -> Html:
    """An image with its caption, its references and, if known, the words one by one."""
    parts = [
        picture(entry.image, entry.sentence),
        description(entry.sentence, entry.name, entry.references, cider_d=entry.cider_d),
    ]
    if entry.words:
        words = (_word(entry.image, word) for word in entry.words)
        parts.append(element("ol", *words, class_="words"))
    return element("article", *parts, class_="card")


def description(caption: str, name: str, references: Sequence[str], *, cider_d: float) -> Html:
    """A caption with its score, the image's name and its references, to stand beside the image."""
    return element(
        "div",
        paragraph(caption, class_="caption"),
        paragraph(f"CIDEr-D {cider_d:.2f} · {name}", class_="note"),
        bullets(references, class_="references"),
    )


def attention_overlay(
    image: Image.Image, attention: Sequence[Sequence[float]], *, longest: int = OVERLAY_SIZE
) -> Image.Image:
    """A small copy of an RGB image, bright where the attention is and dim elsewhere.

    `attention` is the rows of a grid over the whole image, top to bottom. Its largest weight shows
    the photograph as it is.
    """
    small = image.copy()
    small.thumbnail((longest, longest))
    weights = [weight for row in attention for weight in row]
    largest = max(weights) or 1.0
    grid = Image.new("L", (len(attention[0]), len(attention)))
    grid.putdata([round(255 * weight / largest) for weight in weights])
    mask = grid.resize(small.size, Image.Resampling.BICUBIC)
    return Image.composite(small, ImageEnhance.Brightness(small).enhance(DIMMED), mask)


def _word(image: Image.Image, word: CaptionWord) -> Html:
    parts = [
        element("span", text(word.text)),
        element("span", text(f"{100 * word.probability:.0f} %")),
    ]
    if word.attention is not None:
        overlay = attention_overlay(image, word.attention)
        parts.insert(0, picture(overlay, f"where the model looked for “{word.text}”"))
    return element("li", *parts)
