"""Tells a wish from a question about its subject by the patterns of ``rules.yaml``, in each language that has some."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from chat.words import fold

RULES = Path(__file__).with_name("rules.yaml")


@dataclass(frozen=True, slots=True)
class Rules:
    """The compiled rules of one language; kinds in the order in which they are tried."""

    question: re.Pattern[str]
    wish: re.Pattern[str]
    always: tuple[tuple[str, re.Pattern[str]], ...]
    told: tuple[tuple[str, re.Pattern[str]], ...]


def folded(question: str) -> str:
    """Return a question as the patterns read it."""
    text = re.sub(r"[-‐‑–—]", " ", fold(question)).replace("’", "'")
    return " ".join(text.split())


def asks(text: str, language: str) -> bool:
    """Return whether a folded text wants something done, and not something explained."""
    rules = _rules()[language]
    return not rules.question.search(text) and bool(rules.wish.search(text))


def of_rules(text: str, language: str) -> str | None:
    """Return the kind of the first rule that a folded text fits."""
    rules = _rules()[language]
    candidates = (*rules.always, *rules.told) if asks(text, language) else rules.always
    return next((kind for kind, pattern in candidates if pattern.search(text)), None)


@cache
def _rules() -> dict[str, Rules]:
    return {
        language: _compiled(written) for language, written in yaml.safe_load(RULES.read_text(encoding="utf-8")).items()
    }


def _compiled(written: dict[str, Any]) -> Rules:
    names: dict[str, str] = written["names"]
    greetings, questions, wishes = written["greetings"], written["questions"], written["wishes"]
    return Rules(
        question=re.compile(rf"^(?:{greetings})*(?:{'|'.join(questions)})\b"),
        wish=re.compile("|".join(wishes)),
        always=tuple(_by_kind(written["always"], names)),
        told=tuple(_by_kind(written["told"], names)),
    )


def _by_kind(rules: list[dict[str, str]], names: dict[str, str]) -> Iterable[tuple[str, re.Pattern[str]]]:
    for rule in rules:
        for kind, pattern in rule.items():
            for name, stands_for in names.items():
                pattern = pattern.replace(f"{{{name}}}", stands_for)
            yield kind, re.compile(pattern)
