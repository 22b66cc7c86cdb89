"""The decoding options of commands that caption with a checkpoint."""

from __future__ import annotations

import dataclasses
from typing import Any

from pytorch.model.captioner import Captioner
from pytorch.model.decoding import DecodingConfig
from pytorch.model.options import options_of

DECODING = options_of(DecodingConfig)


def chosen_decoding(captioner: Captioner, options: dict[str, Any]) -> DecodingConfig:
    """The captioner's search settings, replaced by those that the options give.

    Raises:
        ValueError: A number is out of range.
    """
    values = {option.name: options[option.name] for option in DECODING}
    given = {name: value for name, value in values.items() if value is not None}
    return dataclasses.replace(captioner.decoding, **given)
