"""The digest of the code that a result depends on: a run with other code is a run of another product."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.conf import settings

FOLLOWED = ("chat", "content", "factory", "inference")  # accounts and bills change no answer
ANSWERS = ("factory.evaluate.asking", "factory.evaluate.answers", "factory.evaluate.metrics")
DOORS = ("factory.redteam.doors", "factory.redteam.judging", "inference.api.door", "inference.api.completions")


def digest(roots: tuple[str, ...]) -> str:
    """Return the sha256 over these modules and all modules of ours that they import, however far down."""
    found: dict[str, bytes] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        path = None if name in found else _file(name)
        if path is not None:
            found[name] = path.read_bytes()
            waiting += _imported(found[name])
    lines = (f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(found.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@cache
def _imported(source: bytes) -> tuple[str, ...]:
    return tuple(name for name in _names(ast.parse(source)) if name.partition(".")[0] in FOLLOWED)


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield what a module may import, without asking whether a name is a module or something in one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def _file(name: str) -> Path | None:
    base = Path(settings.BASE_DIR, *name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
