"""What must be done between the servers' start and ours: tables, translations, static files.

Each step remembers a digest of what it depends on and is passed over when nothing changed, because
each costs a whole start of Django (1 to 2 s of the 10 s that a second start may take).
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from siteproject.stack.children import Child
from siteproject.stack.folder import ROOT, Folder
from siteproject.stack.postgres import DATABASE, Postgres

PICTURES = {".avif", ".jpg", ".png", ".webp"}
NOT_OURS = {".venv", ".git", "var", "build", "node_modules"}


@dataclass
class Step:
    """One ``manage.py`` command: ``needed`` says whether to run it, ``finished`` remembers that it ran."""

    title: str
    command: list[str]
    needed: Callable[[], bool]
    finished: Callable[[], None]
    child: Child | None = None
    started_at: float = 0.0

    def start(self, *, python: str, log: Path, environment: dict[str, str]) -> None:
        """Start the command as a child."""
        self.started_at = time.monotonic()
        self.child = Child([python, "manage.py", *self.command], log=log, environment=environment)


def steps(folder: Folder, postgres: Postgres | None) -> list[Step]:
    """Return the three steps. ``postgres`` is our own server, or None where DATABASE_URL names another."""
    static = folder.path / "static.digest"
    return [
        _migrate(postgres),
        _remembered(
            "Languages compiled",
            ["compilecatalogs"],
            marker=folder.path / "catalogs.digest",
            inputs=lambda: _files("locale", ".po"),
            results=lambda: [path.with_suffix(".mo") for path in _files("locale", ".po")],
        ),
        _remembered(
            "Static files collected",
            ["collectstatic", "--noinput", "-v", "0"],
            marker=static,
            inputs=lambda: [*_files("static", ""), *_files(".", "/static/"), *_pictured(_content()), *_locks()],
            results=lambda: [folder.path / "static" / "staticfiles.json"],
            words=os.environ.get("SITE_NAME", ""),  # it stands on the cards of posts
        ),
    ]


def plans_sold() -> Step:
    """Return the step that puts our plans into the stand-in for Stripe, which begins with nothing."""
    return Step("Plans on sale", ["stripe_setup"], needed=lambda: True, finished=lambda: None)


def _migrate(postgres: Postgres | None) -> Step:
    """The stamp lives in the database as its comment: who drops or restores the database drops or changes it, too."""
    command = ["migrate", "--noinput", "-v", "0"]
    if postgres is None:
        return Step("Database migrated", command, needed=lambda: True, finished=lambda: None)

    def stamp() -> str:
        if postgres.sql("SELECT to_regclass('django_migrations') IS NOT NULL", database=DATABASE) != "t":
            return "empty"
        applied = postgres.sql("SELECT count(*) || '.' || max(id) FROM django_migrations", database=DATABASE)
        return f"{digest([*_files('.', '/migrations/'), *_locks()])}:{applied}"

    def needed() -> bool:
        found = postgres.sql(
            f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{DATABASE}'"
        )
        return found != stamp()

    def finished() -> None:
        postgres.sql(f"COMMENT ON DATABASE {DATABASE} IS '{stamp()}'")

    return Step("Database migrated", command, needed, finished)


def _remembered(
    title: str,
    command: list[str],
    *,
    marker: Path,
    inputs: Callable[[], list[Path]],
    results: Callable[[], list[Path]],
    words: str = "",
) -> Step:
    """A step that reads and writes files only, with the digest of the inputs in a file of its own.

    ``words`` are what it depends on besides files.
    """

    def stamp() -> str:
        return f"{digest(inputs())} {words}".strip()

    def needed() -> bool:
        if not all(path.exists() for path in results()):
            return True
        return not marker.exists() or marker.read_text() != stamp()

    return Step(title, command, needed, finished=lambda: _write(marker, stamp()))


def _write(marker: Path, text: str) -> None:
    marker.write_text(text)


def digest(paths: Iterable[Path]) -> str:
    """Return one sha256 over names and contents of files."""
    total = hashlib.sha256()
    for path in sorted(set(paths)):
        total.update(f"{os.path.relpath(path, ROOT)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _files(folder: str, part: str) -> list[Path]:
    """Return the files below a folder of the project whose path holds ``part``; empty when there is no folder."""
    found: list[Path] = []
    for place, folders, names in os.walk(ROOT / folder):
        folders[:] = [name for name in folders if name not in NOT_OURS and name != "__pycache__"]
        found += [Path(place, name) for name in names if part in f"{place}/{name}" and not name.endswith(".pyc")]
    return found


def _content() -> Path:
    """Return the folder of documents, as the settings find it."""
    return Path(os.environ.get("CONTENT_DIR") or ROOT / "content").resolve()


def _pictured(content: Path) -> list[Path]:
    """Return the documents that have to do with pictures: posts have a card, and a draft's pictures are not public."""
    folders = {path.parent for path in content.glob("*/*/*") if path.suffix in PICTURES}
    folders |= {path.parent for path in content.glob("posts/*/*.md")}
    return [path for folder in folders for path in folder.iterdir() if path.is_file()] + [*content.glob("topics.yaml")]


def _locks() -> list[Path]:
    """What other people's migrations and static files come with."""
    return sorted((ROOT / "requirements").glob("*.txt"))
