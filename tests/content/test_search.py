"""Search on a real PostgreSQL: what is published is found by its stems, whatever accents somebody types."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from django.db import OperationalError, connection, connections
from django.test import Client

from content.models import SearchEntry
from content.search import LOCK, MAX_QUERY_CHARS, MAX_RESULTS, Synced, excerpt, search, sync_search
from siteproject.languages import Facts, Language
from siteproject.tasks import sync_search as sync_search_task
from tests.live import running_site

POST = """---
title: "{title}"
description: "{description}"
status: {status}
published: 2031-03-04
updated: 2031-03-04
topics: [sea]
ai_assisted: false
reviewed_by: null
---
{text}
"""
Write = Callable[..., Path]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def write(tmp_path: Path, settings) -> Write:  # type: ignore[no-untyped-def]
    """Write a post into a content folder of our own."""
    settings.CONTENT_DIR = tmp_path / "content"
    settings.CONTENT_DIR.mkdir()
    (settings.CONTENT_DIR / "topics.yaml").write_text("sea: {en: Sea, fr: Mer}\n", encoding="utf-8")

    def post(slug: str, text: str, *, language: str = "en", title: str = "A post", status: str = "published") -> Path:
        path: Path = settings.CONTENT_DIR / "posts" / slug / f"{language}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        filled = POST.format(title=title, description="One sentence.", status=status, text=text)
        path.write_text(filled, encoding="utf-8")
        return path

    return post


def found(query: str, language: str = "en") -> list[str]:
    return [result.url for result in search(query, language)]


@pytest.mark.parametrize(
    ("language", "text", "queries"),
    [
        ("en", "The harbours were measured twice.", ["harbour", "measuring", "HARBOURS measure"]),
        ("fr", "Les marées montantes ont été observées depuis l’estuaire.", ["marée", "observer", "ESTUAIRES montant"]),
    ],
)
def test_a_word_is_found_in_its_other_forms(write: Write, language: str, text: str, queries: list[str]) -> None:
    write("tides", text, language=language)
    sync_search()

    prefix = "/fr" if language == "fr" else ""
    assert [found(query, language) for query in queries] == [[f"{prefix}/blog/tides/"]] * len(queries)


@pytest.mark.parametrize("query", ["énergie", "energie", "ÉNERGIES", "l'énergie", "l’energie", "e\u0301nergie"])
def test_accents_and_apostrophes_do_not_matter(write: Write, query: str) -> None:
    write("current", "On mesure l’énergie des courants.", language="fr")
    sync_search()

    assert found(query, "fr") == ["/fr/blog/current/"]


def test_ligatures_are_taken_apart_on_both_sides(write: Write) -> None:
    write("work", "La mise en œuvre est simple.", language="fr")
    sync_search()

    assert found("oeuvre", "fr") == found("œuvre", "fr") == ["/fr/blog/work/"]


def test_a_phrase_is_found_as_it_stands_and_a_minus_leaves_out(write: Write) -> None:
    write("first", "The slow water rises at noon.")
    write("second", "Slow boats cross the water at night.")
    sync_search()

    assert found('"slow water"') == ["/blog/first/"]
    assert found("slow water -boats") == ["/blog/first/"]
    assert sorted(found("slow water")) == ["/blog/first/", "/blog/second/"]
    assert sorted(found("noon or night")) == ["/blog/first/", "/blog/second/"]


def test_a_title_weighs_more_than_a_heading_and_a_heading_more_than_text(write: Write) -> None:
    write("text", "There is a lighthouse here and some words more.")
    write("heading", "## The lighthouse\n\nThere is a house here and some words more.")
    write("title", "There is a house here and some words more.", title="A lighthouse")
    sync_search()

    assert found("lighthouse") == ["/blog/title/", "/blog/heading/", "/blog/text/"]


def test_a_text_is_found_in_its_own_language_alone(write: Write) -> None:
    write("fog", "Nothing but fog.", language="en")
    write("fog", "Rien que la brume.", language="fr")
    sync_search()

    assert found("fog", "fr") == found("brume", "en") == []
    assert found("brume", "fr") == ["/fr/blog/fog/"]


def test_a_further_language_is_stemmed_by_the_name_that_it_has_in_english(write: Write, settings) -> None:  # type: ignore[no-untyped-def]
    facts = Facts(name="Qabisch")
    german = Language("de", "Deutsch", "German", right_to_left=False, facts=facts)
    unknown = Language("qab", "Qabisch", "Qabish", right_to_left=False, facts=facts)
    settings.SITE_LANGUAGES = {**settings.SITE_LANGUAGES, "de": german, "qab": unknown}
    settings.LANGUAGES = [*settings.LANGUAGES, ("de", "Deutsch"), ("qab", "Qabisch")]
    write("flut", "Die Häuser stehen hoch über der Flut.", language="de")
    write("flut", "Qo häuser zu flut.", language="qab")
    sync_search()

    assert found("haus", "de") == found("hausern", "de") == ["/de/blog/flut/"]
    assert found("haus", "qab") == [] and found("HAUSER", "qab") == ["/qab/blog/flut/"]


def test_a_draft_is_never_found(write: Write) -> None:
    write("secret", "Nobody knows of the wreck.", status="draft")
    assert sync_search() == Synced(0, 0)
    write("secret", "Nobody knows of the wreck.")
    sync_search()
    assert found("wreck") == ["/blog/secret/"]

    write("secret", "Nobody knows of the wreck.", status="draft")
    sync_search_task()

    assert found("wreck") == [] and not SearchEntry.objects.exists()


def test_a_removed_post_disappears_and_a_changed_one_is_found_by_its_new_words(write: Write) -> None:
    gone, changed = write("gone", "A pier of oak."), write("changed", "A pier of stone.")
    assert sync_search() == Synced(2, 0)

    gone.unlink()
    changed.write_text(changed.read_text().replace("pier of stone", "quay of iron"))

    assert sync_search() == Synced(1, 2)
    assert found("pier") == [] and found("quay") == ["/blog/changed/"]


def test_nothing_is_written_where_nothing_has_changed(write: Write) -> None:
    write("calm", "The sea is calm.")
    sync_search()
    before = list(SearchEntry.objects.values_list("pk", flat=True))

    assert sync_search() == Synced(0, 0)
    assert list(SearchEntry.objects.values_list("pk", flat=True)) == before


def test_a_changed_value_is_written_again_as_its_readers_write_it(write: Write, settings) -> None:  # type: ignore[no-untyped-def]
    settings.MACHINE_USD_PER_MONTH = 1234
    write("price", "It costs {{ machine_usd_per_month }} dollars.", language="fr")
    sync_search()
    assert "1\u202f234 dollars" in SearchEntry.objects.get().text.replace("\xa0", "\u202f")

    settings.MACHINE_USD_PER_MONTH = 77

    assert sync_search() == Synced(1, 1)
    assert found("77", "fr") == ["/fr/blog/price/"]


def test_two_processes_do_not_write_at_once(write: Write) -> None:
    write("calm", "The sea is calm.")
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            held.set()
            release.wait(10)
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        connections.close_all()

    other = threading.Thread(target=hold)
    other.start()
    held.wait(10)

    assert sync_search() == Synced(0, 0)

    release.set()
    other.join()
    assert sync_search() == Synced(1, 0)


def test_the_excerpt_shows_the_matches_as_they_stand_in_the_text(write: Write) -> None:
    words = "Un mot de plus. " * 60
    write("deep", f"{words}La mise en œuvre de l’énergie marémotrice est lente. {words}", language="fr")
    sync_search()

    (result,) = search("energie oeuvre", "fr")

    shown = "".join(text for text, _is_match in result.excerpt)
    assert [text for text, is_match in result.excerpt if is_match] == ["œuvre", "énergie"]
    assert "La mise en œuvre de l’énergie marémotrice" in shown and len(shown) < 260
    assert shown.startswith("… ") and shown.endswith(" …")


def test_an_excerpt_without_a_match_is_the_beginning() -> None:
    assert excerpt("Short text.", []) == (("Short text.", False),)
    assert excerpt("word " * 100, [], length=20) == (("word word word word", False), (" …", False))


def test_no_more_than_twenty_are_listed(write: Write) -> None:
    for number in range(MAX_RESULTS + 3):
        write(f"wave-{number}", "A wave.")
    sync_search()

    assert len(found("wave")) == MAX_RESULTS


@pytest.mark.parametrize(
    "query", ["", "the", "!!! & | <-> :*", "'", '"', "\\", "a & !b:*", "\x00wave\x00", "-", "or or"]
)
def test_whatever_is_typed_is_answered(write: Write, client: Client, query: str) -> None:
    write("wave", "A wave.")
    sync_search()

    response = client.get("/live/en/search/", {"q": query})

    assert response.status_code == 200
    assert ("/blog/wave/" in response.content.decode()) == ("wave" in query)


@pytest.mark.parametrize("query", [" or ".join(["wave water tide"] * 12), "wave " * 40, "-a -b " * 33])
def test_no_query_of_two_hundred_characters_is_slow(write: Write, query: str) -> None:
    for number in range(MAX_RESULTS):
        write(f"wave-{number}", "The tide brings a wave of water, and another wave. " * 200)
    sync_search()
    begun = time.perf_counter()

    search(query, "en")

    assert time.perf_counter() - begun < 1  # measured: 0.05 s


def test_the_page_shows_words_and_never_their_markup(write: Write, client: Client) -> None:
    text = "A \\<script>alert(1)\\</script> stands & <b>waves</b> here."
    write("bad", text, title="Is <i>this</i> a title?")
    sync_search()

    page = client.get("/live/en/search/", {"q": 'waves "><script>alert(2)</script>'}).content.decode()
    hit = client.get("/live/en/search/", {"q": "waves"}).content.decode()

    assert "<script>alert" not in page + hit and "<b>" not in hit and "<i>this" not in hit
    assert "&lt;b&gt;<mark>waves</mark>&lt;/b&gt;" in hit and "&lt;i&gt;this" in hit


def test_a_query_has_at_most_two_hundred_characters(write: Write, client: Client) -> None:
    write("wave", "A wave.")
    sync_search()

    longest = client.get("/live/en/search/", {"q": ("wave " * 40).strip()})
    longer = client.get("/live/en/search/", {"q": "w" * (MAX_QUERY_CHARS + 1)})

    assert longest.status_code == 200 and "/blog/wave/" in longest.content.decode()
    assert longer.status_code == 400 and str(MAX_QUERY_CHARS) in longer.content.decode()
    assert "w" * (MAX_QUERY_CHARS + 1) not in longer.content.decode()


def test_the_page_is_in_the_language_of_its_address_and_kept_nowhere(write: Write, client: Client) -> None:
    write("marees", "Les marées montent.", language="fr")
    sync_search()

    response = client.get("/live/fr/search/", {"q": "maree"})

    page = response.content.decode()
    assert 'lang="fr"' in page and 'href="/fr/blog/marees/"' in page and "<mark>marées</mark>" in page
    assert response.headers["Cache-Control"] == "no-store" and not response.cookies
    assert client.get("/live/xx/search/").status_code == 404
    assert client.post("/live/en/search/", {"q": "maree"}).status_code == 405


@pytest.mark.parametrize(("language", "said"), [("en", "being prepared"), ("fr", 'lang="fr"')])
def test_until_the_worker_has_run_the_page_says_so_and_not_that_nothing_holds_the_words(
    write: Write, client: Client, language: str, said: str
) -> None:
    write("wave", "A wave.")

    before = client.get(f"/live/{language}/search/", {"q": "wave"})
    empty = client.get(f"/live/{language}/search/")
    sync_search()
    after = client.get(f"/live/{language}/search/", {"q": "tempest"})

    page = before.content.decode()
    assert before.status_code == 503 and before.headers["Retry-After"] == "30"
    assert said in page and 'value="wave"' in page and "<strong>wave</strong>" not in page
    assert empty.status_code == 200  # asking for nothing asks no database
    assert after.status_code == 200 and "<strong>tempest</strong>" in after.content.decode()


def test_where_nothing_is_published_nothing_is_found(write: Write, client: Client) -> None:
    assert client.get("/live/en/search/", {"q": "wave"}).status_code == 200


def test_what_is_sought_is_in_no_log(write: Write, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client.get("/live/en/search/", {"q": "unmistakable"})

    # The client of the tests and SQL in debug mode log requests by themselves; our own lines do not.
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("content", "siteproject"))]
    assert not [line for line in ours if "unmistakable" in line]


def test_a_search_that_takes_too_long_is_ended(write: Write, settings, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    write("wave", "A wave.")
    sync_search()
    monkeypatch.setattr("content.search.STATEMENT_TIMEOUT_MS", 50)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE content_searchentry IN ACCESS EXCLUSIVE MODE")
            held.set()
            release.wait(10)
            cursor.execute("ROLLBACK")
        connections.close_all()

    other = threading.Thread(target=hold)
    other.start()
    held.wait(10)

    with pytest.raises(OperationalError):
        search("wave", "en")
    page = Client().get("/live/fr/search/", {"q": "wave"})

    release.set()
    other.join()
    assert page.status_code == 503 and page.headers["Retry-After"] == "5"
    assert 'lang="fr"' in page.content.decode() and 'value="wave"' in page.content.decode()


@pytest.mark.slow
def test_without_a_database_the_page_says_so_and_when_to_come_back() -> None:
    with running_site(model=False) as site:
        site.postgres.stop()
        response = httpx.get(f"{site.url}/live/fr/search/", params={"q": "receipt"}, timeout=20)
        empty = httpx.get(f"{site.url}/live/fr/search/", timeout=20)

    assert response.status_code == 503 and response.headers["Retry-After"] == "5"
    assert 'lang="fr"' in response.text and 'value="receipt"' in response.text
    assert "receipt" not in site.log("web")
    assert empty.status_code == 200  # asking for nothing asks no database
