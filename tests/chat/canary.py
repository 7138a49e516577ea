"""A word that nobody has written before, a site to say it to, and the searches for it afterwards."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import redis

from tests.live import Site, running_site

KEPT_S = 2
SWEEP_S = 1
# Enough words of ours to bear one that no page knows.
ANSWERABLE = "Is the licence of the weights the Apache licence? Which licence is the code under and can I reuse it?"
LARGEST_FILE_BYTES = 100 * 1024 * 1024


def new_canary() -> str:
    """Return a word that nobody has written before."""
    return f"zq{secrets.token_hex(8)}x"


@contextlib.contextmanager
def watched_site(temporary: Path) -> Iterator[Site]:
    """Start a site with the real model and a worker, whose temporary folder is its own."""
    periods = {"CHAT_RESUME_KEPT_S": str(KEPT_S), "RETENTION_SWEEP_S": str(SWEEP_S)}
    with running_site(worker=True, TMPDIR=str(temporary), **periods) as site:
        yield site


def in_tables(site: Site, canary: str) -> list[str]:
    """Return the tables with a row that holds the canary in any column."""
    found = []
    with psycopg.connect(site.postgres.url) as connection:
        tables = connection.execute(
            "SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        assert len(tables) > 5
        for (table,) in tables:
            rows = connection.execute(
                f"SELECT count(*) FROM {table} AS row WHERE row::text LIKE %s",  # type: ignore[arg-type]
                [f"%{canary}%"],
            ).fetchone()
            if rows is not None and rows[0]:
                found.append(table)
    return found


def in_files(folders: list[Path], canary: str, *, since: float = 0.0) -> list[str]:
    """Return the files below the folders that hold the canary in their name or their bytes."""
    needle, found = canary.encode(), []
    walks = (walk for folder in folders for walk in os.walk(folder))  # which passes over folders that go meanwhile
    for path in (Path(folder, name) for folder, _folders, names in walks for name in names):
        with contextlib.suppress(OSError):  # sockets, and what goes away while we look
            if path.is_symlink() or not path.is_file() or path.stat().st_mtime < since:
                continue
            if path.stat().st_size > LARGEST_FILE_BYTES:
                continue
            if needle in path.read_bytes() or canary in path.name:
                found.append(str(path))
    return found


def in_redis(site: Site, canary: str) -> list[str]:
    """Return the keys that hold the canary, dumped as Redis would write them to a disk."""
    client = redis.Redis.from_url(site.redis.url)
    found = []
    for key in client.scan_iter("*"):
        if canary.encode() in key or canary.encode() in (client.dump(key) or b""):
            found.append(key.decode(errors="replace"))
    client.close()
    return found


def chat_keys(site: Site) -> list[bytes]:
    client = redis.Redis.from_url(site.redis.url)
    try:
        return list(client.scan_iter("chat:*"))
    finally:
        client.close()


def assert_nowhere(site: Site, temporary: Path, canary: str, *, since: float) -> None:
    """The canary is in no table, no byte of PostgreSQL's, no key of Redis, no log and no other file."""
    site.postgres.sql("CHECKPOINT")
    assert in_tables(site, canary) == []
    assert in_redis(site, canary) == []
    assert in_files([site.folder.path, temporary], canary) == []
    assert in_files([Path("/dev/shm"), Path(tempfile.gettempdir())], canary, since=since) == []
