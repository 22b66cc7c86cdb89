import base64

from PIL import Image

from captioning.renditions import jpeg, jpeg_data_uri, shown_copy
from tests.captioning.pictures import decoded, difference


def test_a_picture_becomes_an_address_with_a_jpeg(coffee):
    uri = jpeg_data_uri(coffee)
    assert uri.startswith("data:image/jpeg;base64,")
    shown = decoded(base64.b64decode(uri.partition(",")[2]))
    assert shown.format == "JPEG"
    assert difference(shown, coffee) < 8


def test_the_shown_copy_has_a_limited_size():
    photograph = Image.new("RGB", (2048, 1000), "navy")
    assert shown_copy(photograph).size == (1024, 500)
    assert photograph.size == (2048, 1000)


def test_a_jpeg_has_a_limited_size_and_is_never_enlarged(coffee):
    assert decoded(jpeg(coffee, 300)).size == (300, 200)
    assert decoded(jpeg(coffee, 5000)).size == coffee.size
