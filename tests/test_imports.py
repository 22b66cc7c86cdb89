"""The rooms of the project, and who may enter: see docs/design.md."""

import ast
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = ("accounts", "captioning", "imagecaptioner", "pytorch")
DJANGO_SIDE = {"django", "whitenoise", "accounts", "captioning", "imagecaptioner"}
MODEL_SIDE = {"pytorch", "torch", "torchvision", "nltk", "safetensors"}


# Within `pytorch`: each room may import itself and those before it.
ROOMS = ("files", "model", "data", "evaluation", "training")


def imported_modules(source):
    """Full names of everything that a module imports, wherever in it.

    `from a.b import c` counts as `a.b.c`, since `c` may be a module.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "Relative imports would hide from this check."
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_packages(source):
    """Top-level names of all packages that a module imports."""
    return {name.split(".")[0] for name in imported_modules(source)}


def imported_rooms(source):
    """The rooms of `pytorch` that a module imports; None stands for `pytorch` outside of them."""
    names = [name.split(".") for name in imported_modules(source)]
    rooms = {name[1] for name in names if name[0] == "pytorch"}
    return {room if room in ROOMS else None for room in rooms}


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
    assert imported_modules(source) == {"a.b", "c", "d.e.g", "h"}


@pytest.mark.parametrize("path", modules("pytorch"))
def test_the_model_knows_nothing_of_django(path):
    assert imported_packages((ROOT / path).read_text()).isdisjoint(DJANGO_SIDE)


@pytest.mark.parametrize("path", modules("pytorch"))
def test_the_rooms_of_the_model_import_one_way(path):
    _, room, *_ = Path(path).parts
    allowed = ROOMS[: ROOMS.index(room) + 1] if room in ROOMS else ()
    assert imported_rooms((ROOT / path).read_text()) <= set(allowed)


def test_no_modules_import_each_other_in_a_circle():
    sources = {path: (ROOT / path).read_text() for folder in CODE for path in modules(folder)}
    names = {
        path: path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in sources
    }
    known = set(names.values())
    imports = {name: imported_among(known - {name}, sources[path]) for path, name in names.items()}
    TopologicalSorter(imports).prepare()  # raises CycleError, naming the modules


def imported_among(known, source):
    """Those of the known modules that a module imports when it is loaded."""
    lines = ast.parse(source).body
    imports = [line for line in lines if isinstance(line, ast.Import | ast.ImportFrom)]
    names = imported_modules(ast.unparse(ast.Module(imports, [])))
    return {name if name in known else name.rpartition(".")[0] for name in names} & known


def test_the_files_of_images_are_read_without_torch():
    script = (
        "import sys, pytorch.files.atomic, pytorch.files.photographs; print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"


@pytest.mark.parametrize(
    "path", modules("accounts") + modules("captioning") + modules("imagecaptioner")
)
def test_django_reaches_the_model_through_the_engine_and_commands_alone(path):
    """All may read image files and write files by `pytorch.files`."""
    source = (ROOT / path).read_text()
    if not may_import_the_model(path):
        assert imported_packages(source).isdisjoint(MODEL_SIDE - {"pytorch"})
        assert imported_rooms(source) <= {"files"}


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_the_notebooks_are_about_the_model_alone(path):
    packages = imported_packages(code_of(path))
    assert "pytorch" in packages
    assert packages.isdisjoint(DJANGO_SIDE)
