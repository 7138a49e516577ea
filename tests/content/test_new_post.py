"""A running site answers from a post that somebody adds, and from it no more once it is gone."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from siteproject.stack.folder import ROOT
from tests.live import Site, running_site, text_of, wait_for

A_MINUTE = 60
QUESTION = "Which wax keeps the harpsichord of Vadstena from cracking?"
SENTENCE = "Beeswax from the cloister keeps the harpsichord of Vadstena from cracking."
POST = """---
title: "A harpsichord in Vadstena"
description: "How an old instrument is looked after."
status: {status}
published: 2026-11-21
updated: 2026-11-21
topics: [project]
ai_assisted: true
reviewed_by: null
sources: []
---
An old instrument stands in a hall by the lake.

## How it is looked after

{sentence} The strings are tuned before every concert.
"""


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the site's content that a test may write to."""
    folder = tmp_path_factory.mktemp("new-post") / "content"
    folder.mkdir()
    for name in ("knowledge", "pages", "posts", "synonyms"):
        shutil.copytree(ROOT / "content" / name, folder / name)
    shutil.copy(ROOT / "content" / "topics.yaml", folder)
    return folder


@pytest.fixture(scope="module")
def site(content: Path) -> Iterator[Site]:
    """A running site that reads ``content``. Its model server is away, so a quote is the whole answer."""
    with running_site(model=False, CONTENT_DIR=str(content), LLM_CPU_URL="http://127.0.0.1:9") as site:
        yield site


def write_post(content: Path, slug: str, sentence: str, *, status: str = "published") -> Path:
    folder = content / "posts" / slug
    folder.mkdir(exist_ok=True)
    for language in ("en", "fr"):
        (folder / f"{language}.md").write_text(POST.format(status=status, sentence=sentence), encoding="utf-8")
    return folder


def sources_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return next((event["sources"] for event in events if event["type"] == "sources"), [])


@pytest.mark.slow
def test_the_assistant_quotes_a_new_post_within_a_minute_and_not_once_it_is_gone(site: Site, content: Path) -> None:
    assert site.events(QUESTION)[-1]["rung"] == "none"

    folder = write_post(content, "harpsichord", SENTENCE)
    wait_for(lambda: sources_of(site.events(QUESTION)), A_MINUTE, site.log("web"))
    events = site.events(QUESTION)

    assert SENTENCE in text_of(events)
    assert sources_of(events)[0]["url"] == "/blog/harpsichord/#how-it-is-looked-after"
    assert sources_of(events)[0]["title"] == "A harpsichord in Vadstena · How it is looked after"
    assert events[-1]["receipt"]["passages"] == ["posts/harpsichord#how-it-is-looked-after"]

    shutil.rmtree(folder)
    wait_for(lambda: site.events(QUESTION)[-1]["rung"] == "none", A_MINUTE, site.log("web"))


@pytest.mark.slow
def test_a_draft_is_never_an_answer_while_the_post_written_after_it_is(site: Site, content: Path) -> None:
    folders = [
        write_post(content, "harpsichord", SENTENCE, status="draft"),
        write_post(content, "spinet", "Camphor drives the moths out of the spinet of Uddevalla."),
    ]

    # Once the second is quoted, the first has been read too.
    wait_for(
        lambda: sources_of(site.events("What drives moths out of the spinet of Uddevalla?")), A_MINUTE, site.log("web")
    )

    assert "Beeswax" not in site.ask(QUESTION).text
    assert "harpsichord" not in site.ask(QUESTION).text
    for folder in folders:
        shutil.rmtree(folder)
