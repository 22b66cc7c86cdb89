import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@pytest.fixture
def clone(tmp_path):
    for name in ["Makefile", "requirements.txt", "requirements-dev.txt"]:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(folder, *arguments):
    # As from a shell: under `make test`, make would tell its child about itself, and the child
    # would announce the folders that it enters and leaves.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}
    }
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("target", ["run", "test", "test-fast", "check"])
def test_an_old_or_missing_python_is_refused_in_words(clone, target):
    result = make(clone, target, "PYTHON=false")
    assert result.returncode != 0
    assert "Python 3.11 or newer is needed." in result.stderr


def test_the_first_run_makes_the_environment_and_a_later_one_does_not(clone):
    first = make(clone, "--dry-run", "run").stdout
    assert "-m venv .venv" in first
    assert "install --requirement requirements.txt" in first

    (clone / ".venv" / "bin").mkdir(parents=True)
    for name in ["bin/python", "requirements"]:
        (clone / ".venv" / name).touch()
    later = make(clone, "--dry-run", "run", "PORT=9000").stdout.splitlines()
    assert [line.split()[-1] for line in later] == ["--no-input", "0", "imagecaptioner.wsgi"]
    assert later[-1].startswith("PORT=9000 ")


def test_changed_requirements_are_installed_again(clone):
    (clone / ".venv" / "bin").mkdir(parents=True)
    for name in ["bin/python", "requirements"]:
        (clone / ".venv" / name).touch()
    later = (clone / ".venv" / "requirements").stat().st_mtime + 1
    os.utime(clone / "requirements.txt", (later, later))
    assert "install --requirement requirements.txt" in make(clone, "--dry-run", "run").stdout
