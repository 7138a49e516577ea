"""Passages, approved pairs and the digest, from a folder of our own and from the one that ships."""

from pathlib import Path

import pytest
from django.core.checks import run_checks

from content.bodies import estimated_tokens
from content.checks import check_content
from content.library import content_digest, languages, library
from content.passages import approved_pairs, passages, synonyms
from content.soundness import errors

PAGE = """---
title: {title}
description: One sentence.
status: {status}
updated: 2026-11-21
topics: [privacy]
ai_assisted: true
reviewed_by: null
questions:
  - ask: ["{ask}"]
    answer: >-
      A plain
      answer.
    section: heading
---
## Heading

{text}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    content = tmp_path / "content"
    content.mkdir()
    (content / "topics.yaml").write_text("privacy: {en: Privacy, fr: Vie privée}\n", encoding="utf-8")
    for slug in ("alpha", "beta"):
        for language in ("en", "fr"):
            write(content, slug, language)
    return content


def write(root: Path, slug: str, language: str, **changes: str) -> None:
    path = root / "knowledge" / slug / f"{language}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"title": slug, "status": "published", "ask": f"What is {slug}?", "text": "One passage."} | changes
    path.write_text(PAGE.format(**values), encoding="utf-8")


def wrong(root: Path) -> list[str]:
    return [str(error) for error in errors(library(root=root))]


def search(root: Path, slug: str, *phrasings: str) -> None:
    """Add phrasings to the only section of a document."""
    path = root / "knowledge" / slug / "en.md"
    lines = "".join(f"    - {phrasing}\n" for phrasing in phrasings)
    path.write_text(
        path.read_text(encoding="utf-8").replace("---\n## ", f"search:\n  heading:\n{lines}---\n## "), encoding="utf-8"
    )


def test_each_section_is_a_passage_with_its_address(root: Path) -> None:
    assert [(each.id, each.url) for each in passages("en", root=root)] == [
        ("alpha#heading", "/knowledge/alpha/#heading"),
        ("beta#heading", "/knowledge/beta/#heading"),
    ]
    assert passages("fr", root=root)[0].url == "/fr/knowledge/alpha/#heading"


def test_a_passage_carries_its_phrasings_and_two_documents_cannot_share_one(root: Path) -> None:
    phrasings = ("Who spies on me?", "Am I tracked?", "Who follows me?", "Any analytics?")
    search(root, "alpha", *phrasings)
    assert [passage.phrasings for passage in passages("en", root=root)] == [phrasings, ()]

    search(root, "beta", "Is it dear?", "am i  TRACKED", "Who pays?", "Any fees?")
    assert wrong(root) == [
        "content/knowledge/beta/en.md:18: search.heading[1]: also leads to content/knowledge/alpha/en.md"
    ]


def test_approved_pairs_point_to_the_passage_that_proves_them(root: Path) -> None:
    pair = approved_pairs("fr", root=root)[0]

    assert (pair.questions, pair.answer) == (("What is alpha?",), "A plain answer.")
    assert (pair.passage, pair.url) == ("alpha#heading", "/fr/knowledge/alpha/#heading")


def test_drafts_appear_nowhere(root: Path) -> None:
    write(root, "beta", "en", status="draft")

    assert [each.document for each in passages("en", root=root)] == ["alpha"]
    assert [each.document for each in approved_pairs("en", root=root)] == ["alpha"]


def test_a_missing_language_is_an_error(root: Path) -> None:
    (root / "knowledge" / "beta" / "fr.md").unlink()

    assert wrong(root) == ["content/knowledge/beta/fr.md:1: missing: every language is needed"]


def test_a_passage_of_more_than_200_tokens_is_refused(root: Path) -> None:
    write(root, "alpha", "en", text="word " * 130)

    assert wrong(root) == ["content/knowledge/alpha/en.md:16: heading: about 202 tokens, a passage has at most 200"]


def test_one_phrasing_cannot_have_two_answers(root: Path) -> None:
    write(root, "beta", "en", ask="what is  ALPHA")

    problem = "questions[0].ask[0]: also asked in content/knowledge/alpha/en.md questions[0]"
    assert wrong(root) == [f"content/knowledge/beta/en.md:10: {problem}"]


def test_a_file_in_an_unknown_language_is_an_error(root: Path) -> None:
    (root / "knowledge" / "beta" / "de.md").write_text("hallo", encoding="utf-8")

    assert wrong(root) == ["content/knowledge/beta/de.md:1: expected one of en.md, fr.md"]


def test_synonyms_are_read_and_checked(root: Path) -> None:
    folder = root / "synonyms"
    folder.mkdir()
    (folder / "en.yaml").write_text("- [erase, delete]\n- [cost, price]\n", encoding="utf-8")
    assert synonyms("en", root=root) == (("erase", "delete"), ("cost", "price"))
    assert synonyms("fr", root=root) == ()

    (folder / "en.yaml").write_text("- [erase, delete]\n- [alone]\n", encoding="utf-8")
    assert wrong(root) == ["content/synonyms/en.yaml:2: [1]: expected `array` of length >= 2"]
    assert synonyms("en", root=root) == (("erase", "delete"), ("cost", "price"))  # the last sound list


def test_the_digest_changes_with_a_file_and_comes_back_with_it(root: Path) -> None:
    before = content_digest(root=root)

    write(root, "beta", "en", text="Another passage.")
    changed = content_digest(root=root)
    write(root, "beta", "en")

    assert changed != before
    assert content_digest(root=root) == before


def test_an_address_costs_more_tokens_than_its_words() -> None:
    assert estimated_tokens("word " * 100, "en") == 155
    assert estimated_tokens("https://example.org/" + "a" * 480, "en") == 100


def test_our_own_content_is_sound() -> None:
    assert [str(error) for error in errors(library())] == []
    assert check_content(app_configs=None) == []
    assert not [message for message in run_checks() if message.id == "content.E001"]


@pytest.mark.parametrize("language", languages())
def test_every_section_of_ours_can_be_found_in_visitors_words(language: str) -> None:
    assert [passage.id for passage in passages(language) if passage.kind == "knowledge" and not passage.phrasings] == []


@pytest.mark.parametrize("language", languages())
def test_our_own_pairs_are_proved_by_a_published_passage(language: str) -> None:
    known = {passage.id for passage in passages(language)}

    assert known
    assert {pair.passage for pair in approved_pairs(language)} <= known
