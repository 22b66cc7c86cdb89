"""The view `model_card`."""

URL = "/model"


def test_the_model_card_is_shown_as_a_page(client):
    response = client.get(URL)
    assert response.status_code == 200
    assert "<h1>A random model</h1>" in response.text


def test_a_missing_model_card_is_explained(client, tiny_checkpoint):
    card = tiny_checkpoint / "README.md"
    moved = card.rename(card.with_suffix(".txt"))
    response = client.get(URL)
    moved.rename(card)
    assert response.status_code == 404
    assert "This model has no model card: README.md is missing" in response.text


def test_other_methods_are_refused(client):
    assert client.post(URL).status_code == 405
