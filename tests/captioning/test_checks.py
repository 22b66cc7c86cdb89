from captioning.checks import check_checkpoint
from tests.tiny import save_tiny_checkpoint


def test_a_sound_checkpoint_passes():
    assert check_checkpoint() == []


def test_a_missing_checkpoint_is_reported_with_a_hint(settings, tmp_path):
    settings.CAPTIONER_CHECKPOINT = tmp_path / "absent"
    [error] = check_checkpoint()
    assert error.id == "captioning.E001"
    assert str(tmp_path / "absent") in error.msg
    assert "CAPTIONER_CHECKPOINT" in error.hint


def test_a_damaged_checkpoint_is_reported_with_a_hint(settings, tmp_path):
    settings.CAPTIONER_CHECKPOINT = save_tiny_checkpoint(tmp_path / "tiny")
    with (tmp_path / "tiny" / "weights.safetensors").open("ab") as weights:
        weights.write(b"\0")
    [error] = check_checkpoint()
    assert error.id == "captioning.E002"
    assert "weights.safetensors" in error.msg
    assert "Restore the directory" in error.hint
