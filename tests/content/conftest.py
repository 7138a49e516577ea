"""A content folder of a test's own, with topics, into which documents are written."""

from collections.abc import Callable
from pathlib import Path

import pytest

FRONT = """---
title: {title}
description: One sentence.
status: {status}
published: {published}
updated: 2026-11-21
topics: [privacy]
ai_assisted: true
reviewed_by: null
sources: []
---
{text}
"""
Write = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "content"
    root.mkdir()
    (root / "topics.yaml").write_text("privacy: {en: Privacy, fr: Vie privée}\n", encoding="utf-8")
    return root


@pytest.fixture
def write_post(folder: Path) -> Write:
    """Return a function that writes a post, in both languages unless one is named."""

    def write(slug: str, text: str, *languages: str, **changes: str) -> Path:
        path = folder / "posts" / slug
        path.mkdir(parents=True, exist_ok=True)
        values = {"title": slug.capitalize(), "status": "published", "published": "2026-11-21", "text": text} | changes
        for language in languages or ("en", "fr"):
            (path / f"{language}.md").write_text(FRONT.format(**values), encoding="utf-8")
        return path

    return write
