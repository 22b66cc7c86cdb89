import pytest
from django.test import Client
from PIL import Image

from captioning import engine
from captioning.caption_data import caption_data
from captioning.engine import EngineError
from captioning.models import Picture, StoredCaption
from tests.captioning.api.calls import CAPTIONS, problem, program_of, send, send_json
from tests.captioning.library.kept import kept_files, without_files
from tests.captioning.pictures import PDF, decoded, difference, encoded

pytestmark = pytest.mark.django_db


@pytest.fixture
def program():
    return program_of("alice")


@pytest.fixture
def picture(program, coffee_jpeg):
    send(program, coffee_jpeg)
    return Picture.objects.get()


def url(picture, rest=""):
    return f"{CAPTIONS}/{picture.pk}{rest}"


def patch(client, picture, data):
    return client.patch(url(picture), data, content_type="application/json")


@pytest.mark.parametrize("sending", [send, send_json])
def test_a_photograph_is_captioned_and_kept(program, arrived, coffee_jpeg, sending):
    [result] = sending(program, coffee_jpeg).json()["results"]
    picture = Picture.objects.get(owner__account__username="alice")
    [caption] = engine.caption_photographs([arrived])
    assert result["caption"]["sentence"] == caption.sentence
    assert result["caption"] == picture.caption.data
    assert (result["name"], result["id"], result["problem"]) == ("a.jpg", picture.pk, None)
    assert picture.original.read() == coffee_jpeg


def test_a_caption_has_its_tags_and_confidence(program, coffee_jpeg, tagging):
    tagging(0.8, cup=0.9)
    [result] = send(program, coffee_jpeg).json()["results"]
    assert result["caption"]["confidence"] == 0.8
    assert result["caption"]["tags"] == [
        {"word": "cup", "score": 0.9},
    ]


def test_a_caption_of_before_there_were_tags_has_none(program, picture):
    stored = picture.caption
    del stored.data["tags"], stored.data["confidence"]
    stored.save()
    caption = program.get(url(picture)).json()["caption"]
    assert (caption["tags"], caption["confidence"]) == ([], None)


@pytest.mark.parametrize("sending", [send, send_json])
def test_nothing_is_kept_without_keep(program, coffee_jpeg, sending):
    [result] = sending(program, coffee_jpeg, keep=False).json()["results"]
    assert result["caption"]["words"]
    assert result["id"] is None
    assert not Picture.objects.exists()
    assert kept_files() == []


@pytest.mark.parametrize("sending", [send, send_json])
def test_the_options_are_those_of_the_page(program, arrived, coffee_jpeg, sending):
    options = {"beam_size": 4, "candidates": 3}
    [result] = sending(program, coffee_jpeg, **options).json()["results"]
    [caption] = engine.caption_photographs([arrived], engine.decoding(beam_size=4), candidates=3)
    assert result["caption"]["candidates"] == caption_data(caption)["candidates"]
    assert len(result["caption"]["candidates"]) == 2


@pytest.mark.parametrize("sending", [send, send_json])
def test_creative_samples_with_the_pages_defaults(program, coffee_jpeg, sending):
    sending(program, coffee_jpeg, creative=True)
    asked = StoredCaption.objects.get().settings
    assert (asked["top_p"], asked["sampling_seed"]) == (0.9, 0)


@pytest.mark.parametrize("sending", [send, send_json])
def test_the_caption_says_the_words_it_must_and_none_that_it_must_not(
    program, coffee_jpeg, sending
):
    words = {"must_say": ["snow", "Dog|cat"], "must_not_say": ["the", "zebra"]}
    [result] = sending(program, coffee_jpeg, **words).json()["results"]
    said = set(result["caption"]["text"].split())
    assert "snow" in said
    assert said & {"dog", "cat"}
    assert "the" not in said
    settings = program.get(f"{CAPTIONS}/{result['id']}").json()["settings"]
    assert settings["must_say"] == ["snow", "dog|cat"]
    assert settings["must_not_say"] == ["the", "zebra"]
    [plain] = sending(program, coffee_jpeg).json()["results"]
    assert plain["caption"] != result["caption"]
    assert "must_say" not in program.get(f"{CAPTIONS}/{plain['id']}").json()["settings"]


