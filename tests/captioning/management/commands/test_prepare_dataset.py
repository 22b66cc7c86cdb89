import dataclasses
import hashlib
import io
import zipfile

import pytest
from django.core.management import CommandError, call_command

from captioning.management.commands import prepare_dataset
from pytorch.data import downloads
from pytorch.data.datasets import DATASETS, load_dataset
from pytorch.data.downloads import Archive
from pytorch.data.published_archives import PUBLICATIONS
from tests.colours import write_colours
from tests.file_server import serve


def zipped(paths, folder=""):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(paths):
            archive.writestr(folder + path.name, path.read_bytes())
        archive.writestr("__MACOSX/._junk.txt", b"")
    return buffer.getvalue()


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves a tiny Flickr8k in archives like the published ones."""
    colours = write_colours(tmp_path / "published")
    files = {
        "/Flickr8k_text.zip": zipped(colours.glob("*.txt")),
        "/Flickr8k_Dataset.zip": zipped(
            (colours / "Flickr8k_Dataset").iterdir(), "Flicker8k_Dataset/"
        ),
    }
    with serve(files) as state:
        archives = tuple(
            Archive(
                f"{state.url}/{archive.name}",
                f"sha256:{hashlib.sha256(files[f'/{archive.name}']).hexdigest()}",
                unpack=archive.unpack,
            )
            for archive in PUBLICATIONS["flickr8k"].archives
        )
        local = dataclasses.replace(PUBLICATIONS["flickr8k"], archives=archives)
        monkeypatch.setitem(prepare_dataset.PUBLICATIONS, "flickr8k", local)
        monkeypatch.setattr(downloads.time, "sleep", lambda seconds: None)
        yield state


@pytest.fixture(autouse=True)
def base_dir(settings, tmp_path):
    settings.BASE_DIR = tmp_path
    return tmp_path


def prepare(*arguments):
    stdout = io.StringIO()
    call_command("prepare_dataset", *map(str, arguments), stdout=stdout)
    return stdout.getvalue()


def test_the_data_set_is_ready_for_training_afterwards(server, base_dir):
    server.drop_after = [1000, 500]
    printed = prepare("flickr8k")
    root = base_dir / "data" / "flickr8k"
    assert printed.startswith("Flickr8k is for non-commercial research and education.")
    assert "Ready: 8 train, 4 dev images." in printed
    assert f"train_captioner --dataset flickr8k --data-root {root}" in printed
    dataset = load_dataset("flickr8k", root)
    assert dataset.images.open(dataset.split("dev")[0].image).size == (40, 40)
    assert sorted(path.name for path in root.iterdir()) == [
        "Flickr8k.token.txt",
        "Flickr8k_Dataset.zip",
        "Flickr8k_text.zip",
        "Flickr_8k.devImages.txt",
        "Flickr_8k.trainImages.txt",
    ]


def test_a_second_run_downloads_nothing(server, base_dir):
    prepare("flickr8k", "--data-root", base_dir / "elsewhere")
    server.requests.clear()
    assert "Ready" in prepare("flickr8k", "--data-root", base_dir / "elsewhere")
    assert server.requests == []


def test_a_failed_download_is_reported_in_a_sentence(server):
    del server.files["/Flickr8k_text.zip"]
    with pytest.raises(CommandError, match="the server answers 404"):
        prepare("flickr8k")


def test_a_file_in_place_of_the_folder_is_reported_in_a_sentence(server, base_dir):
    (base_dir / "taken").write_text("")
    with pytest.raises(CommandError, match="taken"):
        prepare("flickr8k", "--data-root", base_dir / "taken")


def test_an_error_about_an_unknown_name_lists_the_known_ones():
    with pytest.raises(CommandError, match=r"coco2017.*coco2014.*flickr8k.*karpathy"):
        prepare("imagenet")


def test_stopped_with_ctrl_c_it_says_how_to_continue(monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare_dataset, "download", stop)
    with pytest.raises(CommandError, match="Run the command again to continue") as caught:
        prepare("flickr8k")
    assert caught.value.returncode == 130


@pytest.mark.parametrize("name", PUBLICATIONS)
def test_every_publication_fits_a_data_set(name):
    publication = PUBLICATIONS[name]
    assert publication.dataset in DATASETS
    assert publication.terms
    for archive in publication.archives:
        algorithm, digest = archive.checksum.split(":")
        assert len(digest) == 2 * hashlib.new(algorithm).digest_size
        assert int(digest, 16)
        assert archive.name.endswith(".zip")
