"""What docs/api.md says of the API: its examples run, and its tables are complete."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from accounts.tokens import make_token
from captioning.api.problems import KINDS
from captioning.api.urls import api
from captioning.models import Picture

DOCUMENT = (Path(__file__).resolve().parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
PATIENCE = 120  # seconds; on a busy machine everything takes long

pytestmark = pytest.mark.django_db(transaction=True, reset_sequences=True)


def rows():
    """The cells of all rows of tables that begin with code."""
    for row in re.findall(r"^\| `(.+) \|$", DOCUMENT, re.MULTILINE):
        yield [cell.strip(" `") for cell in row.split("|")]


@pytest.fixture
def run(live_server, engine_with_tiny_checkpoint, tmp_path, coffee_jpeg):
    """Run a command as a reader does, in a folder with photographs; returns what it prints."""
    for name in ("photo.jpg", "other.jpg"):
        (tmp_path / name).write_bytes(coffee_jpeg)
    token = make_token(User.objects.create_user("alice"), "examples")
    environment = {"PATH": os.environ["PATH"], "SERVER": live_server.url, "TOKEN": token}

    def run(command):
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    return run


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl is installed")
def test_the_examples_of_curl_work_one_after_the_other(run, tmp_path):
    commands = re.findall(r"^ {4}(curl .+)$", DOCUMENT, re.MULTILINE)
    assert len(commands) >= 8
    answers = [run(["sh", "-c", command]) for command in commands]
    assert '"sentence"' in answers[0]
    assert '"status": "ok"' in answers[-1]
    assert (tmp_path / "first-word.png").read_bytes().startswith(b"\x89PNG")
    assert not Picture.objects.exists()  # the last but two deletes it


def test_the_example_of_python_works(run, tmp_path):
    [script] = re.findall(r"```python\n(.+?)```", DOCUMENT, re.DOTALL)
    printed = run([sys.executable, "-c", script])
    picture = Picture.objects.get(owner__account__username="alice")
    assert printed.startswith(f"{picture.pk} {picture.sentence}\n")


def test_every_operation_is_listed():
    listed = {cells[0] for cells in rows()}
    operations = {
        f"{method.upper()} {path}"
        for path, methods in api.get_openapi_schema()["paths"].items()
        for method in methods
    }
    assert operations | {"POST /model/predict"} == {each for each in listed if " /" in each}


def test_every_code_is_listed_with_its_status():
    listed = {cells[0]: int(cells[1]) for cells in rows() if cells[1].isdigit()}
    assert listed == {code: kind.status for code, kind in KINDS.items()}
