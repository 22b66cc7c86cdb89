"""Files and functions stay small enough to be read at one go."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("accounts", "benchmarks", "captioning", "imagecaptioner", "notebooks", "pytorch")
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60


def modules(*folders):
    found = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    assert found
    return [str(path.relative_to(ROOT)) for path in found]


@pytest.mark.parametrize("path", modules(*FOLDERS, "tests"))
def test_a_module_is_short(path):
    assert len((ROOT / path).read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", modules(*FOLDERS))
def test_functions_are_short(path):
    tree = ast.parse((ROOT / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = {
        node.name: lines
        for node in ast.walk(tree)
        if isinstance(node, functions)
        and (lines := node.end_lineno - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    }
    assert long == {}
