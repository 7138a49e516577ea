"""Every public page as its bytes say it, without a browser: markup, outline, titles, links and words."""

from collections import Counter

import pytest
from django.test import Client

from content.site import public_pages
from tests.audit import words
from tests.audit.links import Targets
from tests.audit.markup import Page, findings

Found = dict[str, list[str]]


def tell(found: Found) -> None:
    """Fail with every finding as a line of its own, page by page: one run tells them all."""
    lines = [f"{path}: {one}" for path, ones in found.items() for one in ones]
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def test_every_page_is_written_as_html_should_be(public: dict[str, Page]) -> None:
    tell({path: findings(page) for path, page in public.items()})


@pytest.mark.django_db
def test_every_link_and_every_anchor_leads_somewhere(public: dict[str, Page], client: Client) -> None:
    targets = Targets(public, client)

    tell({path: list(targets.findings(page)) for path, page in public.items()})


def test_no_two_pages_of_a_language_share_a_title_or_a_description(public: dict[str, Page]) -> None:
    found: Found = {}
    for what in ("title", "description"):
        counts = Counter((page.language, getattr(page, what)) for page in public.values())
        for path, page in public.items():
            if counts[page.language, getattr(page, what)] > 1:
                found.setdefault(path, []).append(f"shares its {what}: {getattr(page, what)}")

    tell(found)


def test_no_word_of_the_catalog_is_left_in_another_language(public: dict[str, Page]) -> None:
    tell({path: words.left_in_another_language(words.said_on(page)) for path, page in public.items()})


def test_no_sentence_sounds_like_another_language(public: dict[str, Page]) -> None:
    tell({path: words.sounding_foreign(words.sentences_on(page)) for path, page in public.items()})


def test_no_words_stand_untranslated_on_a_page_and_its_translation(public: dict[str, Page]) -> None:
    found: Found = {}
    for page in public_pages():
        for code, path in page.alternates.items():
            if code != page.language:
                found[f"{page.path} and {path}"] = words.same_in_both(public[page.path], public[path])

    tell(found)
