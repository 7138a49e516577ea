"""What machines fetch, each against its specification: well-formed, complete, every address absolute on SITE_URL."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import jsonschema
import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from lxml import etree, html
from PIL import Image

from content.head import page_head
from content.machine_urls import machine_paths
from content.site import public_pages
from tests.content.conftest import Write

SCHEMAS = Path(__file__).parent / "schemas"
SITE = "https://wagmi.example"
NAMES = {
    "s": "http://www.sitemaps.org/schemas/sitemap/0.9",
    "xhtml": "http://www.w3.org/1999/xhtml",
    "atom": "http://www.w3.org/2005/Atom",
}

KNOWLEDGE = """---
title: Keys
description: How keys are kept.
status: published
updated: 2026-11-20
topics: [privacy]
ai_assisted: false
reviewed_by: null
questions:
  - ask: ["Where are the keys?", "Who has the keys?"]
    answer: Under the mat.
    section: the-mat
---
## The mat

The keys are under the mat.
"""

PAGE = """---
title: Terms
description: What holds.
status: published
updated: 2026-11-19
version: "1.0"
topics: [privacy]
ai_assisted: true
reviewed_by: Ann Example
reviewed_at: 2026-11-19
sources: [{title: A law, url: "https://law.example/1"}]
---
It costs {{ machine_usd_per_month }} USD.
"""

POST = """An introduction with [a link](/knowledge/keys/#the-mat), [the list](/blog/), [facts](/api/facts) and
[a heading](#two).

## Two

![What is seen](diagram:answer-ladder "The caption")

It costs {{ machine_usd_per_month }} USD; `{{ machine_usd_per_month }}` is how that is written, `[so](/blog/)` a link,
[`code`](/blog/) another.

```text
{{ machine_usd_per_month }}
```
"""


@pytest.fixture
def site(folder: Path, write_post: Write, settings: Any) -> Path:
    """A site at an address of its own: two posts in both languages, one in each alone, a draft, a page, knowledge."""
    settings.CONTENT_DIR, settings.SITE_URL, settings.CHAT_URL = folder, SITE, SITE
    settings.CACHE_DIR = folder.parent / "cache"
    settings.MACHINE_USD_PER_MONTH = 1234.5
    write_post("alpha", POST)
    write_post("beta", "Words.", published="2026-11-20")
    write_post("gamma", "Words.", "en")
    write_post("delta", "Mots.", "fr")
    write_post("secret", "Nobody reads this yet.", status="draft")
    for kind, slug, text in (("knowledge", "keys", KNOWLEDGE), ("pages", "terms", PAGE)):
        (folder / kind / slug).mkdir(parents=True)
        for language in ("en", "fr"):
            (folder / kind / slug / f"{language}.md").write_text(text, encoding="utf-8")
    return folder


def fetched(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    assert not response.cookies
    return response.content.decode()


def xml(client: Client, path: str) -> Any:
    return etree.fromstring(fetched(client, path).encode())


def json_ld(client: Client, path: str) -> dict[str, Any]:
    """Return the nodes of a page's structured data by type."""
    scripts = html.fromstring(fetched(client, path)).xpath("//script[@type='application/ld+json']/text()")
    assert len(scripts) == 1
    found: dict[str, Any] = json.loads(scripts[0])
    return found


def nodes(client: Client, path: str) -> dict[str, Any]:
    return {node["@type"]: node for node in json_ld(client, path)["@graph"]}


def addresses(value: Any) -> Iterator[tuple[str, str]]:
    """Yield every address in structured data with the name of its property."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) and re.match(r"https?:", inner):
                yield name, inner
            else:
                yield from addresses(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from addresses(inner)


# --- sitemaps ---


def test_sitemaps_are_what_the_protocol_says(site: Path, client: Client) -> None:
    schema = etree.XMLSchema(etree.parse(SCHEMAS / "sitemap.xsd"))

    index = xml(client, "/sitemap.xml")
    listed = index.xpath("//s:loc/text()", namespaces=NAMES)

    assert listed == [f"{SITE}/sitemap-en.xml", f"{SITE}/sitemap-fr.xml"]
    for document in (index, *(xml(client, urlsplit(each).path) for each in listed)):
        schema.assertValid(document)
        assert all(loc.startswith(f"{SITE}/") for loc in document.xpath("//s:loc/text()", namespaces=NAMES))


def test_pages_in_two_languages_name_each_other_and_their_default(site: Path, client: Client) -> None:
    entries: dict[str, dict[str, str]] = {}
    for code in ("en", "fr"):
        for url in xml(client, f"/sitemap-{code}.xml").iterfind("s:url", NAMES):
            links = {link.get("hreflang"): link.get("href") for link in url.iterfind("xhtml:link", NAMES)}
            entries[url.findtext("s:loc", namespaces=NAMES)] = links
            assert links[code] == url.findtext("s:loc", namespaces=NAMES)

    for links in entries.values():
        assert all(entries[other] == links for other in links.values())
        assert links.get("x-default") == links.get("en")
    assert entries[f"{SITE}/fr/blog/delta/"] == {"fr": f"{SITE}/fr/blog/delta/"}
    assert set(entries[f"{SITE}/blog/alpha/"]) == {"en", "fr", "x-default"}


def test_a_sitemap_of_no_language_is_not_found(client: Client) -> None:
    assert client.get("/sitemap-xx.xml").status_code == 404


def test_every_page_is_in_a_sitemap_and_every_address_in_it_answers(client: Client, settings: Any) -> None:
    listed = {
        urlsplit(loc).path
        for code, _name in settings.LANGUAGES
        for loc in xml(client, f"/sitemap-{code}.xml").xpath("//s:loc/text()", namespaces=NAMES)
    }

    assert listed == {page.path for page in public_pages()}
    assert dict.fromkeys(listed, 200) == {path: client.get(path).status_code for path in listed}


def test_everything_made_for_machines_answers_and_is_compressed(site: Path, client: Client) -> None:
    for path in machine_paths():
        plain = client.get(path)
        packed = client.get(path, headers={"Accept-Encoding": "gzip"})

        assert plain.status_code == 200 and not plain.cookies, path
        assert packed.headers.get("Content-Encoding") == ("gzip" if len(plain.content) > 200 else None), path


def test_a_draft_is_in_none_of_them(site: Path, client: Client) -> None:
    for path in [*machine_paths(), "/", "/blog/", "/blog/archive/", "/fr/blog/topics/privacy/"]:
        assert "secret" not in fetched(client, path).lower() and "Nobody reads" not in fetched(client, path), path


# --- feeds ---


@pytest.mark.parametrize(("path", "language"), [("/blog/feed.xml", "en"), ("/fr/blog/feed.xml", "fr")])
def test_a_feed_is_atom_in_its_language(site: Path, client: Client, path: str, language: str) -> None:
    response = client.get(path)
    feed = etree.fromstring(response.content)

    etree.RelaxNG(etree.parse(SCHEMAS / "atom.rng")).assertValid(feed)
    assert response.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    assert feed.get("{http://www.w3.org/XML/1998/namespace}lang") == language
    assert feed.xpath("atom:link[@rel='self']/@href", namespaces=NAMES) == [f"{SITE}{path}"]
    ids = feed.xpath("//atom:id/text()", namespaces=NAMES)
    assert len(set(ids)) == len(ids) == 4
    links = feed.xpath("atom:entry/atom:link[@rel='alternate']/@href", namespaces=NAMES)
    assert all(client.get(urlsplit(each).path).status_code == 200 for each in links)
    assert links[-1].endswith("/blog/beta/"), "newest first"


def test_an_entry_can_be_read_away_from_the_site(site: Path, client: Client) -> None:
    feed = xml(client, "/fr/blog/feed.xml")
    entry = next(each for each in feed.iterfind("atom:entry", NAMES) if "alpha" in each.findtext("atom:id", "", NAMES))
    text = entry.findtext("atom:content", namespaces=NAMES)
    tree = html.fromstring(f"<div>{text}</div>")

    assert [link.get("href") for link in tree.iter("a")] == [
        f"{SITE}/fr/knowledge/keys/#the-mat",
        f"{SITE}/fr/blog/",
        f"{SITE}/api/facts",
        f"{SITE}/fr/blog/alpha/#two",
        f"{SITE}/fr/blog/alpha/#two",
        f"{SITE}/fr/blog/",
    ]
    assert "<svg" not in text and "<p><em>What is seen</em></p>" in text


def test_a_feed_without_posts_is_still_valid_and_does_not_change_with_the_clock(
    folder: Path, client: Client, settings: Any
) -> None:
    settings.CONTENT_DIR = folder

    feed = xml(client, "/blog/feed.xml")

    etree.RelaxNG(etree.parse(SCHEMAS / "atom.rng")).assertValid(feed)
    assert feed.findtext("atom:updated", namespaces=NAMES) == "1970-01-01T00:00:00+00:00"


# --- texts ---


def test_robots_may_read_pages_and_leave_the_application_alone(site: Path, client: Client) -> None:
    robots = RobotFileParser()
    robots.parse(fetched(client, "/robots.txt").splitlines())

    assert robots.site_maps() == [f"{SITE}/sitemap.xml"]
    for crawler in ("Googlebot", "GPTBot", "anything"):
        for page in public_pages():
            assert robots.can_fetch(crawler, f"{SITE}{page.path}")
        for path in ("/api/chat", "/live/en/chat/", "/accounts/staff/", "/admin/", "/v1/models"):
            assert not robots.can_fetch(crawler, f"{SITE}{path}")


def test_llms_txt_has_the_shape_of_its_proposal(site: Path, client: Client) -> None:
    lines = fetched(client, "/llms.txt").splitlines()

    assert lines[0] == "# Wagmi" and sum(line.startswith("# ") for line in lines) == 1
    assert lines[2].startswith("> ")
    sections = [line for line in lines if line.startswith("#")][1:]
    assert all(line.startswith("## ") for line in sections) and sections[-1] == "## Optional"
    body = lines[lines.index(sections[0]) :]
    for line in filter(None, body):
        assert line.startswith("## ") or re.fullmatch(rf"- \[.+\]\({SITE}/[^\s)]*\): .+", line), line
    for target in re.findall(r"\((https://[^)]+)\)", "\n".join(body)):
        assert client.get(urlsplit(target).path).status_code == 200, target


def test_no_value_of_ours_stays_unfilled_also_where_a_line_breaks_in_it(client: Client) -> None:
    assert re.findall(r"\{\{\s*\w+\s*\}\}", fetched(client, "/llms-full.txt")) == []


def test_llms_full_txt_fills_in_values_and_addresses_and_leaves_code_alone(site: Path, client: Client) -> None:
    text = fetched(client, "/llms-full.txt")
    french = text[text.index(f"Address: {SITE}/fr/blog/alpha/") :]

    assert "It costs 1,234.5 USD; `{{ machine_usd_per_month }}`" in text
    assert "It costs 1\xa0234,5 USD; `{{ machine_usd_per_month }}` is how that is written, `[so](/blog/)`" in french
    assert "```text\n{{ machine_usd_per_month }}\n```" in french
    assert (
        f"[a link]({SITE}/fr/knowledge/keys/#the-mat), [the list]({SITE}/fr/blog/), [facts]({SITE}/api/facts)" in french
    )
    assert f"[a heading]({SITE}/fr/blog/alpha/#two)" in french
    assert f"[`code`]({SITE}/fr/blog/) another" in french
    assert "*What is seen* The caption" in french
    assert "**Where are the keys?** Under the mat." in text
    assert "Written: without AI. Reviewed: not yet by a named person." in text


def test_ai_txt_gives_each_passage_its_address(site: Path, client: Client) -> None:
    text = fetched(client, "/ai.txt")

    assert f"The keys are under the mat.\nSource: {SITE}/knowledge/keys/#the-mat\n" in text
    assert "[fr] Alpha: Two\nIt costs 1\xa0234,5 USD" in text


def test_the_manifest_names_icons_that_exist_in_the_size_it_says(site: Path, client: Client) -> None:
    manifest = json.loads(fetched(client, "/site.webmanifest"))

    jsonschema.validate(manifest, json.loads((SCHEMAS / "manifest.json").read_text()))
    assert client.get("/site.webmanifest").headers["Content-Type"] == "application/manifest+json"
    for address in (manifest["start_url"], manifest["scope"], *(icon["src"] for icon in manifest["icons"])):
        assert urljoin(f"{SITE}/site.webmanifest", address).startswith(f"{SITE}/")
    for icon in manifest["icons"]:
        path = Path(str(finders.find(icon["src"].removeprefix("/static/"))))
        if icon["type"] == "image/png":
            with Image.open(path) as picture:
                assert f"{picture.width}x{picture.height}" == icon["sizes"] and picture.format == "PNG"
                corner = picture.convert("RGBA").getpixel((0, 0))
            assert (corner[3] == 255) == (icon.get("purpose") == "maskable")  # type: ignore[index]
        else:
            assert etree.parse(path).getroot().get("viewBox")


# --- the head of pages ---


def test_every_page_says_what_it_is_in_the_words_of_schema_org(site: Path, client: Client) -> None:
    schema = json.loads((SCHEMAS / "json-ld.json").read_text())
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    for page in public_pages():
        found = json_ld(client, page.path)

        checker.validate(found)
        known = {node["@id"] for node in found["@graph"]}
        assert {node["publisher"]["@id"] for node in found["@graph"] if "publisher" in node} <= known
        for name, address in addresses({**found, "@context": "", "citation": []}):
            assert address.startswith(f"{SITE}/") or "//law.example/" in address or name == "digitalSourceType"
        urls = [node["url"] for node in found["@graph"] if node["@type"] in ("WebPage", "CollectionPage", "FAQPage")]
        assert set(urls) <= {f"{SITE}{page.path}"}


def test_a_post_is_an_article_of_the_organisation(site: Path, client: Client, settings: Any) -> None:
    settings.IMPRINT_NAME, settings.CONTACT_EMAIL = "Example Ltd", "hello@wagmi.example"

    found = nodes(client, "/fr/blog/alpha/")

    assert found["BlogPosting"]["author"] == {"@id": found["Organization"]["@id"]}
    assert found["BlogPosting"]["isPartOf"] == {"@id": found["WebSite"]["@id"]}
    assert found["BlogPosting"]["datePublished"] == "2026-11-21" and found["BlogPosting"]["inLanguage"] == "fr"
    assert (found["Organization"]["legalName"], found["Organization"]["email"]) == (
        "Example Ltd",
        "hello@wagmi.example",
    )
    trail = [item["item"] for item in found["BreadcrumbList"]["itemListElement"]]
    assert trail == [f"{SITE}/fr/", f"{SITE}/fr/blog/", f"{SITE}/fr/blog/alpha/"]


def test_a_text_says_to_machines_what_an_ai_had_to_do_with_it(site: Path, client: Client) -> None:
    by_model = nodes(client, "/blog/alpha/")["BlogPosting"]["digitalSourceType"]
    with_person = nodes(client, "/terms/")["Article"]["digitalSourceType"]

    assert by_model.endswith("/TrainedAlgorithmicMediaDigitalSource")
    assert with_person.endswith("/CompositeWithTrainedAlgorithmicMediaDigitalSource")
    assert "digitalSourceType" not in nodes(client, "/knowledge/keys/")["Article"]


def test_only_approved_pairs_of_committed_files_are_questions(site: Path, client: Client) -> None:
    with_questions = [page.path for page in public_pages() if "FAQPage" in nodes(client, page.path)]
    [question] = nodes(client, "/knowledge/keys/")["FAQPage"]["mainEntity"]

    assert with_questions == ["/fr/knowledge/keys/", "/knowledge/keys/"]
    assert question["name"] == "Where are the keys?"
    assert question["acceptedAnswer"]["text"] == "Under the mat."
    assert question["acceptedAnswer"]["url"] == f"{SITE}/knowledge/keys/#the-mat"


def test_search_is_offered_on_the_first_page_alone(site: Path, client: Client) -> None:
    action = nodes(client, "/fr/")["WebSite"]["potentialAction"]

    assert action["target"]["urlTemplate"] == f"{SITE}/live/fr/search/?q={{search_term_string}}"
    assert "potentialAction" not in nodes(client, "/blog/alpha/")["WebSite"]


def test_a_title_cannot_end_the_script_it_stands_in(site: Path, write_post: Write, client: Client) -> None:
    title = "</script><b>&amp; -->"
    write_post("alpha", "Words.", title=f'"{title}"')

    assert nodes(client, "/blog/alpha/")["BlogPosting"]["headline"] == title
    assert "</script><b>" not in fetched(client, "/blog/alpha/")


def test_a_page_has_one_canonical_address_without_query_whoever_asks(site: Path, client: Client) -> None:
    for page in public_pages():
        tree = html.fromstring(fetched(client, f"{page.path}?utm_source=x&a=%22"))
        links = {link.get("hreflang"): link.get("href") for link in tree.iterfind(".//link[@hreflang]")}

        assert [link.get("href") for link in tree.iterfind(".//link[@rel='canonical']")] == [f"{SITE}{page.path}"]
        expected = {code: f"{SITE}{path}" for code, path in page.alternates.items()}
        assert links == expected | ({"x-default": expected["en"]} if "en" in expected else {})
        assert "utm_source" not in etree.tostring(tree.find("head")).decode()
        feed = tree.find(".//link[@type='application/atom+xml']").get("href")
        assert feed == f"{SITE}{'/fr' if page.language == 'fr' else ''}/blog/feed.xml"


def test_the_switch_of_languages_leads_to_the_same_text_or_the_list_above_it(site: Path, client: Client) -> None:
    def switch(path: str) -> list[str]:
        tree = html.fromstring(fetched(client, path))
        return [link.get("href") for link in tree.xpath("//nav[contains(@class, 'site-languages')]//a")]

    assert switch("/blog/alpha/?a=1") == ["/blog/alpha/", "/fr/blog/alpha/"]
    assert switch("/blog/gamma/") == ["/blog/gamma/", "/fr/blog/"]
    assert switch("/fr/blog/delta/") == ["/blog/", "/fr/blog/delta/"]
    assert switch("/terms/") == ["/terms/", "/fr/terms/"]
    assert switch("/live/fr/chat/") == ["/live/en/chat/", "/live/fr/chat/"]


@pytest.mark.parametrize("path", ["/nowhere/", "/blog/secret/", "/live/en/chat/"])
def test_what_is_no_public_page_has_no_address_for_machines(site: Path, client: Client, path: str) -> None:
    text = client.get(path).content.decode()

    assert 'rel="canonical"' not in text and "ld+json" not in text and 'content="noindex"' in text


def test_a_page_can_be_shared_with_its_picture(site: Path, client: Client) -> None:
    tree = html.fromstring(fetched(client, "/fr/blog/alpha/"))
    said = {meta.get("property"): meta.get("content") for meta in tree.iterfind(".//meta[@property]")}

    assert (said["og:type"], said["og:title"], said["og:locale"]) == ("article", "Alpha", "fr_FR")
    assert said["og:url"] == f"{SITE}/fr/blog/alpha/"
    assert said["og:image:alt"] == "Alpha"
    assert said["og:image"].startswith(f"{SITE}/static/cards/alpha-fr-")
    assert finders.find(urlsplit(said["og:image"]).path.removeprefix("/static/"))


def test_words_for_machines_are_the_words_of_the_page(client: Client, settings: Any) -> None:
    for page in public_pages():
        if page.document:
            continue
        tree = html.fromstring(fetched(client, page.path))
        said = {meta.get("property"): meta.get("content") for meta in tree.iterfind(".//meta[@property]")}

        assert said["og:description"] == tree.find(".//meta[@name='description']").get("content"), page.path
        assert said["og:title"] in (tree.findtext(".//h1").strip(), tree.findtext(".//title").strip()), page.path


def test_nothing_is_said_about_a_page_that_is_none() -> None:
    assert page_head("content:post", "nothing", "en") is None
    assert page_head("content:topic", "nothing", "en") is None
    assert page_head("chat:live", "", "en") is None


def test_addresses_are_never_the_askers(site: Path, client: Client, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    for path in [*machine_paths(), "/", "/fr/blog/alpha/"]:
        response = client.get(path, headers={"host": "evil.example"})

        assert b"evil.example" not in response.content, path
