import json
import zipfile
from io import BytesIO

import pytest
import torch
from PIL import Image, ImageOps

from pytorch.data.feature_file import FeatureCacheError
from pytorch.data.features import cached_features
from pytorch.data.images import ImageError, ImageFiles
from pytorch.model.encoders import Encoder, EncoderError
from tests.photographs import photographs

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
NAMES = ("astronaut.png", "cat.png", "coffee.png", "rocket.png")


class CountingStore(ImageFiles):
    """An image store that knows how many images it opened."""

    def __init__(self, sources):
        super().__init__(sources)
        self.opened = 0

    def open(self, name):
        self.opened += 1
        return super().open(name)


@pytest.fixture(scope="module")
def encoder():
    encoder = Encoder("efficientnet_lite2", grid_size=2)
    encoder.load_pretrained()
    return encoder


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for name, photograph in zip(NAMES, photographs(), strict=True):
        photograph.resize((120, 90)).save(folder / name)
    return folder


@pytest.fixture
def features_of(encoder, tmp_path):
    """Features of a folder's images, and how many images were opened for them."""

    def features_of(source, *, names=NAMES, encoder=encoder, batch_size=4, mirrored=False):
        store = source if isinstance(source, CountingStore) else CountingStore([source])
        features = cached_features(
            encoder,
            store,
            names,
            tmp_path / "cache",
            device=CPU,
            mirrored=mirrored,
            batch_size=batch_size,
            progress=False,
        )
        return features, store.opened

    return features_of


def cache_files(tmp_path):
    return sorted((tmp_path / "cache").iterdir())


def all_rows(features):
    return features.rows(range(len(features)))


def test_rows_are_the_output_of_the_encoder(encoder, folder, features_of):
    features, _ = features_of(folder)
    store = ImageFiles([folder])
    images = torch.stack([encoder.preprocessing(store.open(name)) for name in NAMES])
    with torch.inference_mode():
        expected = encoder(images)

    rows = features.rows([2, 0])

    assert features.names == NAMES
    assert len(features) == 4
    assert rows.dtype == torch.float32
    assert rows.shape == (2, 4, 1280)
    assert expected.max() > 1
    torch.testing.assert_close(rows, expected[[2, 0]], atol=1e-3, rtol=1e-3)
    assert torch.equal(features.rows(torch.tensor([2, 0])), rows)


def test_a_second_call_opens_no_image(folder, features_of):
    first, opened_first = features_of(folder)
    second, opened_second = features_of(folder)
    assert (opened_first, opened_second) == (4, 0)
    assert torch.equal(all_rows(second), all_rows(first))


def test_the_batch_size_does_not_matter(folder, features_of, tmp_path):
    whole, _ = features_of(folder, batch_size=4)
    for path in cache_files(tmp_path):
        path.unlink()
    uneven, opened = features_of(folder, batch_size=3)
    assert opened == 4
    torch.testing.assert_close(all_rows(uneven), all_rows(whole), atol=2e-3, rtol=2e-3)


def test_a_changed_image_is_computed_again(folder, features_of):
    before, _ = features_of(folder)
    photographs()[0].resize((99, 90)).save(folder / "cat.png")
    after, opened = features_of(folder)
    assert opened == 4
    assert torch.equal(after.rows([0, 2, 3]), before.rows([0, 2, 3]))
    assert not torch.equal(after.rows([1]), before.rows([1]))


def test_an_image_changed_within_a_zip_is_computed_again(tmp_path, features_of):
    def write(photograph):
        buffer = BytesIO()
        photograph.resize((60, 60)).save(buffer, "BMP")  # of one size, whatever it shows
        with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
            archive.writestr("photo.bmp", buffer.getvalue())
        return features_of(tmp_path / "images.zip", names=["photo.bmp"])

    astronaut, cat = photographs()[:2]
    before, _ = write(astronaut)
    after, opened = write(cat)
    assert opened == 1
    assert not torch.equal(all_rows(after), all_rows(before))


def test_another_grid_is_computed_again(encoder, folder, features_of):
    features_of(folder)
    finer = Encoder("efficientnet_lite2", grid_size=3)
    finer.trunk = encoder.trunk
    features, opened = features_of(folder, encoder=finer)
    assert opened == 4
    assert features.rows([0]).shape == (1, 9, 1280)


def test_other_weights_are_computed_again(folder, features_of):
    features_of(folder)
    _, opened = features_of(folder, encoder=Encoder("efficientnet_lite2", grid_size=2))
    assert opened == 4


def test_another_order_is_stored_separately(folder, features_of, tmp_path):
    forwards, _ = features_of(folder)
    backwards, opened = features_of(folder, names=NAMES[::-1])
    assert opened == 4
    torch.testing.assert_close(
        backwards.rows([3, 2, 1, 0]), all_rows(forwards), atol=2e-3, rtol=2e-3
    )
    assert len(cache_files(tmp_path)) == 4


def test_files_are_named_after_the_encoder(folder, features_of, tmp_path):
    features_of(folder)
    journal, array = cache_files(tmp_path)
    key = json.loads(journal.read_text().splitlines()[0])["key"]
    assert array.name == f"efficientnet_lite2-{key[:16]}.npy"
    assert journal.name == f"efficientnet_lite2-{key[:16]}.jsonl"


def change_line(path, number, **values):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[number].update(values)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def delete_journal(_array, journal):
    journal.unlink()


def change_key(_array, journal):
    change_line(journal, 0, key="0" * 64)


def garble_journal(_array, journal):
    journal.write_text("{")


def empty_journal(_array, journal):
    journal.write_text("")


def lose_title(_array, journal):
    journal.write_text(journal.read_text().splitlines()[1] + "\n")


