"""METEOR 1.5, by its authors' Java program.

Denkowski and Lavie, "Meteor Universal: Language Specific Translation Evaluation for Any Target
Language", 2014. The program comes with pycocoevalcap and is run with the options of the COCO tools,
so the scores can be compared with those in papers. `meteor_exact_stem.py` needs no Java but lacks
the program's synonyms and paraphrases.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from tempfile import TemporaryFile
from typing import IO, cast

from pytorch.evaluation.java import (
    find_java,
    find_program,
    program_failed,
    unreadable_scores,
)

PROGRAM = "meteor-1.5.jar"
SEPARATOR = "|||"
# In a locale with decimal commas the program cannot read the numbers that it writes itself.
JAVA_OPTIONS = ("-Xmx2G", "-Duser.language=en", "-Duser.country=US")
# As the COCO tools run it. "-": captions come from stdin, not from files.
PROGRAM_OPTIONS = ("-", "-", "-stdio", "-l", "en", "-norm")

Tokens = Sequence[str]


def meteor(hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> float:
    """Compute METEOR of tokenized captions over the whole corpus.

    The program starts in about ten seconds and takes 2 GB of memory at most.

    Args:
        hypotheses: One caption for each image.
        references: One list of captions, not empty, for each image.

    Returns:
        The score, from 0 to 1. The program sums the matches of all images and scores the sums.

    Raises:
        JavaMetricError: Java or the program is missing, or the program failed.
    """
    folder = find_program("meteor", PROGRAM)
    command = [find_java(), *JAVA_OPTIONS, "-jar", PROGRAM, *PROGRAM_OPTIONS]
    # Errors go to a file: a pipe that nobody reads while the program runs could fill and block it.
    with TemporaryFile() as errors:
        try:
            with subprocess.Popen(  # noqa: S603
                command,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                encoding="utf-8",
                errors="replace",
            ) as program:
                try:
                    return _Dialogue(program).score(hypotheses, references)
                finally:
                    program.kill()  # it would wait for more lines
        except (BrokenPipeError, EOFError) as error:
            errors.seek(0)
            raise program_failed(errors.read(), "it ended too early") from error
        except OSError as error:
            raise program_failed(b"", str(error.strerror)) from error


class _Dialogue:
    """Questions to a running METEOR program and its answers, a line each.

    For each image, `SCORE ||| reference ||| ... ||| hypothesis` is answered by the statistics of
    the best alignment. `EVAL ||| statistics ||| ...` is then answered by the score of each image
    and, last, that of the corpus. Neither side writes before it has read all that the other one
    wrote, so the pipes cannot block both.
    """

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._questions = cast("IO[str]", program.stdin)
        self._answers = cast("IO[str]", program.stdout)

    def score(self, hypotheses: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> float:
        statistics = []
        for hypothesis, captions in zip(hypotheses, references, strict=True):
            self._ask("SCORE", *map(_text, captions), _text(hypothesis))
            statistics.append(self._answer())
        self._ask("EVAL", *statistics)
        self._questions.close()  # so that the program ends even if it answers too little
        *_, corpus_score = [self._answer() for _ in range(len(statistics) + 1)]
        try:
            return float(corpus_score)
        except ValueError as error:
            raise unreadable_scores() from error

    def _ask(self, *parts: str) -> None:
        self._questions.write(f" {SEPARATOR} ".join(parts) + "\n")
        self._questions.flush()

    def _answer(self) -> str:
        line = self._answers.readline()
        if not line:
            raise EOFError
        return line.strip()


def _text(words: Tokens) -> str:
    """Join words into a text without line breaks and separators, which would end it early."""
    return " ".join(" ".join(words).replace(SEPARATOR, " ").split())
