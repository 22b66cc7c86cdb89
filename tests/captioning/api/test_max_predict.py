import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from captioning import engine
from captioning.models import Picture
from captioning.uploads import MAX_UPLOAD_BYTES
from tests.captioning.api.calls import program_of

pytestmark = pytest.mark.django_db

URL = "/model/predict"


@pytest.fixture
def client():
    return Client(enforce_csrf_checks=True, headers={"origin": "https://elsewhere.example"})


def predict(client, content, field="image"):
    return client.post(URL, {field: SimpleUploadedFile("photo.jpg", content)})


def message(response, status=400):
    assert response.status_code == status
    data = response.json()
    assert data.keys() == {"status", "message"}
    assert data["status"] == "error"
    return data["message"]


def test_there_are_three_predictions_best_first(client, arrived, coffee_jpeg):
    answer = predict(client, coffee_jpeg)
    assert answer.status_code == 200
    assert answer.json().keys() == {"status", "predictions"}
    assert answer.json()["status"] == "ok"
    predictions = answer.json()["predictions"]
    assert [each["index"] for each in predictions] == ["0", "1", "2"]
    [caption] = engine.caption_photographs([arrived], engine.decoding(beam_size=3))
    best = predictions[0]
    assert best == {"index": "0", "caption": caption.text, "probability": caption.probability}
    probabilities = [each["probability"] for each in predictions]
    assert probabilities == sorted(probabilities, reverse=True)


def test_nothing_is_kept_and_no_cookie_is_given(client, coffee_jpeg):
    assert not predict(client, coffee_jpeg).cookies
    assert not Picture.objects.exists()


def test_a_bad_file_is_an_error(client):
    assert "not a picture that can be read" in message(predict(client, b"broken"))
    assert "larger than 10 MB" in message(predict(client, b"x" * (MAX_UPLOAD_BYTES + 1)))


def test_a_missing_file_is_an_error(client, coffee_jpeg):
    assert "photograph" in message(predict(client, coffee_jpeg, field="file"))


def test_a_body_that_cannot_be_read_is_an_error(client):
    assert message(client.post(URL, "x", content_type="multipart/form-data"))


def test_a_passing_failure_of_the_model_is_tried_again_later(client, coffee_jpeg, monkeypatch):
    def fail(*_, **__):
        raise engine.EngineError("The model is busy.", permanent=False)

    monkeypatch.setattr(engine, "caption_photographs", fail)
    response = predict(client, coffee_jpeg)
    assert message(response, 503) == "The model is busy. Please try again in a minute."
    assert response.headers["Retry-After"] == "60"


def test_without_a_usable_model_the_answer_says_that_trying_again_will_not_help(
    client, coffee_jpeg, settings, tmp_path
):
    settings.CAPTIONER_CHECKPOINT = tmp_path / "absent"
    response = predict(client, coffee_jpeg)
    text = message(response, 500)
    assert "no checkpoint" in text
    assert "Trying again will not help" in text
    assert "Retry-After" not in response.headers


def test_the_setting_asks_for_a_token(client, coffee_jpeg, settings):
    settings.API_ANONYMOUS = False
    assert "token" in message(predict(client, coffee_jpeg), 401)
    assert predict(program_of("alice"), coffee_jpeg).status_code == 200


def test_a_bad_token_is_an_error(coffee_jpeg):
    client = Client(headers={"authorization": "Bearer unknown"})
    assert "unknown" in message(predict(client, coffee_jpeg), 401)
