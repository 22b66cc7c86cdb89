"""SPICE, by its authors' Java program.

Anderson et al., "SPICE: Semantic Propositional Image Caption Evaluation", 2016, parses captions
into graphs of objects, attributes and relations, and compares these by their F-measure. The program
comes with pycocoevalcap; Stanford's CoreNLP, whose parser it uses, does not. Nothing is downloaded
here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pytorch.evaluation.java import (
    JavaMetricError,
    find_java,
    find_program,
    program_failed,
    unreadable_scores,
)

PROGRAM = "spice-1.0.jar"
CORENLP = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")

Tokens = Sequence[str]


def spice(hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> float:
    """Compute SPICE of tokenized captions, averaged over the images.

    This takes minutes and up to 8 GB of memory.

    Args:
        hypotheses: One caption for each image.
        references: One list of captions, not empty, for each image.

    Returns:
        The score, from 0 to 1.

    Raises:
        JavaMetricError: Java, the program or CoreNLP is missing, or the program failed.
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
        raise unreadable_scores() from error


def _run_program(captions: str) -> str:
    """Run the program on captions in JSON, as the COCO tools do, and return its JSON."""
    java, folder = find_java(), _find_program()
    with TemporaryDirectory() as temporary:
        given, written = Path(temporary, "captions.json"), Path(temporary, "scores.json")
        command = [java, "-Xmx8G", "-jar", PROGRAM, str(given)]
        command += ["-out", str(written), "-subset", "-silent"]
        try:
            given.write_text(captions, encoding="utf-8")
            subprocess.run(command, cwd=folder, check=True, capture_output=True)  # noqa: S603
            return written.read_text(encoding="utf-8")
        except subprocess.CalledProcessError as error:
            raise program_failed(error.stderr) from error
        except OSError as error:
            raise JavaMetricError(
                f"its Java program could not be used ({error.strerror})."
            ) from error
        except ValueError as error:  # not UTF-8
            raise unreadable_scores() from error


def _find_program() -> Path:
    """Return the folder of the program, with CoreNLP in place."""
    folder = find_program("spice", PROGRAM)
    if not all((folder / "lib" / name).is_file() for name in CORENLP):
        raise JavaMetricError(
            "it needs Stanford CoreNLP 3.6.0, which is not beside the SPICE program "
            "(docs/evaluation.md says where it belongs)."
        )
    return folder
