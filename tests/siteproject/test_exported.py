"""The exported site, served by the application: the same bytes as Django's, and only what is the same for everyone."""

import asyncio
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import brotli
import httpx
import pytest
from django.test import override_settings

from content.export_folder import read_checksums, write
from content.site import public_pages
from siteproject.exported import LOOK_AGAIN_S, serve_exported
from tests.live import Site, running_site, wait_for

HOST = "site.example"
FRESH = "public, max-age=60, stale-while-revalidate=600"
HOME = b"<p>home</p>" * 200
FILES = {
    "index.html": HOME,
    "blog/index.html": b"<p>blog</p>" * 200,
    "blog/feed.xml": b"<feed/>" * 200,
    "static/a.0123456789ab.css": b"a{}" * 200,
    "static/b.0123456789ab.png": b"\x89PNG",
    "404.html": b"<p>404</p>",
    "_headers": b"/*\n  X-Frame-Options: SAMEORIGIN\n\n/blog/feed.xml\n  Content-Type: application/atom+xml\n",
    "_redirects": b"",
}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


Ask = Callable[..., Answer]


async def django(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Stands where Django does: gives every answer the same headers."""
    headers = [(b"x-frame-options", b"DENY"), (b"x-request-id", b"1"), (b"content-type", b"text/html")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"django"})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    path = tmp_path / "out"
    write(FILES, path)
    return path


@pytest.fixture
def ask(out: Path) -> Iterator[Ask]:
    """Return a function that asks the application for a path, as a browser would over one connection."""
    with override_settings(SITE_EXPORT_DIR=str(out), SITE_URL=f"http://{HOST}", HTTPS=False):
        app = serve_exported(django)
        with asyncio.Runner() as runner:

            def asked(path: str, *, method: str = "GET", host: str = HOST, query: str = "", **headers: str) -> Answer:
                named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
                return runner.run(_ask(app, path, method, query, [(b"host", host.encode()), *named]))

            asked("/")
            wait_for(lambda: asked("/").body != b"django", 5)
            yield asked


async def _ask(app: Any, path: str, method: str, query: str, headers: list[tuple[bytes, bytes]]) -> Answer:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "scheme": "http",
        "headers": headers,
    }
    await app(scope, receive, send)
    await asyncio.sleep(0.01)  # let the folder be read meanwhile
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))


def test_a_page_is_served_with_its_tag_its_freshness_and_the_applications_own_headers(ask: Ask) -> None:
    answer = ask("/")

    assert (answer.status, answer.body) == (200, HOME)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == FRESH
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-length"] == str(len(HOME))
    assert answer.headers["x-frame-options"] == "DENY"  # as the application says now, not as the export did
    assert "x-request-id" not in answer.headers and "set-cookie" not in answer.headers


def test_an_asset_may_be_kept_for_a_year_and_a_feed_has_its_type(ask: Ask) -> None:
    assert ask("/static/a.0123456789ab.css").headers["cache-control"] == "public, max-age=31536000, immutable"
    assert ask("/blog/feed.xml").headers["content-type"] == "application/atom+xml"
    assert ask("/static/b.0123456789ab.png").headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("accepted", "encoding", "unpack"),
    [
        ("gzip, deflate, br, zstd", "br", brotli.decompress),
        ("gzip", "gzip", gzip.decompress),
        ("br;q=0, gzip;q=0.5", "gzip", gzip.decompress),
        ("identity", None, bytes),
        ("", None, bytes),
    ],
)
def test_the_shortest_form_that_the_browser_takes_is_sent(
    ask: Ask, accepted: str, encoding: str | None, unpack: Callable[[bytes], bytes]
) -> None:
    answer = ask("/", accept_encoding=accepted)

    assert answer.headers.get("content-encoding") == encoding
    assert unpack(answer.body) == HOME
    assert int(answer.headers["content-length"]) == len(answer.body)


def test_what_the_browser_has_is_not_sent_again(ask: Ask) -> None:
    tag = ask("/", accept_encoding="br").headers["etag"]

    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = ask("/", accept_encoding="br", if_none_match=known)
        assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag)
    assert ask("/", accept_encoding="gzip", if_none_match=tag).status == 200  # another form has another tag


def test_head_tells_what_get_would_and_sends_nothing(ask: Ask) -> None:
    head, get = ask("/", method="HEAD"), ask("/")

    assert head.headers == get.headers and head.body == b""


@pytest.mark.parametrize(
    ("path", "how"),
    [
        ("/", {"cookie": "session=x"}),
        ("/", {"query": "q=1"}),
        ("/", {"method": "POST"}),
        ("/", {"host": "chat.example"}),
        ("/", {"host": f"{HOST}:8000"}),
        ("/", {"content_length": "2"}),
        ("/nowhere/", {}),
        ("/blog", {}),
        ("/index.html", {}),
        ("/404.html", {}),
        ("/index.html.br", {}),
        ("/_headers", {}),
        ("/CHECKSUMS", {}),
        ("/../out.lock", {}),
        ("//etc/passwd", {}),
        ("/static/../CHECKSUMS", {}),
    ],
)
def test_whatever_is_not_the_same_for_everyone_is_left_to_django(ask: Ask, path: str, how: dict[str, str]) -> None:
    assert ask(path, **how).body == b"django"


def test_plain_http_is_left_to_django_where_the_site_is_https(out: Path) -> None:
    async def both() -> tuple[Answer, Answer]:
        app = serve_exported(django)
        answers = []
        for scheme in (b"http", b"https"):
            for _ in range(50):
                answers.append(
                    await _ask(app, "/", "GET", "", [(b"host", b"s.example"), (b"x-forwarded-proto", scheme)])
                )
        return answers[49], answers[99]

    https = {"SITE_URL": "https://s.example", "HTTPS": True, "TRUSTED_PROXY_COUNT": 1}
    with override_settings(SITE_EXPORT_DIR=str(out), **https):
        plain, secure = asyncio.run(both())

    assert plain.body == b"django" and secure.body == HOME


def test_a_new_export_is_seen_without_a_restart(ask: Ask, out: Path) -> None:
    tag = ask("/").headers["etag"]

    write(FILES | {"index.html": b"<p>new</p>" * 200}, out)

    wait_for(lambda: ask("/").body == b"<p>new</p>" * 200, LOOK_AGAIN_S + 5)
    assert ask("/").headers["etag"] != tag


def test_a_folder_that_is_not_there_slows_nothing_but_the_pages(tmp_path: Path) -> None:
    with override_settings(SITE_EXPORT_DIR=str(tmp_path / "missing"), SITE_URL=f"http://{HOST}", HTTPS=False):
        answer = asyncio.run(_ask(serve_exported(django), "/", "GET", "", [(b"host", HOST.encode())]))

    assert answer.body == b"django"


def test_a_folder_that_cannot_be_read_is_logged_once_until_it_is_another(
    out: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("siteproject.exported.LOOK_AGAIN_S", 0.0)
    link = out.with_name("site")
    lines = []

    async def visits(app: Any) -> int:
        for _ in range(5):
            await _ask(app, "/", "GET", "", [(b"host", HOST.encode())])
            await asyncio.sleep(0.02)
        return sum(record.levelname == "ERROR" for record in caplog.records)

    async def all_visits() -> None:
        app = serve_exported(django)
        for target in ("missing", "other", out.name, "other"):
            link.unlink(missing_ok=True)
            link.symlink_to(target)
            lines.append(await visits(app))

    with override_settings(SITE_EXPORT_DIR=str(link), SITE_URL=f"http://{HOST}", HTTPS=False):
        asyncio.run(all_visits())

    assert lines == [1, 2, 2, 3]


# --- The whole site -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    out = tmp_path_factory.mktemp("export") / "out"
    with running_site(model=False, SITE_EXPORT_DIR=str(out)) as site:
        site.manage("export_site", str(out), "--as-collected")
        wait_for(lambda: "x-request-id" not in httpx.get(site.url).headers, 10)
        yield site


@pytest.mark.slow
def test_exported_and_served_bytes_agree_on_every_page_and_in_every_header(exported_site: Site) -> None:
    per_answer = {"x-request-id", "date", "content-length", "content-type", "content-encoding", "content-language"}
    per_answer |= {"vary", "cache-control", "etag", "transfer-encoding"}
    with httpx.Client(base_url=exported_site.url, headers={"accept-encoding": "br"}) as visitor:
        for page in public_pages():
            ours, theirs = visitor.get(page.path), visitor.get(page.path, headers={"cookie": "any=thing"})

            assert "x-request-id" not in ours.headers and "x-request-id" in theirs.headers, page.path
            assert ours.content == theirs.content, page.path
            assert ours.headers["content-type"] == theirs.headers["content-type"]
            strict = {name: value for name, value in theirs.headers.items() if name not in per_answer}
            for name, value in strict.items():
                assert sorted(ours.headers[name].split("; ")) == sorted(value.split("; ")), (page.path, name)


@pytest.mark.slow
def test_the_rest_of_the_site_is_there_beside_the_export(exported_site: Site) -> None:
    url = exported_site.url

    assert httpx.get(f"{url}/api/status").status_code == 200
    assert httpx.get(f"{url}/nowhere/").status_code == 404
    assert httpx.get(f"{url}/method/").headers["location"] == "/frugality/"
    assert httpx.get(f"{url}/blog").headers["location"] == "/blog/"
    assert httpx.get(f"{url}/").headers["cache-control"] == FRESH
    assert read_checksums(Path(exported_site.env["SITE_EXPORT_DIR"]))