def lose_block(_array, journal):
    journal.write_text(journal.read_text().splitlines()[0] + "\n")


def garble_block(_array, journal):
    journal.write_text(journal.read_text()[:-2] + "\n")


def garble_unreadable(_array, journal):
    change_line(journal, 1, unreadable=3)


def delete_array(array, _journal):
    array.unlink()


def cut_array_short(array, _journal):
    array.write_bytes(array.read_bytes()[:-2])


def garble_array(array, _journal):
    array.write_bytes(b"no array")


def empty_array(array, _journal):
    array.write_bytes(b"")


@pytest.mark.parametrize(
    "damage",
    [
        empty_array,
        delete_journal,
        change_key,
        garble_journal,
        empty_journal,
        lose_title,
        lose_block,
        garble_block,
        garble_unreadable,
        delete_array,
        cut_array_short,
        garble_array,
    ],
)
def test_a_damaged_entry_is_computed_again(folder, features_of, tmp_path, damage):
    before, _ = features_of(folder, names=NAMES[:1])
    rows = all_rows(before)
    journal, array = cache_files(tmp_path)
    damage(array, journal)

    after, opened = features_of(folder, names=NAMES[:1])
    _, opened_again = features_of(folder, names=NAMES[:1])

    assert (opened, opened_again) == (1, 0)
    assert torch.equal(all_rows(after), rows)


def test_damaged_rows_are_an_error_that_names_the_file(folder, features_of, tmp_path):
    before, _ = features_of(folder)
    _, array = cache_files(tmp_path)
    whole = array.read_bytes()
    array.write_bytes(whole[:128] + bytes(len(whole) - 128))
    with pytest.raises(FeatureCacheError, match=rf"features in {array} are damaged: images 1 to 4"):
        features_of(folder)
    array.write_bytes(whole)
    after, opened = features_of(folder)
    assert opened == 0
    assert torch.equal(all_rows(after), all_rows(before))


def test_a_missing_image_is_named_and_leaves_nothing_behind(folder, features_of, tmp_path):
    (folder / "rocket.png").unlink()
    with pytest.raises(ImageError, match=r"no image rocket\.png"):
        features_of(folder)
    assert not (tmp_path / "cache").exists()


def test_unreadable_images_are_left_out_and_named(folder, features_of):
    whole, _ = features_of(folder)
    (folder / "cat.png").write_bytes(b"no picture")
    for features in (features_of(folder)[0], features_of(folder)[0]):
        assert features.names == ("astronaut.png", "coffee.png", "rocket.png")
        assert len(features) == 3
        assert list(features.unreadable) == ["cat.png"]
        assert "cannot be read" in features.unreadable["cat.png"]
        torch.testing.assert_close(all_rows(features), whole.rows([0, 2, 3]), atol=2e-3, rtol=2e-3)


def test_an_image_that_becomes_readable_is_computed(folder, features_of):
    class Forgetful(CountingStore):
        """Cannot read one image, though its file is whole: as without its decoder."""

        def open(self, name):
            if name == "cat.png":
                raise ImageError("The image cat.png cannot be read.")
            return super().open(name)

    before, _ = features_of(Forgetful([folder]))
    assert len(before) == 3
    again, opened = features_of(Forgetful([folder]))
    assert (len(again), opened) == (3, 0)
    after, _ = features_of(folder)
    assert after.names == NAMES
    assert after.unreadable == {}


def test_mirrored_features_are_those_of_the_mirrored_image(folder, features_of, tmp_path):
    upright, _ = features_of(folder)
    mirrored, opened = features_of(folder, mirrored=True)
    assert opened == 4
    assert len(cache_files(tmp_path)) == 4
    for path in folder.iterdir():
        with Image.open(path) as image:
            ImageOps.mirror(image).save(path)
    expected, _ = features_of(folder)
    assert not torch.allclose(all_rows(mirrored), all_rows(upright), atol=0.1)
    assert torch.equal(all_rows(mirrored), all_rows(expected))


def test_features_can_be_joined(folder, features_of):
    (folder / "cat.png").write_bytes(b"no picture")
    upright, _ = features_of(folder)
    mirrored, _ = features_of(folder, names=["coffee.png", "astronaut.png"], mirrored=True)
    both = upright.followed_by(mirrored)
    assert both.names == (
        "astronaut.png",
        "coffee.png",
        "rocket.png",
        "coffee.png",
        "astronaut.png",
    )
    assert list(both.unreadable) == ["cat.png"]
    assert torch.equal(both.rows([4, 0]), torch.cat([mirrored.rows([1]), upright.rows([0])]))
    assert torch.equal(all_rows(both), torch.cat([all_rows(upright), all_rows(mirrored)]))
    thrice = both.followed_by(mirrored)
    assert torch.equal(thrice.rows([5, 6]), all_rows(mirrored))


def test_undefined_features_are_refused(folder, features_of, tmp_path):
    broken = Encoder("efficientnet_lite2", grid_size=2)
    broken.trunk[-2].bias[0] = float("nan")
    with pytest.raises(EncoderError, match="efficientnet_lite2 gives features that are infinite"):
        features_of(folder, encoder=broken)
    assert cache_files(tmp_path) == []


@pytest.mark.parametrize("progress", [True, False])
def test_the_progress_bar_counts_images_if_it_is_wanted(
    encoder, folder, tmp_path, capsys, progress
):
    store = ImageFiles([folder])
    cached_features(encoder, store, NAMES, tmp_path / "cache", device=CPU, progress=progress)
    shown = capsys.readouterr().err
    assert ("4/4" in shown) == progress
    assert ("img/s" in shown or "s/img" in shown) == progress
