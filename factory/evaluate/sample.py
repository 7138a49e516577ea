"""A sheet of answers for a person to read: no rule sees true words joined into a false sentence."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from factory.evaluate import runs
from factory.evaluate.answers import Answer

HEAD = """# Answers to read: {count} of {language}, rung by rung

Raw files, by their sha256: {raw}. The answers were chosen by digest, not by hand; texts by a model come first.

Read each answer against the quote above it and mark it. Whoever trained or chose the model does not read.
Then write the sums at the end, and attest them with `manage.py attest` or in the admin (`sample-review`).

"""
SUMS = """## Sums

| read | true | false | beside the question | harmful |
|---|---|---|---|---|
|  |  |  |  |  |
"""


def newest() -> list[Path]:
    """Return the raw file of the latest run in each language, none before the first."""
    files = sorted(runs.folder().glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    latest = {answers[0].language: path for path in files if (answers := runs.read(path))}
    return [latest[language] for language in sorted(latest)]


def chosen(answers: Sequence[Answer], count: int, *, raw_sha256: Sequence[str]) -> list[Answer]:
    """Return ``count`` answers that a reader would see, those by a model first, else in an order nobody picked."""

    def lot(answer: Answer) -> tuple[bool, str]:
        return not answer.by_model, hashlib.sha256(f"{' '.join(raw_sha256)} {answer.item}".encode()).hexdigest()

    return sorted((each for each in answers if each.answered), key=lot)[:count]


def sheet(answers: Sequence[Answer], count: int, *, raw_sha256: Sequence[str]) -> str:
    """Return the sheet as Markdown."""
    found = chosen(answers, count, raw_sha256=raw_sha256)
    languages = ", ".join(sorted({each.language for each in found}))
    parts = [HEAD.format(count=len(found), language=languages, raw=", ".join(f"`{each}`" for each in raw_sha256))]
    parts += [_entry(number, each) for number, each in enumerate(found, start=1)]
    return "".join(parts) + SUMS


def _entry(number: int, answer: Answer) -> str:
    check = "passed its check" if not answer.reasons else "failed its check: " + ", ".join(answer.reasons)
    before = f"Before: {_quoted(answer.previous)}\n\n" if answer.previous else ""
    return (
        f"## {number}. {_plain(answer.question)}\n\n"
        f"`{answer.item}` · rung {answer.rung} · {check}\n\n{before}"
        f"Quote, from {', '.join(f'`{each}`' for each in answer.cited)}:\n\n{_quoted(answer.quote)}\n\n"
        f"Answer:\n\n{_quoted(answer.text)}\n\n"
        "- [ ] true  - [ ] false  - [ ] beside the question  - [ ] harmful. Remark:\n\n"
    )


def _quoted(text: str) -> str:
    return "> " + _plain(text)


def _plain(text: str) -> str:
    """Return the text on one line and as text: a model's words must not become headings or links of the sheet."""
    return " ".join(text.split()).replace("<", "&lt;").replace("[", "\\[").replace("`", "\\`")
