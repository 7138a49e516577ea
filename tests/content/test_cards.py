"""Cards: drawn once, in the house's look, small, and again only when a word on them changes."""

import logging
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from PIL import Image

from content.cards import CardFinder, cards, draw_missing, folder, place, post_card, shared_card
from content.library import library
from siteproject.stack.folder import Folder
from siteproject.stack.preparation import steps
from tests.content.conftest import Write

LONG = "Ce que la petite machine ne sait pas\u202f: des limites mesurées à l’œil"


@pytest.fixture
def blog(folder: Path, write_post: Write, settings: Any) -> Path:
    settings.CONTENT_DIR, settings.CACHE_DIR = folder, folder.parent / "cache"
    write_post("alpha", "Words.")
    write_post("beta", "Words.", title=f'"{LONG}"')
    write_post("secret", "Words.", status="draft")
    return folder


def test_every_published_post_has_a_small_card_in_each_language(blog: Path) -> None:
    assert draw_missing() == (5, 0)

    names = sorted(card.name.rpartition("-")[0] for card in cards())
    assert names == ["cards/alpha-en", "cards/alpha-fr", "cards/beta-en", "cards/beta-fr", "cards/site"]
    for card in cards():
        assert place(card).stat().st_size <= 60_000
        with Image.open(place(card)) as picture:
            assert (picture.size, picture.mode, picture.format) == ((1200, 630), "P", "PNG")
            darkest, lightest = picture.convert("L").getextrema()
        assert darkest < 30 and lightest > 235, "ink on paper"


def test_only_what_changed_is_drawn_again_and_what_nobody_asks_for_goes(blog: Path, write_post: Write) -> None:
    draw_missing()
    before = {path.name: path.stat().st_mtime_ns for path in folder().glob("cards/*")}
    write_post("alpha", "Other words.", title="Alphabet")

    assert draw_missing() == (2, 0)

    after = {path.name: path.stat().st_mtime_ns for path in folder().glob("cards/*")}
    kept = before.keys() & after.keys()
    assert len(after) == 5 and len(kept) == 3 and all(before[name] == after[name] for name in kept)


def test_a_start_draws_the_newest_and_says_how_many_are_left(
    blog: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("content.cards.MOST_AT_A_START", 2)

    with caplog.at_level(logging.WARNING):
        found = [name for name, _storage in CardFinder().list([])]

    assert len(found) == 2
    assert "3 cards are not drawn yet" in caplog.text


def test_a_title_in_letters_the_font_lacks_gets_the_card_of_the_site(blog: Path, write_post: Write) -> None:
    write_post("alpha", "Words.", title="שלום")

    assert draw_missing() == (3, 0)
    post = library().find("posts", "alpha", "en")
    assert post and not place(post_card(post)).exists()


def test_a_card_that_was_not_collected_is_not_linked(blog: Path, settings: Any, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.DEBUG = False
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
    }
    post = library().find("posts", "alpha", "en")

    assert shared_card(post) is None


def test_a_developer_sees_a_card_without_collecting(blog: Path) -> None:
    post = library().find("posts", "alpha", "fr")
    assert post

    assert finders.find(post_card(post).name) == str(place(post_card(post)))
    assert CardFinder().find("cards/nothing.png") == []


def test_a_start_collects_again_when_a_post_changes(
    blog: Path, write_post: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTENT_DIR", str(blog))
    (tmp_path / "var" / "static").mkdir(parents=True)
    (tmp_path / "var" / "static" / "staticfiles.json").touch()
    collect = next(step for step in steps(Folder(tmp_path / "var"), None) if step.command[0] == "collectstatic")
    collect.finished()
    assert not collect.needed()

    write_post("alpha", "Words.", title="Alphabet")

    assert collect.needed()
