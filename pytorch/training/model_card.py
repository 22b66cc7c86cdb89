"""The README.md of a checkpoint: what the model is, what it learned from, and its limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytorch.model.captioner import Captioner
from pytorch.model.confidence import GUESSING
from pytorch.model.decoding import DecodingConfig
from pytorch.model.encoders import ENCODERS, Encoder
from pytorch.training.confidence_card import confidence_section, markdown_table
from pytorch.training.recipe import recipe_datasets

TEMPLATE = """\
# {name}

Captions a photograph with one English sentence.

## Model
- Encoder: `{encoder}`, {state}, {grid} x {grid} regions of {channels} channels. Its weights:
  {source}; {licence}.
- Decoder: LSTM, {layers} x {hidden} units, injection `{injection}`, {words} words with
  {embedding}-dimensional embeddings.

## Data
{trained},
and tuned on {tuned}. No image of a test split was used.
{terms}

## Scores
On the {split} split, with {decoding}:

{score_table}

{naming}{before}`metrics.json` has the recipe and the seed.

{confidence}## Intended use
A first draft of the alt text or caption of an everyday photograph, which a person reads before it
is published. Not for decisions about the people in a picture.

## Limits and known failures
- It knows what its data shows, and mistakes rare things for common ones.{rare}
- It counts poorly, confuses the colours of small things, and reads no text. Like the people who
  wrote its captions, it infers gender from clothing and hair, and may be wrong.
- Pictures are squashed to {size} x {size} pixels, so small things are lost.
- It always gives a caption. {doubt}
"""

ONLY_DOUBT = "The only sign of doubt is a word's low probability."
DOUBT = f"With a confidence below {GUESSING:g} it is to be read as a guess."


FLICKR = {"flickr8k", "flickr30k"}
RARE_IN_FLICKR = """
  People, dogs, sports and outdoor scenes are common; documents, diagrams, art, food and indoor
  objects are rare."""


def model_card(captioner: Captioner, *, name: str) -> str:
    """The card of a captioner as Markdown.

    Args:
        captioner: The captioner; its `metrics` are those of `checkpoint_metrics`.
        name: The name of the checkpoint.
    """
    encoder, config, metrics = captioner.encoder, captioner.decoder.config, captioner.metrics
    recipes: Sequence[Mapping[str, Any]] = metrics["training"]
    datasets = [dataset for recipe in recipes for dataset in recipe_datasets(recipe)]
    facts: dict[str, Any] = {
        "name": name,
        "encoder": encoder.name,
        "grid": encoder.grid_size,
        "channels": encoder.channels,
        "layers": config.layers,
        "hidden": config.hidden_size,
        "injection": config.injection,
        "embedding": config.embedding_size,
        "words": len(captioner.vocabulary),
        "trained": _trained(recipes),
        "tuned": _tuned(metrics),
        "terms": " ".join(dict.fromkeys(dataset["terms"] for dataset in datasets)),
        "rare": RARE_IN_FLICKR if {dataset["dataset"] for dataset in datasets} <= FLICKR else "",
        "score_table": _score_table(metrics),
        "decoding": _decoding(captioner.decoding),
        "naming": _naming(metrics),
        "before": _before(recipes[-1]),
        "confidence": confidence_section(metrics),
        "doubt": ONLY_DOUBT if captioner.confidence is None else DOUBT,
        "size": encoder.preprocessing.size,
    }
    return TEMPLATE.format_map({**metrics, **facts, **_encoder_weights(encoder)})


def _trained(recipes: Sequence[Mapping[str, Any]]) -> str:
    """A sentence on the data sets that the model was trained on, one after the other."""
    trainings = dict.fromkeys(
        _joined(_described(dataset, flip=recipe["flip"]) for dataset in recipe_datasets(recipe))
        for recipe in recipes
    )
    return f"Trained on {', then on '.join(trainings)}"


def _described(dataset: Mapping[str, Any], *, flip: bool) -> str:
    """What a training saw of one data set."""
    weight = "" if dataset.get("weight", 1) == 1 else f", weight {dataset['weight']:g}"
    if "train_sentences" in dataset:
        count = f"{dataset['train_sentences']:,} sentences without pictures"
        return f"`{dataset['dataset']}` ({count}{weight})"
    mirrored = ", and their mirror images" if flip else ""
    count = f"{dataset['train_images']} images{mirrored}"
    return f"the train split of `{dataset['dataset']}` ({count}{weight})"


def _dev(metrics: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The images and scores of each dev split; there was a single one in older checkpoints."""
    dev: Mapping[str, Mapping[str, Any]] = metrics.get("dev") or {
        metrics["dataset"]: {"images": metrics["images"], "scores": metrics["scores"]}
    }
    return dev


