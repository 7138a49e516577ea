"""A further language is a matter of files: its skeleton, what it lacks, and a whole site in one that nobody speaks."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import httpx
import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from django.conf import settings as site_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from chat.grounding import thresholds
from chat.language import language_of
from chat.profanity import is_profane
from chat.sentences import sentences
from chat.words import stem, stop_words, terms
from content.library import library
from content.markdown import anchor_of
from content.soundness import errors
from siteproject.languages import Facts, Language, introduce, read_languages
from siteproject.management.commands.checkcatalogs import Wanted, broken, untranslated
from siteproject.stack.folder import ROOT
from tests.live import Site, running_site, text_of, wait_for

HEAD = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'


@pytest.fixture
def locales(tmp_path: Path, settings) -> Path:  # type: ignore[no-untyped-def]
    """A folder of catalogs of our own, with the French one in it."""
    folder = tmp_path / "locale"
    catalog(folder, "fr")
    settings.LOCALE_PATHS = [folder]
    return folder


def catalog(folder: Path, name: str, *, facts: str = "") -> None:
    path = folder / name / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    path.write_text(HEAD)
    if facts:
        (folder / name / "language.yaml").write_text(facts, encoding="utf-8")


def started(code: str, *options: str) -> str:
    printed = StringIO()
    call_command("start_language", code, *options, stdout=printed)
    return printed.getvalue()


# --- what a folder of locale/ says ---


def test_each_folder_with_a_catalog_is_a_language_in_a_steady_order(locales: Path) -> None:
    for name in ("pt_BR", "de", "ar"):
        catalog(locales, name)
    (locales / "notes").mkdir()

    found = read_languages(locales, first="en", complete=("en", "fr"))

    assert list(found) == ["en", "fr", "ar", "de", "pt-br"]
    assert [found[code].name for code in ("en", "fr", "de", "pt-br")] == [
        "English", "Français", "Deutsch", "Português Brasileiro",
    ]  # fmt: skip
    assert found["ar"].right_to_left and not found["de"].right_to_left
    assert found["pt-br"].english_name == "Portuguese"


def test_a_language_that_django_does_not_know_is_introduced_by_its_file(locales: Path) -> None:
    catalog(locales, "qab", facts="{name: qabisch, english_name: Qabish, direction: rtl}")

    found = read_languages(locales, first="en", complete=("en", "fr"))

    assert (found["qab"].name, found["qab"].right_to_left) == ("Qabisch", True)
    assert "qab" in introduce(found) and "fr" not in introduce(found)


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ("", "its name is needed"),
        ("{nom: x}", "unknown field `nom`"),
        ("{direction: up}", "up"),
        ("[", "language.yaml"),
    ],
)
def test_a_file_that_does_not_say_enough_is_named(locales: Path, facts: str, problem: str) -> None:
    catalog(locales, "qab", facts=facts)

    with pytest.raises(ImproperlyConfigured, match=r"locale/qab/language.yaml") as raised:
        read_languages(locales, first="en", complete=("en", "fr"))

    assert problem in str(raised.value)


# --- start_language ---


def test_the_skeleton_has_every_message_with_the_plurals_of_the_language(locales: Path) -> None:
    printed = started("ar")

    text = (locales / "ar" / "LC_MESSAGES" / "django.po").read_text(encoding="utf-8")
    assert "nplurals=6" in text and 'msgid "Skip to the content"\nmsgstr ""' in text and "msgstr[5]" in text
    assert re.search(r"messages +(\d+) of \1 to translate", printed)
    assert "no name in content/topics.yaml: answers" in printed
    assert re.search(r"knowledge +(\d+) of \1 not published in ar: about-this-site", printed)
    for missing in ("content/synonyms/ar.yaml", "locale/ar/language.yaml", "chat/calibration.json"):
        assert missing in printed
    assert not (locales / "ar" / "language.yaml").exists()  # Django knows its name and direction


def test_a_language_that_only_babel_knows_gets_its_name_its_dates_and_its_numbers(locales: Path) -> None:
    started("rm")

    facts = (locales / "rm" / "language.yaml").read_text(encoding="utf-8")
    formats = (locales / "rm" / "formats.py").read_text(encoding="utf-8")
    text = (locales / "rm" / "LC_MESSAGES" / "django.po").read_text(encoding="utf-8")
    assert "name: rumantsch" in facts and "direction: ltr" in facts
    assert 'DATE_FORMAT = "j E Y"' in formats and 'THOUSAND_SEPARATOR = "\\u2019"' in formats
    assert 'msgid "January"\nmsgstr "schaner"' in text


def test_running_it_again_changes_nothing_and_counts_what_was_done(locales: Path) -> None:
    started("de")
    path = locales / "de" / "LC_MESSAGES" / "django.po"
    done = path.read_text(encoding="utf-8").replace(
        'msgid "Skip to the content"\nmsgstr ""', 'msgid "Skip to the content"\nmsgstr "Zum Inhalt"'
    )
    path.write_text(done, encoding="utf-8")
    (locales / "de" / "language.yaml").write_text("stop_words: der die das\n")

    printed = started("de")

    assert "written" not in printed and path.read_text(encoding="utf-8") == done
    missing, all_of_them = re.search(r"messages +(\d+) of (\d+)", printed).groups()  # type: ignore[union-attr]
    assert int(all_of_them) - int(missing) == 1
    assert re.search("stop words +complete", printed)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("EN", "is not a language code"),
        ("german", "is not a language code"),
        ("../de", "is not a language code"),
        ("d", "is not a language code"),
        ("fr", "is there already"),
        ("qab", "give it a --name"),
    ],
)
def test_a_code_that_cannot_be_one_is_refused_in_a_sentence(locales: Path, code: str, problem: str) -> None:
    with pytest.raises(CommandError, match=problem):
        started(code)

    assert [path.name for path in locales.iterdir()] == ["fr"]


def test_drafts_of_every_document_leave_the_site_sound(tmp_path: Path, locales: Path, settings) -> None:  # type: ignore[no-untyped-def]
    settings.CONTENT_DIR = tmp_path / "content"
    ignored = shutil.ignore_patterns("*.py", "__pycache__", "*.png", "*.webp", "*.avif", "*.jpg")
    shutil.copytree(ROOT / "content", settings.CONTENT_DIR, ignore=ignored)
    before = {str(error) for error in errors(library())}

    started("de", "--content")
    settings.SITE_LANGUAGES = read_languages(locales, first="en", complete=("en", "fr"))
    settings.LANGUAGES = [(each.code, each.name) for each in settings.SITE_LANGUAGES.values()]
    touched = settings.CONTENT_DIR / "topics.yaml"
    touched.write_text(touched.read_text(encoding="utf-8") + "\n", encoding="utf-8")

    drafts = [document for document in library().documents if document.language == "de"]
    assert len(drafts) == len([each for each in library().documents if each.language == "en"]) > 40
    assert not any(draft.published or draft.meta.reviewed_by for draft in drafts)
    assert {str(error) for error in errors(library())} <= before


# --- what the code does without ---


def test_only_a_promised_language_must_be_complete_but_no_translation_may_be_broken() -> None:
    messages = [Wanted("%(number)d page", "%(number)d pages"), Wanted("Search"), Wanted("Find")]
    found = Catalog(locale="de")
    found.add(("%(number)d page", "%(number)d pages"), ("%(number)d Seite", "%(zahl)d Seiten"))
    found.add("Search", "Suche")
    found.add("Find", "")

    assert list(untranslated(found, messages)) == ["not translated: 'Find'"]
    assert len(list(broken(found, messages))) == 1


def test_a_language_without_thresholds_has_the_strictest_of_the_others() -> None:
    known = [thresholds(code) for code in site_settings.COMPLETE_LANGUAGES]

    assert thresholds("qab").answerable == max(each.answerable for each in known)
    assert thresholds("qab").verified_score == max(each.verified_score for each in known)


def test_a_language_without_small_words_is_taken_at_its_pages_word() -> None:
    assert language_of("Was ist in der Quittung?", "de") == "de"
    assert language_of("What is on the receipt?", "fr") == "en"


def test_rude_words_of_a_further_language_are_its_own(settings) -> None:  # type: ignore[no-untyped-def]
    facts = Facts(innocent_words="arsch")
    settings.SITE_LANGUAGES = {
        **settings.SITE_LANGUAGES,
        "de": Language("de", "Deutsch", "German", right_to_left=False, facts=Facts()),
        "qac": Language("qac", "Qacisch", "Qacish", right_to_left=False, facts=facts),
    }

    assert not is_profane("Wie dick ist die Mauer?", "de") and is_profane("Du Arschloch", "de")
    assert not is_profane("Mordu par la bite du quai", "qac") and is_profane("fuck you", "qac")


def test_a_language_without_stop_words_or_stemmer_searches_for_the_words_themselves() -> None:
    assert stop_words("qab") == frozenset()
    assert stem("gezeiten", "qab") == "gezeiten"
    assert terms("Die Gezeiten", "qab") == ["die", "gezeiten"]


def test_a_script_without_capitals_has_sentences_and_anchors() -> None:
    assert sentences("مد عال. جزر منخفض؟ نعم") == ["مد عال.", "جزر منخفض؟", "نعم"]
    assert anchor_of("مد عال") == "مد-عال"
    assert anchor_of("Marée haute") == "maree-haute"


# --- the whole site in a language that nobody speaks ---

CODE = "qaa"  # reserved for local use by ISO 639-2: it will never be a language
LETTERS = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ابتثجحخدذرزسشصضطظعغفقكلمنه")
KEPT = re.compile(r"(\]\(%\(\w+\)s\)|%\(\w+\)[sd]|%%|<[^>]+>|\{\{[^}]*\}\}|\]\([^)]*\)|https?://\S+)")
UNTRANSLATED = "Skip to the content"
DUAL = "٢"
FORMATS = """
DATE_FORMAT = SHORT_DATE_FORMAT = "j E Y"
DECIMAL_SEPARATOR = "·"
THOUSAND_SEPARATOR = "_"
NUMBER_GROUPING = 3
"""

TEXT = """---
title: "{title}"
description: "{description}"
status: published
updated: 2031-03-04
topics: [energy]
ai_assisted: false
reviewed_by: null
{more}
---
{text}
"""
TIDES = {
    "High water": "Spring tides rise twelve hands above the old harbour wall. Nobody has seen them higher.",
    "Low water": "At low water a causeway of slate appears, and children gather mussels along it.",
    "The light": "A lantern costs {{ machine_usd_per_month }} shells and burns through the longest night.",
}
DUNES = {
    "Wandering": "Dunes wander eastward with every winter storm, and grass slows them down.",
    "Counting": "The lantern keepers count the dunes each autumn and write the figure on a door.",
    "Foxes": "Foxes dig their earths where the sand is firm.",
}


def pseudo(text: str) -> str:
    """Return ``text`` in a script of its own, placeholders, tags and addresses as they were."""
    pieces = KEPT.split(text)
    return "".join(piece if at % 2 else piece.lower().translate(LETTERS) for at, piece in enumerate(pieces))


def translate_catalog(path: Path) -> None:
    """Translate every message but one, as a translator would, for a language with three plural forms."""
    text = path.read_text(encoding="utf-8")
    path.write_text(
        re.sub(r"nplurals=.*?;\\n", r"nplurals=3; plural=(n==1 ? 0 : n==2 ? 1 : 2);\\n", text), encoding="utf-8"
    )
    with path.open("rb") as file:
        found = read_po(file)
    for message in found:
        if not message.id or message.id == UNTRANSLATED:
            continue
        if isinstance(message.id, tuple | list):
            one, many = message.id
            message.string = (pseudo(one), f"{DUAL} {pseudo(many)}", pseudo(many))
        else:
            message.string = pseudo(message.id)
    with path.open("wb") as file:
        write_po(file, found)


def write_document(root: Path, kind: str, slug: str, text: dict[str, str], *, languages: tuple[str, ...]) -> None:
    more = {"knowledge": "questions: []", "posts": "published: 2031-03-04"}[kind]
    for code in languages:
        say = pseudo if code == CODE else str
        path = root / "content" / kind / slug / f"{code}.md"
        path.parent.mkdir(exist_ok=True)
        sections = "\n\n".join(f"## {say(heading)}\n\n{say(words)}" for heading, words in text.items())
        filled = TEXT.format(title=say(f"On {slug}"), description=say(f"{slug}."), more=more, text=sections)
        path.write_text(filled, encoding="utf-8")


def copy_of_the_repository(to: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


@pytest.fixture(scope="module")
def foreign_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The real site, from a copy of the repository that somebody has begun to translate."""
    root = tmp_path_factory.mktemp("copy")
    copy_of_the_repository(root)
    begin = [
        sys.executable,
        "manage.py",
        "start_language",
        CODE,
        "--name",
        "Qaa-qaa",
        "--direction",
        "rtl",
        "--content",
    ]
    subprocess.run(begin, cwd=root, check=True, capture_output=True, timeout=60)
    translate_catalog(root / "locale" / CODE / "LC_MESSAGES" / "django.po")
    (root / "locale" / CODE / "formats.py").write_text(FORMATS, encoding="utf-8")
    write_document(root, "knowledge", "tides", TIDES, languages=("en", "fr", CODE))
    write_document(root, "knowledge", "dunes", DUNES, languages=("en", "fr", CODE))
    write_document(root, "knowledge", "cliffs", {"Cliffs": "Cliffs stand still."}, languages=("en", "fr"))
    write_document(root, "posts", "harbour-days", {"Noon": "The harbour sleeps."}, languages=("en", "fr", CODE))
    subprocess.run([sys.executable, "manage.py", "compilecatalogs"], cwd=root, check=True, timeout=60)
    with running_site(model=False, worker=True, root=root, MACHINE_USD_PER_MONTH="1234.5") as site:
        yield site


