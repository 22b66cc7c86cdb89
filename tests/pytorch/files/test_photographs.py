import hashlib
import io
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from pytorch.files import photographs
from pytorch.files.photographs import (
    FORMATS,
    MAX_SIDE,
    PhotographError,
    format_of,
    open_photograph,
)
from tests.captioning.pictures import (
    HEIC,
    PDF,
    SVG,
    blank_png,
    decoded,
    difference,
    encoded,
    grey_16_bit,
)

# Pillow warns about damaged metadata.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


def read(content):
    return open_photograph(io.BytesIO(content))


def opened(content):
    return read(content).image


def error_of(content):
    with pytest.raises(PhotographError) as caught:
        opened(content)
    assert caught.value.message.endswith(".")
    return caught.value


@pytest.mark.parametrize("file_format", FORMATS)
def test_every_accepted_format_is_read(coffee, file_format):
    assert difference(opened(encoded(coffee, file_format)), coffee) < 12  # GIF has 256 colours


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_format_of_a_file_is_known(coffee, file_format):
    file = io.BytesIO(encoded(coffee, file_format))
    assert open_photograph(file).format == file_format
    assert format_of(file) == file_format
    assert file.tell() == 0


def test_the_multi_picture_files_of_phones_are_jpeg_files(coffee):
    content = encoded(coffee, "MPO", save_all=True, append_images=[coffee])
    assert Image.open(io.BytesIO(content)).format == "MPO"
    assert read(content).format == format_of(io.BytesIO(content)) == "JPEG"


def test_a_greyscale_picture_becomes_rgb(coffee):
    grey = coffee.convert("L")
    assert difference(opened(encoded(grey, "PNG")), grey.convert("RGB")) == 0


def test_a_cmyk_jpeg_becomes_rgb(coffee):
    assert difference(opened(encoded(coffee.convert("CMYK"), "JPEG")), coffee) < 5


def test_a_black_and_white_picture_becomes_rgb(coffee):
    bilevel = coffee.convert("1")
    assert difference(opened(encoded(bilevel, "PNG")), bilevel.convert("RGB")) == 0


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bits_are_scaled_and_not_clipped(coffee, file_format):
    photograph = opened(encoded(grey_16_bit(coffee), file_format))
    assert difference(photograph, coffee.convert("L").convert("RGB")) <= 1


def test_16_bits_in_the_other_byte_order_are_scaled(coffee):
    big_endian = Image.fromarray(np.asarray(grey_16_bit(coffee)).astype(">u2"))
    assert big_endian.mode == "I;16B"
    photograph = opened(encoded(big_endian, "TIFF"))
    assert difference(photograph, coffee.convert("L").convert("RGB")) <= 1


def test_a_dark_16_bit_picture_stays_dark():
    dark = Image.fromarray(np.full((8, 8), 2570, np.uint16))
    assert opened(encoded(dark, "PNG")).getpixel((0, 0)) == (10, 10, 10)


@pytest.mark.parametrize(("kind", "unit"), [(np.int32, 100_000), (np.float32, 0.001)])
def test_wide_pixels_are_stretched_from_darkest_to_lightest(kind, unit):
    ramp = np.arange(256).reshape(16, 16)
    photograph = opened(encoded(Image.fromarray((ramp * unit).astype(kind)), "TIFF"))
    assert np.abs(np.asarray(photograph)[..., 0].astype(int) - ramp).max() <= 1


@pytest.mark.parametrize("value", [3.0, np.nan, np.inf])
def test_wide_pixels_without_a_range_are_read(value):
    flat = Image.fromarray(np.full((4, 4), value, np.float32))
    assert opened(encoded(flat, "TIFF")).size == (4, 4)


def half_transparent(mode):
    """A picture that is red on the left, and transparent black on the right."""
    image = Image.new("RGBA", (20, 10), (0, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 9, 9), fill=(255, 0, 0, 255))
    return image.convert(mode)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
