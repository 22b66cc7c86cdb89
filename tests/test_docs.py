"""The README, the documents and the notebooks name only what exists."""

import json
import re
import shlex
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from pytorch.data.datasets import DATASETS
from pytorch.evaluation.metrics import METRICS
from pytorch.model.encoders import ENCODERS
from pytorch.model.injections import INJECTIONS

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    *sorted((PROJECT / "docs").glob("*.md")),
    PROJECT / "notebooks" / "README.md",
    *sorted((PROJECT / "notebooks").glob("*.ipynb")),
]


def name(path):
    return str(path.relative_to(PROJECT))


def text_of(path):
    """The text of a document, of a notebook that between its code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
    return "\n".join("".join(cell["source"]) for cell in cells)


def texts():
    return {name(path): text_of(path) for path in DOCUMENTS}


def manage_commands():
    """Every `python manage.py ...` line of an indented block."""
    for name, text in texts().items():
        for line in re.findall(r"^ {4}python manage\.py (.+)$", text, re.MULTILINE):
            yield pytest.param(line, id=f"{name}: {line}")


@pytest.mark.parametrize("line", list(manage_commands()))
def test_a_command_and_its_options_exist(line):
    words = shlex.split(line.split(" > ")[0], comments=True)
    assert words[0] in get_commands()
    command = load_command_class(get_commands()[words[0]], words[0])
    # argparse refuses an option that does not exist, or a value that an option does not take.
    command.create_parser("manage.py", words[0]).parse_args(words[1:])


def test_there_are_commands_to_check():
    assert len(list(manage_commands())) >= 5


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_lead_somewhere(path):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", text_of(path))
    missing = [target for target in targets if not (path.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_modules_named_exist(path):
    modules = re.findall(r"`(\w+/[\w/]+\.py)`", text_of(path))
    missing = [module for module in modules if not (PROJECT / module).exists()]
    assert missing == []


def test_make_targets_exist():
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for text in texts().values():
        for target in re.findall(r"^ {4}make ([\w-]+)", text, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_folders_and_files_named_in_the_design_exist():
    names = re.findall(r"`([\w.-]+(?:/[\w.-]*)+|\w+\.(?:py|json|md|safetensors))`", design())
    assert {"pytorch/model/", "engine.py", "config.json"} <= set(names)
    places = [PROJECT, PROJECT / "captioning", PROJECT / "pytorch/shipped/everyday"]
    made_when_needed = {"cache/features/"}
    missing = [name for name in names if not any((place / name).exists() for place in places)]
    assert set(missing) <= made_when_needed


def test_what_the_design_names_in_a_module_is_there():
    found = re.findall(r"`([\w.]+)`\s+in\s+`([\w/]+\.py)`", design())
    assert ("open_photograph", "pytorch/files/photographs.py") in found
    for name, module in found:
        defined = rf"^\s*(def|class) {name.split('.')[-1]}\b"
        source = (PROJECT / module).read_text(encoding="utf-8")
        assert re.search(defined, source, re.MULTILINE), (name, module)


def design():
    return text_of(PROJECT / "docs" / "design.md")


@pytest.mark.parametrize(
    ("row", "registry"),
    [
        ("`--encoder`", ENCODERS),
        ("`--injection`", INJECTIONS),
        ("`--dataset`", DATASETS),
        ("scores", METRICS),
    ],
)
def test_the_readme_lists_what_there_is_to_choose_from(row, registry):
    [listed] = re.findall(rf"^\| {row} \| (.+) \|$", texts()["README.md"], re.MULTILINE)
    assert sorted(listed.split(", ")) == sorted(registry)