def page(site: Site, path: str) -> str:
    response = httpx.get(f"{site.url}{path}", timeout=20)
    assert response.status_code == 200, path
    return response.text


def alternates(html: str) -> set[str]:
    return set(re.findall(r'<link rel="alternate" hreflang="([\w-]+)"', html))


@pytest.mark.slow
def test_a_page_says_its_language_and_its_direction_and_speaks_it(foreign_site: Site) -> None:
    for path in (f"/{CODE}/", f"/{CODE}/chat/", f"/{CODE}/blog/", f"/{CODE}/knowledge/", f"/live/{CODE}/chat/"):
        html = page(foreign_site, path)
        opening = re.search(r"<html[^>]*>", html)
        assert opening and f'lang="{CODE}"' in opening[0] and 'dir="rtl"' in opening[0], path
        assert pseudo("Knowledge") in html and "Qaa-qaa" in html

    assert 'dir="rtl"' not in page(foreign_site, "/fr/").split("<body")[0]


@pytest.mark.slow
def test_a_word_that_is_not_translated_stands_in_english(foreign_site: Site) -> None:
    assert UNTRANSLATED in page(foreign_site, f"/{CODE}/")


@pytest.mark.slow
def test_dates_numbers_and_plurals_are_those_of_the_language(foreign_site: Site) -> None:
    post = page(foreign_site, f"/{CODE}/blog/harbour-days/")
    assert f"4 {pseudo('March')} 2031" in post
    assert "4 March 2031" in page(foreign_site, "/blog/harbour-days/")

    assert "1_234·5" in page(foreign_site, f"/{CODE}/knowledge/tides/")
    assert "1,234.5" in page(foreign_site, "/knowledge/tides/")

    assert f"{DUAL} 2 " in page(foreign_site, f"/{CODE}/knowledge/")  # two documents: the form between one and many