def test_an_empty_field_of_a_form_is_left_to_the_model(program, coffee_jpeg):
    assert send(program, coffee_jpeg, beam_size="", top_p="").status_code == 200


def test_each_of_several_photographs_has_its_own_result(program, coffee_jpeg):
    results = send(program, coffee_jpeg, b"broken", coffee_jpeg).json()["results"]
    assert [each["name"] for each in results] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [each["problem"] and each["problem"]["code"] for each in results] == [
        None,
        "photograph_unreadable",
        None,
    ]
    assert results[1]["caption"] is None
    assert results[0]["id"] == results[2]["id"] == Picture.objects.get().pk


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (PDF, "photograph_unsupported_format", "PDF files are not accepted"),
        (b"broken", "photograph_unreadable", "not a picture that can be read"),
        (b"", "photograph_empty", "empty"),
    ],
)
@pytest.mark.parametrize("sending", [send, send_json])
def test_a_single_bad_file_is_a_problem_in_the_words_of_the_page(
    program, sending, content, code, words
):
    response = sending(program, content)
    assert response.status_code == 400
    assert problem(response) == code
    assert words in response.json()["detail"]


@pytest.mark.parametrize("number", [0, 21])
@pytest.mark.parametrize("sending", [send, send_json])
def test_the_number_of_photographs_is_limited(program, sending, number):
    response = sending(program, *[b"x"] * number)
    assert (response.status_code, problem(response)) == (422, "invalid_parameters")
    assert response.json()["errors"][0]["pointer"] == "/photographs"


def test_a_passing_failure_of_the_engine_says_when_to_try_again(program, coffee_jpeg, monkeypatch):
    def fail(*_, **__):
        raise EngineError("The model is busy.", permanent=False)

    monkeypatch.setattr(engine, "caption_photographs", fail)
    response = send(program, coffee_jpeg)
    assert (response.status_code, problem(response)) == (503, "model_unavailable")
    assert response.json()["detail"] == "The model is busy. Please try again in a minute."
    assert response.headers["Retry-After"] == "60"
    assert not Picture.objects.exists()


def test_without_a_usable_model_the_answer_says_that_trying_again_will_not_help(
    program, coffee_jpeg, settings, tmp_path
):
    settings.CAPTIONER_CHECKPOINT = tmp_path / "absent"
    response = send(program, coffee_jpeg)
    assert (response.status_code, problem(response)) == (500, "model_unusable")
    assert "There is no checkpoint" in response.json()["detail"]
    assert "Trying again will not help" in response.json()["detail"]
    assert "Retry-After" not in response.headers
    assert not Picture.objects.exists()


def test_pictures_are_listed_newest_first_and_in_pages(program, picture, coffee):
    for side in (40, 50):
        send(program, encoded_square(coffee, side))
    everything = program.get(CAPTIONS).json()
    assert (everything["count"], everything["page"], everything["page_size"]) == (3, 1, 24)
    assert [each["width"] for each in everything["results"]] == [50, 40, 600]
    second = program.get(CAPTIONS, {"page": 2, "page_size": 2}).json()
    assert [each["id"] for each in second["results"]] == [picture.pk]
    assert program.get(CAPTIONS, {"page": 9}).json()["results"] == []


@pytest.mark.parametrize("address", [CAPTIONS, f"{CAPTIONS}?q=copy"])
def test_more_pictures_take_no_more_queries(program, picture, count_queries, address):
    program.get(address)  # records the token's use, once a minute
    without_files(picture.owner, "A copy.")
    before = count_queries(program, address)
    for _ in range(10):
        without_files(picture.owner, "A copy.")
    assert count_queries(program, address) == before


def encoded_square(image, side):
    return encoded(image.resize((side, side)), "PNG")


def test_pictures_are_searched(program, picture):
    patch(program, picture, {"correction": "Dogs running in the snow"})
    found = program.get(CAPTIONS, {"q": "dog runs"}).json()
    assert [each["description"] for each in found["results"]] == ["Dogs running in the snow"]
    assert program.get(CAPTIONS, {"q": "cat"}).json()["count"] == 0


