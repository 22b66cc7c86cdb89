import re

import pytest
from django.core.management import call_command

from imagecaptioner.storage import StaticStorage

pytestmark = pytest.mark.slow


@pytest.fixture
def static_root(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    return tmp_path


def test_without_collectstatic_files_keep_their_names(static_root):
    assert StaticStorage().url("css/site.css") == "/static/css/site.css"


def test_after_collectstatic_names_are_hashed_and_files_compressed(static_root):
    call_command("collectstatic", interactive=False, verbosity=0)
    url = StaticStorage().url("css/site.css")
    assert url != "/static/css/site.css"
    assert (static_root / url.removeprefix("/static/")).is_file()
    assert (static_root / (url.removeprefix("/static/") + ".gz")).is_file()


def test_after_collectstatic_scripts_import_each_other_by_hashed_names(static_root):
    call_command("collectstatic", interactive=False, verbosity=0)
    script = static_root / StaticStorage().url("js/upload.js").removeprefix("/static/")
    imported = re.findall(r'from "\./(.+?)"', script.read_text(encoding="utf-8"))
    assert len(imported) >= 5
    for name in imported:
        assert re.fullmatch(r"\w+\.[0-9a-f]{12}\.js", name)
        assert (static_root / "js" / name).is_file()


def test_after_collectstatic_a_link_to_a_missing_file_fails(static_root):
    call_command("collectstatic", interactive=False, verbosity=0)
    with pytest.raises(ValueError, match=r"css/absent\.css"):
        StaticStorage().url("css/absent.css")
