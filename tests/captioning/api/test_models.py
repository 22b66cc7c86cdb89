import pytest

from captioning import engine
from tests.captioning.api.calls import problem

pytestmark = pytest.mark.django_db

URL = "/api/v1/models"


def test_the_model_in_use_is_listed_with_its_scores(client):
    [model] = client.get(URL).json()["models"]
    captioner = engine.get_captioner()
    assert (model["name"], model["hash"]) == ("tiny", captioner.config_hash)
    assert (model["dataset"], model["split"]) == ("flickr8k", "dev")
    assert model["scores"] == {"BLEU-4": 0.0123, "CIDEr-D": 0.0456}
    assert model["settings"]["beam_size"] == 2


def test_without_a_checkpoint_there_is_a_problem(client, settings, tmp_path):
    settings.CAPTIONER_CHECKPOINT = tmp_path / "absent"
    response = client.get(URL)
    assert (response.status_code, problem(response)) == (500, "model_unusable")
    assert "Retry-After" not in response.headers
