"""System checks: what `runserver`, `migrate` and `check` refuse to go on without."""

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
        hint = "CAPTIONER_CHECKPOINT sets the directory; unset, it is the shipped checkpoint."
        return [Error(str(error), hint=hint, id="captioning.E001")]
    except CheckpointError as error:
        hint = (
            "Restore the directory (`git checkout` brings back the shipped one), "
            "or set CAPTIONER_CHECKPOINT to another."
        )
        return [Error(str(error), hint=hint, id="captioning.E002")]
    return []