@pytest.mark.slow
def test_what_is_not_translated_is_absent_and_not_linked(foreign_site: Site) -> None:
    assert httpx.get(f"{foreign_site.url}/{CODE}/knowledge/cliffs/").status_code == 404
    assert httpx.get(f"{foreign_site.url}/{CODE}/knowledge/cookies/").status_code == 404  # a draft
    assert f"/{CODE}/knowledge/cliffs/" not in page(foreign_site, f"/{CODE}/knowledge/")
    home = page(foreign_site, f"/{CODE}/")
    assert 'href="/privacy/"' in home and f"/{CODE}/privacy/" not in home  # in English rather than nowhere

    assert alternates(page(foreign_site, "/knowledge/cliffs/")) == {"en", "fr", "x-default"}
    assert alternates(page(foreign_site, "/knowledge/tides/")) == {"en", "fr", CODE, "x-default"}
    assert alternates(page(foreign_site, f"/{CODE}/")) == {"en", "fr", CODE, "x-default"}


@pytest.mark.slow
def test_the_sitemap_of_the_language_lists_what_it_has(foreign_site: Site) -> None:
    assert f"/sitemap-{CODE}.xml" in page(foreign_site, "/sitemap.xml")
    listed = page(foreign_site, f"/sitemap-{CODE}.xml")

    assert f"/{CODE}/knowledge/tides/" in listed and f"/{CODE}/knowledge/cliffs/" not in listed


@pytest.mark.slow
def test_the_assistant_quotes_the_translated_knowledge_or_says_that_it_does_not_know(foreign_site: Site) -> None:
    known = foreign_site.events(pseudo("Spring tides above the old harbour wall?"), language=CODE)
    unknown = foreign_site.events(pseudo("Who painted giraffes?"), language=CODE)

    assert known[-1]["type"] == "done" and known[-1]["rung"] == "quoted"
    assert known[1]["sources"][0]["url"].startswith(f"/{CODE}/knowledge/tides/#")
    assert pseudo(TIDES["High water"]).startswith(text_of(known))
    assert unknown[-1]["rung"] == "none" and pseudo("I do not know") in text_of(unknown)


@pytest.mark.slow
def test_the_search_finds_translated_texts(foreign_site: Site) -> None:
    address = f"{foreign_site.url}/live/{CODE}/search/"

    def html() -> str:
        return httpx.get(address, params={"q": pseudo("lantern")}, timeout=20).text

    wait_for(lambda: f"/{CODE}/knowledge/dunes/" in html(), 40, foreign_site.log("worker"))
    assert f"<mark>{pseudo('lantern')}</mark>" in html() and 'dir="rtl"' in html()
    assert f"{DUAL} 2 " in html()