def test_transparency_becomes_white(file_format):
    options = {"lossless": True} if file_format == "WEBP" else {}
    photograph = opened(encoded(half_transparent("RGBA"), file_format, **options))
    assert photograph.getpixel((2, 5)) == (255, 0, 0)
    assert photograph.getpixel((17, 5)) == (255, 255, 255)


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_a_transparent_palette_colour_becomes_white(file_format):
    image = Image.new("P", (20, 10), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    ImageDraw.Draw(image).rectangle((0, 0, 9, 9), fill=0)
    photograph = opened(encoded(image, file_format, transparency=1))
    assert photograph.getpixel((2, 5)) == (255, 0, 0)
    assert photograph.getpixel((17, 5)) == (255, 255, 255)


def test_transparent_greyscale_becomes_white():
    photograph = opened(encoded(half_transparent("LA"), "PNG"))
    assert photograph.getpixel((2, 5))[0] < 100
    assert photograph.getpixel((17, 5)) == (255, 255, 255)


@pytest.mark.parametrize(("mode", "colour"), [("1", 0), ("L", 0), ("RGB", (0, 0, 0)), ("I;16", 0)])
def test_every_mode_may_have_a_transparent_colour(mode, colour):
    image = Image.new(mode, (4, 4), colour)
    assert opened(encoded(image, "PNG", transparency=colour)).size == (4, 4)


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_the_first_frame_of_an_animation_is_read(file_format):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    content = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
    assert decoded(content).n_frames == 3
    assert difference(opened(content), frames[0]) < 3


def test_the_first_picture_of_a_multi_picture_jpeg_is_read(coffee):
    content = encoded(coffee, "MPO", save_all=True, append_images=[Image.new("RGB", (60, 40))])
    assert decoded(content).format == "MPO"
    assert difference(opened(content), coffee) < 5


def as_sensor_saw(upright, orientation):
    """Turn an upright picture into what a camera stores with this EXIF orientation."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    return upright.transpose(undo[orientation]) if orientation in undo else upright


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright(coffee, file_format, orientation):
    upright = coffee.crop((0, 0, 320, 208))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = as_sensor_saw(upright, orientation)
    assert difference(opened(encoded(stored, file_format, exif=exif)), upright) < 6


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"]
)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_is_ignored(coffee, file_format, exif):
    assert difference(opened(encoded(coffee, file_format, exif=exif)), coffee) < 6


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_unknown_orientation_is_ignored(coffee, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert opened(encoded(coffee, "JPEG", exif=exif)).size == coffee.size


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
@pytest.mark.parametrize(
    ("size", "bounded"), [((4100, 2050), (2048, 1024)), ((1000, 5000), (410, 2048))]
)
def test_the_longest_side_is_bounded(file_format, size, bounded):
    assert opened(encoded(Image.new("RGB", size), file_format)).size == bounded


@pytest.mark.slow
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_size_is_that_of_the_whole_upright_picture(file_format, orientation):
    upright = Image.new("RGB", (5000, 2500))
    exif = Image.Exif()
    exif[0x0112] = orientation
    photograph = read(encoded(as_sensor_saw(upright, orientation), file_format, exif=exif))
    assert (photograph.width, photograph.height) == (5000, 2500)
    assert photograph.image.size == (2048, 1024)


def test_a_jpeg_decoded_at_half_its_size_keeps_its_full_size():
    photograph = read(encoded(Image.new("RGB", (8000, 6000)), "JPEG"))
    assert (photograph.width, photograph.height) == (8000, 6000)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_same_pixels_have_the_same_hash_however_they_are_stored(
    coffee, file_format, orientation
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = encoded(as_sensor_saw(coffee, orientation), file_format, exif=exif)
    assert read(stored).pixel_hash == hashed(coffee)


def hashed(image):
    """The hash by which the library has always known its pictures."""
    size = f"{image.width} x {image.height} ".encode()
    return hashlib.sha256(size + image.tobytes()).hexdigest()


@pytest.mark.slow
def test_the_hash_is_of_the_pixels_before_they_are_shrunk(coffee):
    large = coffee.resize((3000, 2000))
    changed = large.copy()
    changed.putpixel((1500, 1000), (1, 2, 3))
    assert read(encoded(large, "PNG")).pixel_hash == hashed(large)
    assert read(encoded(changed, "PNG")).pixel_hash == hashed(changed) != hashed(large)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16", "CMYK"])
def test_the_hash_is_that_of_the_visible_pixels(coffee, mode):
    image = grey_16_bit(coffee) if mode == "I;16" else coffee.convert(mode)
    content = encoded(image, "TIFF" if mode == "CMYK" else "PNG")
    assert read(content).pixel_hash == hashed(opened(content))


def test_a_photograph_keeps_its_file(coffee_jpeg):
    file = io.BytesIO(coffee_jpeg)
    assert open_photograph(file).file is file


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "I;16"])
def test_a_large_picture_looks_the_same_in_every_mode(coffee, mode):
    large = coffee.resize((4200, 2800)).convert("L")
    image = grey_16_bit(large) if mode == "I;16" else large.convert(mode)
    photograph = opened(encoded(image, "PNG", compress_level=1))
    assert difference(photograph, large.resize(photograph.size).convert("RGB")) < 12


def test_large_pictures_wait_for_each_other_and_small_ones_do_not():
    large, done = blank_png(6_000, 3_000), threading.Event()

    def open_large():
        opened(large)
        done.set()

    with photographs._decoding_large:
        thread = threading.Thread(target=open_large)
        thread.start()
        opened(blank_png(600, 300))
        assert not done.wait(0.3)
    assert done.wait(30)
    thread.join()


def test_a_small_picture_keeps_its_size():
    assert opened(encoded(Image.new("RGB", (1, 1)), "PNG")).size == (1, 1)


def test_no_metadata_is_left(coffee):
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    content = encoded(coffee, "JPEG", exif=exif, comment="a secret remark")
    assert b"secret" in content
    assert opened(content).info == {}


def test_an_empty_file_is_refused():
    assert error_of(b"").code == "empty"


@pytest.mark.parametrize("content", [b"hello", b"\0" * 5000, b"<html></html>"])
def test_anything_but_a_picture_is_refused(content):
    assert error_of(content).code == "unreadable"


@pytest.mark.parametrize(("content", "name"), [(SVG, "SVG"), (HEIC, "HEIC"), (PDF, "PDF")])
def test_a_format_that_is_not_accepted_is_named(content, name):
    error = error_of(content)
    assert error.code == "unsupported_format"
    assert error.message.startswith(f"{name} files are not accepted.")


@pytest.mark.parametrize(("file_format", "name"), [("ICO", "icon"), ("JPEG2000", "JPEG 2000")])
def test_a_format_that_pillow_could_read_is_not_accepted_either(coffee, file_format, name):
    error = error_of(encoded(coffee, file_format))
    assert error.code == "unsupported_format"
    assert error.message.startswith(f"{name} files are not accepted.")


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_truncated_picture_is_refused(coffee, file_format):
    content = encoded(coffee, file_format)
    assert error_of(content[: len(content) // 2]).code == "truncated"


@pytest.mark.parametrize("file_format", sorted(set(FORMATS) - {"BMP"}))
def test_the_first_bytes_of_a_picture_alone_are_refused(coffee, file_format):
    assert error_of(encoded(coffee, file_format)[:20]).code == "truncated"


def test_more_than_50_megapixels_are_refused_however_small_the_file():
    content = blank_png(10_000, 5_001)
    assert len(content) < 10_000
    assert error_of(content).code == "too_many_pixels"


@pytest.mark.slow
def test_50_megapixels_are_read():
    assert opened(blank_png(10_000, 5_000)).size == (MAX_SIDE, MAX_SIDE // 2)


@pytest.mark.parametrize("side", [9_500, 13_400, 60_000])
def test_a_decompression_bomb_is_refused(side):
    assert error_of(blank_png(side, side, rows=1)).code == "too_many_pixels"


def test_a_decompression_bomb_leaves_no_warning(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(blank_png(10_000, 10_000))
    script = (
        "import sys\nfrom pytorch.files.photographs import PhotographError, open_photograph\n"
        "try:\n    open_photograph(open(sys.argv[1], 'rb'))\n"
        "except PhotographError as error:\n    print(error.code)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True
    )
    assert (result.stdout, result.stderr) == ("too_many_pixels\n", "")


SMALL = Image.radial_gradient("L").resize((24, 18)).convert("RGB")
FILES = [encoded(SMALL, file_format) for file_format in FORMATS] + [
    encoded(SMALL.convert("P"), "PNG", transparency=3),
    encoded(SMALL, "TIFF", compression="tiff_lzw"),
    encoded(SMALL, "GIF", save_all=True, append_images=[SMALL.rotate(90)]),
]


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(
    content=st.sampled_from(FILES),
    changes=st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=12),
    length=st.integers(0, 4000),
)
@example(content=FILES[0], changes=[], length=4000)
def test_any_damage_gives_a_photograph_or_an_error_for_the_reader(content, changes, length):
    damaged = bytearray(content)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    try:
        photograph = opened(bytes(damaged[:length]))
    except PhotographError:
        return  # any other exception fails the test
    assert photograph.mode == "RGB"
    assert max(photograph.size) <= MAX_SIDE
