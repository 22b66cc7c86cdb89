"""The rooms of the project, and who may enter: see docs/design.md."""

import ast
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DJANGO_SIDE = {"django", "whitenoise", "accounts", "captioning", "imagecaptioner"}
MODEL_SIDE = {"pytorch", "torch", "torchvision", "nltk", "safetensors"}


def imported_packages(source):
    """Top-level names of all packages that a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "Relative imports would hide from this check."
            names.add(node.module)
    return {name.split(".")[0] for name in names}


def modules(folder):
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return [str(path.relative_to(ROOT)) for path in found]


def code_of(notebook):
    cells = [
        cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"
    ]
    return "\n".join("".join(cell["source"]) for cell in cells)


def may_import_the_model(path):
    return path == "captioning/engine.py" or path.startswith("captioning/management/commands/")


def test_the_check_sees_every_kind_of_import():
    source = "import a.b, c\ndef f():\n    from d.e import g\nif True:\n    import h as i\n"
    assert imported_packages(source) == {"a", "c", "d", "h"}


@pytest.mark.parametrize("path", modules("pytorch"))
def test_the_model_knows_nothing_of_django(path):
    assert imported_packages((ROOT / path).read_text()).isdisjoint(DJANGO_SIDE)


@pytest.mark.parametrize(
    "path", modules("accounts") + modules("captioning") + modules("imagecaptioner")
)
def test_django_reaches_the_model_through_the_engine_and_commands_alone(path):
    if not may_import_the_model(path):
        assert imported_packages((ROOT / path).read_text()).isdisjoint(MODEL_SIDE)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_the_notebooks_are_about_the_model_alone(path):
    packages = imported_packages(code_of(path))
    assert "pytorch" in packages
    assert packages.isdisjoint(DJANGO_SIDE)
