"""A page of the best, median and worst captions of a split, with what the model looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from PIL import Image, ImageEnhance

from pytorch.evaluation.evaluate import cider_d_of_images
from pytorch.evaluation.html_report import picture, render
from pytorch.evaluation.score_report import ScoreReport
from pytorch.evaluation.split_captions import SplitCaptions
from pytorch.model.captioner import CaptionWord

GROUP_SIZE = 5
OVERLAY_SIZE = 160  # pixels of the longer side
DIMMED = 0.2  # brightness where the model did not look


@dataclass(frozen=True)
class Entry:
    """An image in a gallery.

    Attributes:
        image: The image in RGB.
        name: Its file name.
        sentence: Its caption as a person writes it.
        references: Its reference captions.
        cider_d: The score of the caption, from 0 to 10.
        words: The caption's words; empty for a caption of another system.
    """

    image: Image.Image
    name: str
    sentence: str
    references: tuple[str, ...]
    cider_d: float
    words: tuple[CaptionWord, ...] = ()


def extremes(scores: Sequence[float]) -> dict[str, list[int]]:
    """Return the places of the best, median and worst scores, best first in each group."""
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
    """Make a page of the entries of each group, below the scores of the whole split."""
    words = [word for entries in groups.values() for entry in entries for word in entry.words]
    return render(
        "gallery.html",
        title=title,
        scores=list(report.scores),
        score_values=[f"{score:.3f}" for score in report.scores.values()],
        notes=report.notes,
        has_words=bool(words),
        has_attention=any(word.attention for word in words),
        groups={name: map(card, entries) for name, entries in groups.items()},
    )


def card(entry: Entry) -> Markup:
    """Show an image with its caption, its references and, if known, the words one by one."""
    return render(
        "card.html",
        entry=entry,
        picture=picture(entry.image, entry.sentence),
        words=[(word, _overlay(entry.image, word)) for word in entry.words],
    )


def _overlay(image: Image.Image, word: CaptionWord) -> Markup:
    """Embed the image as the model saw it at a word; nothing without attention."""
    if word.attention is None:
        return Markup()
    overlay = attention_overlay(image, word.attention)
    return picture(overlay, f"where the model looked for “{word.text}”")


def attention_overlay(
    image: Image.Image, attention: Sequence[Sequence[float]], *, longest: int = OVERLAY_SIZE
) -> Image.Image:
    """Make a small copy of an RGB image that is bright where the attention is and dim elsewhere.

    Args:
        image: The image.
        attention: The rows of a grid over the whole image, from top to bottom. Where the weight is
            largest, the image keeps its brightness.
        longest: The longer side of the copy, in pixels.
    """
    small = image.copy()
    small.thumbnail((longest, longest))
    weights = [weight for row in attention for weight in row]
    largest = max(weights) or 1.0
    grid = Image.new("L", (len(attention[0]), len(attention)))
    grid.putdata([round(255 * weight / largest) for weight in weights])
    mask = grid.resize(small.size, Image.Resampling.BICUBIC)
    return Image.composite(small, ImageEnhance.Brightness(small).enhance(DIMMED), mask)
