import csv
import io
import json
import zipfile

import pytest

from captioning.library import services
from captioning.library.exports import COLUMNS, csv_rows, described_files, json_rows, zip_parts
from captioning.metadata import described, description_of, keywords_of, xmp
from captioning.models import Picture
from tests.captioning.library.kept import keep, kept_files, visitor, without_files
from tests.captioning.pictures import decoded, encoded

pytestmark = pytest.mark.django_db


def everything():
    return Picture.objects.all()


def table():
    return list(csv.DictReader(io.StringIO("".join(csv_rows(everything())), newline="")))


def archive():
    return zipfile.ZipFile(io.BytesIO(b"".join(zip_parts(described_files(everything())))))


def test_a_table_has_everything_about_a_picture(picture):
    services.correct(picture, "Coffee, with “foam”.")
    text = "".join(csv_rows(everything()))
    assert text.startswith("\ufeff" + ",".join(COLUMNS) + "\r\n")
    [row] = csv.DictReader(io.StringIO(text[1:], newline=""))
    assert row == {
        "name": "coffee.jpg",
        "caption": picture.sentence,
        "correction": "Coffee, with “foam”.",
        "description": "Coffee, with “foam”.",
        "confidence": "",
        "tags": "",
        "model": "tiny",
        "created": picture.created.isoformat(timespec="seconds"),
        "corrected": picture.corrected.isoformat(timespec="seconds"),
        "format": "JPEG",
        "width": "600",
        "height": "400",
    }


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start):
    formula = f'{start}HYPERLINK("http://evil.example", "x")'
    without_files(visitor(), formula, name=formula, correction=formula)
    [row] = table()
    name = row["\ufeffname"]
    assert {name, *(row[key] for key in ("caption", "correction", "description"))} == {
        "'" + formula
    }


def test_json_has_unchanged_values():
    without_files(visitor(), "Café.", name="=1.jpg")
    rows = "".join(json_rows(everything()))
    assert "Café" in rows
    [row] = json.loads(rows)
    assert (row["name"], row["caption"], row["width"], row["corrected"], row["model"]) == (
        "=1.jpg",
        "Café.",
        300,
        None,
        None,
    )
    assert tuple(row) == COLUMNS


def test_tables_have_the_confidence_and_the_tags(coffee_jpeg, tagging):
    tagging(0.8, cup=0.9, spoon=0.5)
    services.correct(keep(visitor(), coffee_jpeg), "A mug.")
    [row] = table()
    assert (row["confidence"], row["tags"]) == ("0.8", "cup, spoon")
    [row] = json.loads("".join(json_rows(everything())))
    assert (row["confidence"], row["tags"]) == (0.8, ["cup", "spoon"])


def test_json_is_a_list_even_of_no_pictures():
    assert json.loads("".join(json_rows(everything()))) == []
    without_files(visitor(), "A copy.", name="1.jpg")
    without_files(visitor(), "A copy.", name="2.jpg")
    assert [row["name"] for row in json.loads("".join(json_rows(everything())))] == [
        "2.jpg",
        "1.jpg",
    ]


def test_the_model_is_that_of_the_latest_caption(picture, coffee_jpeg, switch_checkpoint):
    switch_checkpoint()
    keep(picture.owner, coffee_jpeg)
    assert [row["model"] for row in table()] == ["other"]


def test_tables_ask_the_database_once(picture, coffee, django_assert_num_queries):
    keep(picture.owner, encoded(coffee, "PNG"))
    with django_assert_num_queries(1):
        table()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_a_zip_has_originals_with_their_descriptions(coffee, file_format):
    content = encoded(coffee, file_format)
    picture = keep(visitor(), content, "cup")
    services.correct(picture, "Café.")
    files = archive()
    [name] = files.namelist()
    assert description_of(files.read(name), file_format) == "Café."
    assert decoded(files.read(name)).tobytes() == decoded(content).tobytes()
    assert picture.original.open().read() == content


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_a_zip_has_the_tags_among_the_keywords(coffee, file_format, tagging):
    tagging(cup=0.9, spoon=0.5)
    content = described(encoded(coffee, file_format), file_format, "", ["Rome", "Cup"])
    keep(visitor(), content, "cup")
    files = archive()
    [name] = files.namelist()
    assert keywords_of(files.read(name), file_format) == ["Rome", "Cup", "spoon"]


def test_tags_of_a_corrected_picture_are_not_among_the_keywords(coffee_jpeg, tagging):
    tagging(cup=0.9)
    services.correct(keep(visitor(), coffee_jpeg, "cup.jpg"), "A mug.")
    assert keywords_of(archive().read("cup.jpg"), "JPEG") == []


def test_a_format_without_descriptions_gets_a_sidecar(coffee, tagging):
    content = encoded(coffee, "GIF")
    tagging(cup=0.9)
    picture = keep(visitor(), content, "cup.gif")
    files = archive()
    assert files.namelist() == ["cup.gif", "cup.gif.xmp"]
    assert files.read("cup.gif") == content
    assert xmp.description_in(files.read("cup.gif.xmp")) == picture.sentence
    assert xmp.keywords_in(files.read("cup.gif.xmp")) == ["cup"]


def test_damaged_metadata_gets_a_sidecar(coffee):
    content = encoded(coffee, "JPEG", xmp=b"<damaged")
    keep(visitor(), content, "cup.jpg")
    files = archive()
    assert files.namelist() == ["cup.jpg", "cup.jpg.xmp"]
    assert files.read("cup.jpg") == content


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Straße am Meer (1).JPG", "Straße_am_Meer_1.jpg"),
        ("Cafe\u0301.jpeg", "Café.jpeg"),
        ("photo.png", "photo.png.jpg"),
        ("archive.tar", "archive.tar.jpg"),
        ("..", "picture.jpg"),
        ("", "picture.jpg"),
        (".jpg", "jpg.jpg"),
        ("..\\..\\etc\\passwd", "etcpasswd.jpg"),
        ("../../x.jpg", "x.jpg"),
        ("a\x07b<>:*?\n.jpg", "ab.jpg"),
        ("犬" * 200 + ".jpg", "犬" * 60 + ".jpg"),
    ],
)
def test_files_have_safe_names(picture, name, expected):
    everything().update(name=name)
    assert archive().namelist() == [expected]


def test_files_with_the_same_name_get_numbers(picture, coffee):
    for angle, name in ((90, "Coffee.JPG"), (180, "coffee-2.jpg"), (270, "coffee.jpg")):
        keep(picture.owner, encoded(coffee.rotate(angle), "JPEG"), name)
    names = archive().namelist()
    assert len({name.casefold() for name in names}) == len(names) == 4


def test_a_picture_deleted_during_the_export_is_left_out(picture, coffee):
    other = keep(picture.owner, encoded(coffee, "PNG"), "other.png")
    files = described_files(everything())
    assert next(files)[0] == "other.png"
    Picture.objects.filter(pk=picture.pk).delete()
    services.delete_files(picture)
    assert list(files) == []
    assert Picture.objects.get() == other


def test_a_lost_file_ends_the_export(picture):
    for path in kept_files():
        path.unlink()
    with pytest.raises(FileNotFoundError):
        list(described_files(everything()))


def test_a_zip_is_sent_file_by_file():
    asked = []

    def files():
        for number in range(3):
            asked.append(number)
            yield f"{number}", bytes(1000)

    parts = zip_parts(files())
    next(parts)
    assert asked == [0]
