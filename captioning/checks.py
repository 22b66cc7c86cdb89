"""System checks, which `runserver`, `migrate` and `check` run first."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register

from captioning.engine import CheckpointError, CheckpointMissingError, verify_checkpoint


@register()
def check_checkpoint(**_: Any) -> list[CheckMessage]:
    """Report a missing (captioning.E001) or damaged (captioning.E002) checkpoint."""
    try:
        verify_checkpoint()
    except CheckpointMissingError as error:
        hint = "Set CAPTIONER_CHECKPOINT to a checkpoint, or unset it to use the shipped one."
        return [Error(str(error), hint=hint, id="captioning.E001")]
    except CheckpointError as error:
        hint = (
            "Restore the directory (`git checkout` restores the shipped one), "
            "or set CAPTIONER_CHECKPOINT to another checkpoint."
        )
        return [Error(str(error), hint=hint, id="captioning.E002")]
    return []
