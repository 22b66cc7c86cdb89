"""The README.md of a checkpoint: what the model is, what it learned from, and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytorch.model.captioner import Captioner
from pytorch.model.encoders import ENCODERS, Encoder
from pytorch.model.search import DecodingConfig

TEMPLATE = """\
# {name}

Answers a photograph with one English sentence.

## Model
- Encoder: `{encoder}`, {state}, {grid} x {grid} regions of {channels} channels. Its weights:
  {source}; {licence}.
- Decoder: LSTM, {layers} x {hidden} units, injection `{injection}`, {words} words with
  {embedding}-dimensional embeddings.

## Data
{trained}, tuned on the dev split of `{dataset}` ({images} images). No image of a test split was
used. {terms}

## Scores
On the {split} split, captions generated with {search}:

| {score_names} |
| {rules} |
| {score_values} |

{before}The recipe and the seed are in `metrics.json`.

## Intended use
A first draft of alt text or a caption for everyday photographs, to be read by a person before it
is published. Not for deciding anything about the people in a picture.

## Limits and known failures
- It knows what its data shows; what is rare there is called the nearest thing that is common.{rare}
- It counts poorly, confuses colours of small things, reads no text, and names a gender from
  clothing and hair that it may get wrong, as the people who wrote its captions did.
- Whole pictures are squashed to {size} x {size} pixels: small things are lost.
- It always answers. A word's low probability is the only sign of doubt.
"""


FLICKR = {"flickr8k", "flickr30k"}
RARE_IN_FLICKR = """
  People, dogs, sports and outdoor scenes are common; documents, diagrams, art, food and indoor
  objects are rare."""


def model_card(captioner: Captioner, *, name: str) -> str:
    """Markdown that describes the captioner from its own configuration and metrics.

    `captioner.metrics` is what `run_training` writes.
    """
    encoder, config, metrics = captioner.encoder, captioner.decoder.config, captioner.metrics
    scores: Mapping[str, float] = metrics["scores"]
    recipes: Sequence[Mapping[str, Any]] = metrics["training"]
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
        "terms": " ".join(dict.fromkeys(recipe["terms"] for recipe in recipes)),
        "rare": RARE_IN_FLICKR if {recipe["dataset"] for recipe in recipes} <= FLICKR else "",
        "score_names": " | ".join(scores),
        "rules": " | ".join("---" for _ in scores),
        "score_values": " | ".join(f"{score:.3f}" for score in scores.values()),
        "search": _search(captioner.decoding),
        "before": _before(recipes[-1]),
        "size": encoder.preprocessing.size,
    }
    return TEMPLATE.format_map({**metrics, **facts, **_encoder_weights(encoder)})


def _trained(recipes: Sequence[Mapping[str, Any]]) -> str:
    """What data the model was trained on, one data set after the other."""
    sets = [
        f"`{recipe['dataset']}` ({recipe['train_images']} images"
        f"{', also in a mirror' if recipe['flip'] else ''})"
        for recipe in recipes
    ]
    return f"Trained on the train split of {', and then on that of '.join(dict.fromkeys(sets))}"


def _search(decoding: DecodingConfig) -> str:
    """How captions are searched for: what the scores depend on, besides the weights."""
    text = f"beam size {decoding.beam_size}"
    if decoding.top_p is not None:
        text = (
            f"the most probable of {decoding.beam_size} samples, top-p {decoding.top_p:g}, "
            f"sampling seed {decoding.sampling_seed}"
        )
    if decoding.length_normalization:
        text += f", length normalization {decoding.length_normalization:g}"
    if decoding.no_repeat_ngram:
        text += f", no {decoding.no_repeat_ngram} words in a row twice"
    return text


def _before(recipe: Mapping[str, Any]) -> str:
    """The scores before the last training, where that went on from another checkpoint."""
    if "scores_before" not in recipe:
        return ""
    scores = ", ".join(f"{name} {score:.3f}" for name, score in recipe["scores_before"].items())
    return (
        f"The checkpoint that the last training began with had, on the same images: {scores}.\n\n"
    )


def _encoder_weights(encoder: Encoder) -> dict[str, str]:
    """What the encoder's weights are, where they come from, and under which terms."""
    if encoder.weights_source == "pretrained":
        spec = ENCODERS[encoder.name]
        return {"state": "frozen", "source": spec.source, "licence": spec.licence}
    if encoder.weights_source == "fine-tuned":
        return {
            "state": "partly fine-tuned",
            "source": "trained on together with the decoder, and copied into the checkpoint",
            "licence": "their terms are also those of the weights that this began with",
        }
    return {
        "state": "frozen",
        "source": "from a local file, copied into the checkpoint",
        "licence": "their terms are those of that file",
    }
