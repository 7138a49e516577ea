"""A document is read as its author meant it, or refused with the line to look at."""

from pathlib import Path

import pytest

from content.bodies import read_body
from content.documents import read_document
from content.errors import ContentError
from content.library import library
from content.soundness import errors

SOUND = """---
title: Cookies
description: What the site keeps in your browser.
status: published
updated: 2026-11-21
topics: [privacy]
ai_assisted: true
reviewed_by: null
questions:
  - ask: ["Do you use cookies?", "Any cookies here?"]
    answer: The public pages set no cookie.
    section: no-cookie-at-all
search:
  no-cookie-at-all:
    - Do you spy on me?
    - Where is the popup?
    - Must I accept anything?
    - Is there a banner?
---
## No cookie at all

The public pages set **no** cookie. A [link](https://example.org) and `code`
stay readable.

## Été à l'école

Second passage.
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "content" / "knowledge" / "cookies" / "en.md"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def read(tmp_path: Path, text: str):
    return read_document(write(tmp_path, text), kind="knowledge", root=tmp_path / "content")


def wrong(tmp_path: Path, text: str) -> list[str]:
    """Return what is wrong with a file, without the other language that it lacks."""
    write(tmp_path, text)
    topics = tmp_path / "content" / "topics.yaml"
    topics.write_text("privacy: {en: Privacy, fr: Vie privée}\n", encoding="utf-8")
    return [str(error) for error in errors(library(root=tmp_path / "content")) if "/fr.md" not in error.file]


def test_a_sound_document_keeps_its_words_and_loses_its_markup(tmp_path: Path) -> None:
    document = read(tmp_path, SOUND)

    assert (document.slug, document.language, document.published) == ("cookies", "en", True)
    sections = read_body(document).sections
    assert [section.anchor for section in sections] == ["no-cookie-at-all", "ete-a-lecole"]
    assert sections[0].text == "The public pages set no cookie. A link and code stay readable."
    assert sections[1].line == 25
    assert document.meta.search["no-cookie-at-all"][1] == "Where is the popup?"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("title: Cookies", f"title: {'x' * 71}", "2: title: expected `str` of length <= 70"),
        ("title: Cookies\n", "", "2: object missing required field `title`"),
        ("status: published", "status: public", "4: status: invalid enum value 'public'"),
        ("updated: 2026-11-21", "updated: soon", "5: updated: invalid RFC3339"),
        ("topics: [privacy]", "topics: []", "6: topics: expected `array` of length >= 1"),
        ("topics: [privacy]", "topics: [Privacy!]", "6: topics[0]: expected `str` matching regex"),
        ("ai_assisted: true", "ai_assisted: perhaps", "7: ai_assisted: expected `bool`, got `str`"),
        ("reviewed_by: null", "reviewed: null", "8: reviewed: object contains unknown field `reviewed`"),
        ("reviewed_by: null", "title: Again", "8: title: given twice"),
        ("    answer: The public pages set no cookie.", "    answer: 7", "11: questions[0].answer: expected `str`"),
        ("section: no-cookie-at-all", "section: nowhere", "12: questions[0].section: no section nowhere"),
        ("search:\n  no-cookie-at-all:", "search:\n  nowhere:", "14: search.nowhere: no section nowhere"),
        ("    - Is there a banner?\n", "", "14: search.no-cookie-at-all: 3 phrasings, a section has 4 to 8"),
        (
            "- Is there a banner?",
            "- where is  the POPUP",
            "18: search.no-cookie-at-all[3]: stands at search.no-cookie-at-al",
        ),
        ("- Is there a banner?", f"- {'x' * 121}", "18: search.no-cookie-at-all[3]: expected one line of 1 to 120"),
        ("- Is there a banner?", "- 7", "13: search[...][3]: expected `str`, got `int`"),
        ("topics: [privacy]", "topics: [privacy", "7: did not find expected ',' or ']'"),
        ("---\ntitle", "title", "1: expected front matter"),
        ("## No cookie at all", "No heading", "20: expected the text to begin with a heading"),
        ("## Été à l'école", "### Deeper", "25: expected ## headings only, found ###"),
        ("## Été à l'école", "## No cookie at all", "25: two sections are named no-cookie-at-all"),
        ("\nSecond passage.\n", "", '25: the section "Été à l\'école" needs'),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in SOUND

    found = wrong(tmp_path, SOUND.replace(old, new, 1))

    assert any(line.startswith(f"content/knowledge/cookies/en.md:{expected}") for line in found), found


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.write_bytes(SOUND.encode("utf-16"))

    with pytest.raises(ContentError, match="not UTF-8"):
        read_document(path, kind="knowledge", root=tmp_path / "content")
