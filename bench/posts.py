"""A thousand posts in two languages: how soon the site serves, what a page costs meanwhile, how long a search takes."""

import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bench.report import Result, run_program
from bench.stage import bench_site
from siteproject.stack.folder import ROOT
from tests.live import Site

POSTS = 1000
PARAGRAPHS = 15
SEARCHES = 60
WORDS = ("memory", "energy of an answer", "passage", "licence", '"model server"', "cookies", "redis", "question limit")
BUILT_S = 120.0

FRONT = """---
title: Post {number}
description: Paragraphs of our own pages in another order.
status: published
published: 2026-{month:02}-{day:02}
updated: 2026-11-21
topics: [speed]
ai_assisted: true
reviewed_by: null
sources: []
---
"""


def measure() -> list[Result]:
    """Start the site on a thousand posts twice: with nothing kept, then with what the first start has kept."""
    with thousand_posts() as folder, bench_site({"CONTENT_DIR": str(folder)}, model=False) as site:
        site.stop()
        for kept in (site.folder.path / "cache").glob("content-*"):
            kept.unlink()
        cold_s = _start(site)
        meanwhile = _pages_until_built(site, starts=2)
        site.stop()
        warm_s = _start(site)
        searches = _searches(site)
    return [
        Result("start, nothing kept: first post served", cold_s, "s"),
        Result("start, nothing kept: all texts and indexes built", meanwhile[-1], "s"),
        Result("a post while the rest is built, p50", 1000 * statistics.median(meanwhile[:-1]), "ms"),
        Result("start, texts kept from before: first post served", warm_s, "s", 2.0),
        Result("search, p95", 1000 * statistics.quantiles(searches, n=20)[-1], "ms"),
    ]


@contextmanager
def thousand_posts() -> Iterator[Path]:
    """Yield a content folder: our own pages and knowledge, and posts made of paragraphs of the knowledge."""
    with tempfile.TemporaryDirectory(prefix="wagmi-posts-") as name:
        folder = Path(name) / "content"
        for part in ("knowledge", "pages", "posts", "synonyms"):
            shutil.copytree(ROOT / "content" / part, folder / part)
        shutil.copy(ROOT / "content" / "topics.yaml", folder)
        for language in ("en", "fr"):
            paragraphs = [
                block
                for path in sorted((folder / "knowledge").glob(f"*/{language}.md"))
                for block in path.read_text(encoding="utf-8").split("---\n", 2)[2].split("\n\n")
                if not block.startswith("#") and len(block) > 80
            ]
            for number in range(POSTS):
                _write_post(folder / "posts" / f"post-{number}" / f"{language}.md", number, paragraphs)
        yield folder


def _write_post(path: Path, number: int, paragraphs: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picked = random.Random(number).sample(paragraphs, PARAGRAPHS)
    parts = [f"## Part {at // 3 + 1}\n\n" + "\n\n".join(picked[at : at + 3]) for at in range(0, PARAGRAPHS, 3)]
    front = FRONT.format(number=number, month=number % 11 + 1, day=number % 28 + 1)
    path.write_text(front + "\n\n".join(parts) + "\n", encoding="utf-8")


def _start(site: Site) -> float:
    """Start the web process and return the seconds until it has served a post."""
    began = time.monotonic()
    site.start_web()
    httpx.get(f"{site.url}/blog/post-1/", timeout=30).raise_for_status()
    return time.monotonic() - began


def _pages_until_built(site: Site, *, starts: int) -> list[float]:
    """Read a new post every 50 ms until the log of the last of so many ``starts`` says that all is built.

    The last figure is how long that took.
    """
    began = time.monotonic()
    taken: list[float] = []
    with httpx.Client(base_url=site.url, timeout=30) as client:
        number = 2
        while site.log("web").count("content read") < starts:
            if time.monotonic() - began > BUILT_S:
                raise RuntimeError("the texts were not read in time")
            asked = time.monotonic()
            client.get(f"/blog/post-{number}/").raise_for_status()
            taken.append(time.monotonic() - asked)
            number += 1
            time.sleep(0.05)
    return [*taken, time.monotonic() - began]


def _searches(site: Site) -> list[float]:
    """Return the seconds of each search, all posts in the table."""
    site.manage("shell", "-c", "from content.search import sync_search; sync_search()")
    taken = []
    with httpx.Client(base_url=site.url, timeout=30) as client:
        for number in range(SEARCHES):
            asked = time.monotonic()
            client.get("/live/en/search/", params={"q": WORDS[number % len(WORDS)]}).raise_for_status()
            taken.append(time.monotonic() - asked)
    return taken


if __name__ == "__main__":
    sys.exit(run_program("posts", measure))
