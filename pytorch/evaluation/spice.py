"""SPICE, where the Java program that computes it can run.

Anderson et al., "SPICE: Semantic Propositional Image Caption Evaluation", 2016: captions as graphs
of objects, attributes and relations, compared by their F-measure. The graphs come from a parser of
Stanford's CoreNLP, of which there is no equal without Java, so the authors' own program is run. It
comes with pycocoevalcap; CoreNLP does not, and nothing is downloaded here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

PROGRAM = "spice-1.0.jar"
CORENLP = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")

Tokens = Sequence[str]


class SpiceError(Exception):
    """SPICE cannot be computed on this machine; the message says why in one sentence."""


def check_spice() -> None:
    """Raise SpiceError unless Java, the program and CoreNLP are here."""
    _find_java()
    _find_program()


def spice(hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> float:
    """Give SPICE of tokenized captions, averaged over the images; takes minutes and memory.

    Raises SpiceError.
    """
    rows = [
        {
            "image_id": image,
            "test": " ".join(hypothesis),
            "refs": [" ".join(each) for each in given],
        }
        for image, (hypothesis, given) in enumerate(zip(hypotheses, references, strict=True))
    ]
    results = _run_program(json.dumps(rows))
    try:
        scores = [float(row["scores"]["All"]["f"]) for row in json.loads(results)]
        return sum(scores) / len(scores)
    except (ValueError, LookupError, TypeError, ZeroDivisionError) as error:
        raise SpiceError("its Java program wrote no scores that can be read.") from error


def _run_program(captions: str) -> str:
    """What the program writes of captions in JSON, with the options that the COCO tools use."""
    java, folder = _find_java(), _find_program()
    with tempfile.TemporaryDirectory() as temporary:
        given, written = Path(temporary, "captions.json"), Path(temporary, "scores.json")
        command = [java, "-Xmx8G", "-jar", PROGRAM, str(given)]
        command += ["-out", str(written), "-subset", "-silent"]
        try:
            given.write_text(captions, encoding="utf-8")
            subprocess.run(command, cwd=folder, check=True, capture_output=True)  # noqa: S603
            return written.read_text(encoding="utf-8")
        except subprocess.CalledProcessError as error:
            message = error.stderr.decode(errors="replace").strip() or "it gave no reason"
            raise SpiceError(f"its Java program failed ({message.splitlines()[0]}).") from error
        except (OSError, ValueError) as error:
            raise SpiceError(f"its Java program could not be used ({error}).") from error


def _find_java() -> str:
    java = shutil.which("java")
    if java is None:
        raise SpiceError("it needs Java, and there is no `java` command.")
    return java


def _find_program() -> Path:
    """The folder of the program, with CoreNLP in place."""
    package = find_spec("pycocoevalcap")
    if package is None or not package.submodule_search_locations:
        raise SpiceError("it needs the package pycocoevalcap, which is not installed.")
    folder = Path(package.submodule_search_locations[0], "spice")
    if not (folder / PROGRAM).is_file():
        raise SpiceError(f"it needs {PROGRAM}, which this pycocoevalcap does not have.")
    if not all((folder / "lib" / name).is_file() for name in CORENLP):
        raise SpiceError(
            "it needs Stanford CoreNLP 3.6.0, which is not beside the SPICE program "
            "(docs/evaluation.md says where it belongs)."
        )
    return folder