def _tuned(metrics: Mapping[str, Any]) -> str:
    return _joined(
        f"the dev split of `{name}` ({own['images']} images)" for name, own in _dev(metrics).items()
    )


def _score_table(metrics: Mapping[str, Any]) -> str:
    """A line of scores for each dev split, named if there are several."""
    dev, names = _dev(metrics), list(metrics["scores"])
    rows = [[f"{own['scores'][name]:.3f}" for name in names] for own in dev.values()]
    if len(dev) > 1:
        names = ["data set", *names]
        rows = [[f"`{dataset}`", *row] for dataset, row in zip(dev, rows, strict=True)]
    return markdown_table([names, *rows])


def _joined(parts: Iterable[str]) -> str:
    """The parts as a list in a sentence."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _decoding(decoding: DecodingConfig) -> str:
    """How the captions that were scored were generated."""
    text = f"beam size {decoding.beam_size}"
    if decoding.top_p is not None:
        text = (
            f"the most probable of {decoding.beam_size} samples, top-p {decoding.top_p:g}, "
            f"sampling seed {decoding.sampling_seed}"
        )
    if decoding.length_normalization:
        text += f", length normalization {decoding.length_normalization:g}"
    if decoding.no_repeat_ngram:
        text += f", no repeated {decoding.no_repeat_ngram}-grams"
    if decoding.grammar_rules:
        text += ", grammar rules"
    if decoding.name_above is not None:
        text += f", naming what is more probable than {decoding.name_above:g}"
    if decoding.no_people_below is not None:
        text += f", no people where they are less probable than {decoding.no_people_below:g}"
    if decoding.gender_above is not None:
        text += f", a gender only where it is more probable than {decoding.gender_above:g}"
    return text


def _naming(metrics: Mapping[str, Any]) -> str:
    """A paragraph on how captions name what pictures show, if it was measured."""
    if (naming := metrics.get("naming")) is None:
        return ""
    return (
        f"Of the captions of {naming['images']} pictures of one thing each, {naming['named']:.0%} "
        f"name it, and {naming['people']:.0%} say people though no name of the thing does.\n\n"
    )


def _before(recipe: Mapping[str, Any]) -> str:
    """A paragraph on the checkpoint that the last training continued, if it did."""
    if "scores_before" not in recipe:
        return ""
    scores = ", ".join(f"{name} {score:.3f}" for name, score in recipe["scores_before"].items())
    return f"The checkpoint that was trained further scored, on the same images: {scores}.\n\n"


def _encoder_weights(encoder: Encoder) -> dict[str, str]:
    """Whether the encoder's weights were trained, their source and their licence."""
    if encoder.weights_source == "pretrained":
        spec = ENCODERS[encoder.name]
        return {"state": "frozen", "source": spec.source, "licence": spec.licence}
    if encoder.weights_source == "tuned":
        return {
            "state": "tuned before the decoder was trained",
            "source": "the last layers learned words of captions, and are copied into the "
            "checkpoint",
            "licence": "the terms of the original weights apply to them too",
        }
    if encoder.weights_source == "fine-tuned":
        return {
            "state": "partly fine-tuned",
            "source": "fine-tuned with the decoder, and copied into the checkpoint",
            "licence": "the terms of the original weights apply to them too",
        }
    return {
        "state": "frozen",
        "source": "from a local file, copied into the checkpoint",
        "licence": "the terms of that file apply",
    }
