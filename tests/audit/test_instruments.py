"""The audit's own instruments find what they look for; a blind one would call every page well."""

import json

import pytest
from django.test import Client

from bench.node_tools import LOCKED
from tests.audit import words
from tests.audit.links import Targets, target
from tests.audit.markup import Page, findings, ill_formed, page_of

HEAD = (
    '<!doctype html><html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="x">'
    '<title>A page</title><meta name="description" content="Twenty letters or more say what is here."></head>'
)


def written(body: str, language: str = "en") -> Page:
    html = HEAD.format(language=language) + f"<body><main><h1>Boats</h1>{body}</main></body></html>"
    return page_of("/here/", language, html)


def test_a_sound_page_has_no_finding() -> None:
    body = (
        '<p id="a">One<br>two</p><svg viewBox="0 0 1 1"><path d="M0 0"/></svg><img src="x" alt="" width="1" height="1">'
    )

    assert findings(written(body)) == []


@pytest.mark.parametrize(
    ("markup", "finding"),
    [
        ("<p>One<span>two</p>", "</p> closes over <span>"),
        ("<p>One</p></div>", "</div> closes nothing"),
        ("<div/>", "<div/> does not close itself"),
        ("<section>", "<section> of line 1"),
        ('<p class="a" class="b">x</p>', "<p> has class 2 times"),
        ("<p><ul></ul></p>", "<ul> inside a paragraph"),
        ('<a href="/">a<a href="/">b</a></a>', "a link inside a link"),
        ('<p id="a"></p><p id="a"></p>', "the id a is given 2 times"),
        ('<label for="nothing">x</label>', "for=nothing names no element"),
        ("<h1>Again</h1>", "2 elements h1"),
        ("<h3>Deep</h3>", "h3 follows h1"),
        ('<img src="x" alt="">', "img x without width, height"),
    ],
)
def test_a_fault_in_the_markup_is_found(markup: str, finding: str) -> None:
    assert any(finding in found for found in findings(written(markup)))


def test_what_is_never_closed_is_found() -> None:
    assert ill_formed("<div><p>x</p>") == ["line 1: <div> is never closed"]


@pytest.mark.parametrize(
    ("href", "finding"),
    [
        ("/nowhere/", "/nowhere/ answers 404"),
        ("nowhere/", "nowhere/ answers 404"),
        ("#nothing", "#nothing: no element has that id"),
        ("/method/", "/method/ answers 301 /frugality/"),
        ("/static/css/nothing.css", "/static/css/nothing.css is no static file"),
        ("http://example.org/", "http://example.org/ is no secure address"),
    ],
)
def test_a_link_that_leads_nowhere_is_found(client: Client, href: str, finding: str) -> None:
    page = written(f'<a href="{href}">x</a>')

    assert list(Targets({page.path: page}, client).findings(page)) == [finding]


def test_a_link_that_leads_somewhere_is_no_finding(client: Client) -> None:
    page = written(
        '<a href="#a" id="a">x</a><a href="/">x</a><a href="https://example.org/">x</a><a href="mailto:x@y.z">x</a>'
    )

    assert list(Targets({page.path: page}, client).findings(page)) == []
    assert target("/fr/a/", "../b/?q=1#c") and target("/fr/a/", "../b/?q=1#c").address == "/fr/b/?q=1"  # type: ignore[union-attr]


def test_words_of_another_language_are_found_beside_their_own() -> None:
    page = written('<p>Skip to the content</p><p>Aller au contenu</p><p aria-label="How it works">x</p>', "fr")

    assert words.left_in_another_language(words.said_on(page)) == ["How it works", "Skip to the content"]


def test_words_in_code_and_in_a_marked_language_are_let_be() -> None:
    page = written('<pre>Skip to the content</pre><p lang="en">How it works</p><p translate="no">Terms</p>', "fr")

    assert words.left_in_another_language(words.said_on(page)) == []


def test_a_sentence_nobody_gave_the_catalog_is_found_by_its_small_words() -> None:
    page = written(
        "<p>This is what the page says when nobody has translated it.</p><p>Ceci est la page de ce site.</p>", "fr"
    )

    assert [found[:12] for found in words.sounding_foreign(words.sentences_on(page))] == ["fr? This is "]


def test_a_phrase_that_is_the_same_in_both_languages_is_found() -> None:
    english, french = (
        written("<p>Read more</p><p>PostgreSQL 18</p>"),
        written("<p>Read more</p><p>PostgreSQL 18</p>", "fr"),
    )

    assert words.same_in_both(english, french) == ["Read more"]


def test_the_lock_of_the_programs_for_node_holds_a_hash_for_each_and_no_address() -> None:
    text = (LOCKED / "package-lock.json").read_text(encoding="utf-8")
    packages = {name: package for name, package in json.loads(text)["packages"].items() if name}

    assert [name for name, package in packages.items() if not package.get("integrity")] == []
    assert "://" not in text