def test_the_search_finds_tags(program, coffee_jpeg, tagging):
    tagging(cup=0.9)
    send(program, coffee_jpeg)
    assert [program.get(CAPTIONS, {"q": q}).json()["count"] for q in ("cups", "cat")] == [1, 0]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [({"page": 0}, "/page"), ({"page_size": 101}, "/page_size"), ({"q": "x" * 201}, "/q")],
)
def test_a_query_out_of_bounds_is_refused(program, query, pointer):
    response = program.get(CAPTIONS, query)
    assert problem(response) == "invalid_parameters"
    [error] = response.json()["errors"]
    assert (error["location"], error["pointer"]) == ("query", pointer)


def test_a_picture_is_read_with_its_whole_caption(program, picture):
    read = program.get(url(picture)).json()
    assert read["caption"] == picture.caption.data
    assert read["model"] == "tiny"
    assert read["settings"]["beam_size"] == 2
    assert (read["width"], read["height"], read["name"]) == (600, 400, "a.jpg")


def test_a_correction_stands_beside_the_caption_and_can_be_removed(program, picture):
    corrected = patch(program, picture, {"correction": " My  cup "}).json()
    assert (corrected["correction"], corrected["description"]) == ("My cup", "My cup")
    assert corrected["sentence"] == picture.sentence
    undone = patch(program, picture, {"correction": ""}).json()
    assert undone["description"] == picture.sentence


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({"correction": "x" * 1001}, "/correction"),
        ({"correction": 1}, "/correction"),
        ({}, "/correction"),
        ({"correction": "x", "sentence": "y"}, "/sentence"),
    ],
)
def test_a_correction_that_does_not_fit_is_refused(program, picture, data, pointer):
    response = patch(program, picture, data)
    assert problem(response) == "invalid_parameters"
    assert response.json()["errors"][0]["pointer"] == pointer


def test_a_deleted_picture_is_gone_with_its_files(
    program, picture, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        response = program.delete(url(picture))
    assert (response.status_code, response.content) == (204, b"")
    assert problem(program.get(url(picture))) == "not_found"
    assert kept_files() == []


def test_attention_is_drawn_on_the_picture_for_each_word(program, picture, coffee):
    caption = picture.caption
    for number, attention in enumerate(([[1, 0], [0, 0]], [[0, 0], [0, 1]])):
        caption.data["words"][number]["attention"] = attention
    caption.save()
    first, second = (
        decoded(program.get(url(picture, f"/attention/{number}.png")).content) for number in (0, 1)
    )
    assert (first.format, first.size) == ("PNG", (600, 400))
    left, right = (0, 0, 60, 40), (540, 360, 600, 400)
    assert difference(first.crop(left), coffee.crop(left)) < 8
    assert difference(second.crop(right), coffee.crop(right)) < 8
    for image, dark in ((first, right), (second, left)):
        assert difference(image.crop(dark), Image.new("RGB", (60, 40))) < 30


def test_there_is_no_attention_beyond_the_last_word(program, picture):
    number = len(picture.caption.data["words"])
    response = program.get(url(picture, f"/attention/{number}.png"))
    assert (response.status_code, problem(response)) == (404, "no_such_word")


def test_a_model_without_attention_has_none_to_draw(program, switch_checkpoint, coffee_jpeg):
    switch_checkpoint()
    send(program, coffee_jpeg)
    response = program.get(url(Picture.objects.get(), "/attention/0.png"))
    assert (response.status_code, problem(response)) == (404, "no_attention")


def test_no_cache_stores_a_response(program, picture):
    for address in (CAPTIONS, url(picture), url(picture, "/attention/0.png")):
        assert "no-store" in program.get(address).headers["Cache-Control"]


@pytest.mark.parametrize("other", [lambda: program_of("mallory"), Client])
def test_only_its_owner_can_reach_a_picture(picture, other):
    client = other()
    answers = [
        client.get(url(picture)),
        client.get(url(picture, "/attention/0.png")),
        patch(client, picture, {"correction": "Mine"}),
        client.delete(url(picture)),
    ]
    assert [problem(answer) for answer in answers] == ["not_found"] * 4
    assert client.get(CAPTIONS).json()["count"] == 0
    assert Picture.objects.get().correction == ""
