"""The public site as files: every page, feed, asset, error page and redirect, as the application itself answers.

What is written here is what anyone may copy to a static host, so it is looked at like a customs officer would: an
answer other than 200, a cookie, a form token, a name of one request or another host's file is a problem, and with a
problem nothing is written (``content.export_folder``).
"""

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, get_resolver, reverse
from django.utils import translation

from content.library import languages
from content.site import public_pages
from content.urls import page_patterns

ErrorPage = Callable[[int, str], str]

# What a static edge may have to say by itself: nothing there, too large, too many, our fault, the application is away.
ERROR_STATUSES = (404, 413, 429, 500, 503)
PAGES_FRESH = "public, max-age=60, stale-while-revalidate=600"
ASSETS_FRESH = "public, max-age=31536000, immutable"
HTML = "text/html; charset=utf-8"
ASSETS = "static/"
ANY_PAGE = "/robots.txt"  # the cheapest answer that carries the headers of all

# These belong to one answer; the others are our rules for every page.
HEADERS_OF_ONE_ANSWER = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-type",
        "etag",
        "expires",
        "last-modified",
        "location",
        "retry-after",
        "vary",
        "x-request-id",
    }
)
REDIRECTS = (301, 302, 307, 308)
IN_SITEMAP = re.compile(r"<loc>\s*([^<\s]*)\s*</loc>|<xhtml:link\b[^>]*\bhref=\"([^\"]*)\"")
ELSEWHERE_IN_CSS = re.compile(r"(?:url\(\s*|@import\s+)['\"]?(?:[a-z]+:)?//[^)'\"]*", re.IGNORECASE)

# Attributes by which a browser fetches something on its own, by tag. `link` is judged by its `rel`.
LOADS = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
NAMES_THE_PAGE = {"alternate", "canonical"}


class ExportFailed(Exception):
    """The site cannot be exported as it is. ``problems`` are sentences, each with the address it is about."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(slots=True)
class Exported:
    """The public site: ``files`` by their name in the folder, and what a static host has to be told besides.

    ``types`` are the media types of files whose name alone does not tell, ``redirects`` paths to target and status,
    ``headers`` those of every answer.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, tuple[str, int]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def export(*, error_page: ErrorPage) -> Exported:
    """Return the whole public site. ``error_page`` gives the HTML of a status in a language.

    Raises ExportFailed with everything that is wrong.
    """
    found, problems, asked = Exported(), [], set()
    waiting = list(_addresses())
    while waiting:  # a sitemap names the next one, and that one pages
        for path in waiting:
            problems += _take(found, path)
        asked |= set(waiting)
        waiting = [path for path in _listed_in_sitemaps(found) if path not in asked]
    for code in languages():
        for status in ERROR_STATUSES:
            found.files[error_name(status, code)] = error_page(status, code).encode()
    for name, place in _assets().items():
        found.files[name] = place.read_bytes()
    found.headers = common_headers(response_to(ANY_PAGE).items())
    problems += _problems_of(found)
    if problems:
        raise ExportFailed(problems)
    found.files["_headers"] = _headers_file(found).encode()
    found.files["_redirects"] = _redirects_file(found).encode()
    return found


def file_name(path: str) -> str:
    """Return the name in the folder of an address: ``/blog/`` is ``blog/index.html``."""
    name = path.lstrip("/")
    return f"{name}index.html" if not name or name.endswith("/") else name


def address_of(name: str) -> str | None:
    """Return the address at which a file of the folder is served; None for what only the host itself reads."""
    folder, _slash, last = name.rpartition("/")
    if last == "index.html":
        return f"/{folder}/" if folder else "/"
    if name in ("_headers", "_redirects", "CHECKSUMS") or last.endswith((".gz", ".br", ".html")):
        return None
    return f"/{name}"


def error_name(status: int, language: str) -> str:
    """Return the name of an error page: at the root for the site's first language, as static hosts look for it."""
    return f"{status}.html" if language == languages()[0] else f"{language}/{status}.html"


def freshness(address: str) -> str:
    """Return how long an answer may be kept: for ever where the name changes with the bytes."""
    return ASSETS_FRESH if address.startswith(f"/{ASSETS}") else PAGES_FRESH


def common_headers(answer: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return, of the headers of one answer, those that the application gives to every one."""
    found = {name: value for name, value in sorted(answer) if name.lower() not in HEADERS_OF_ONE_ANSWER}
    for name in found:
        if name.lower() == "content-security-policy":
            # django-csp orders the directives anew in each process; the same rules shall be the same bytes.
            found[name] = "; ".join(sorted(found[name].split("; ")))
    return found


def response_to(path: str) -> HttpResponseBase:
    """Return what the application answers to a visitor who asks for ``path`` at ``SITE_URL``; no socket is involved."""
    site = urlsplit(settings.SITE_URL)
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "SERVER_NAME": site.hostname,
        "SERVER_PORT": str(site.port or (443 if site.scheme == "https" else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": site.netloc,
        "HTTP_X_FORWARDED_PROTO": site.scheme,
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": site.scheme,
        "wsgi.input": io.BytesIO(),
    }
    with translation.override(settings.LANGUAGE_CODE):
        return _handler().get_response(WSGIRequest(environ))


@cache
def _handler() -> BaseHandler:
    handler = BaseHandler()
    handler.load_middleware()
    return handler


def _addresses() -> Iterator[str]:
    """Yield every public address: pages, what has no parameters beside them, and the files at the root."""
    known = {page.path for page in public_pages()}
    yield from sorted(known)
    for code in languages():
        with translation.override(code):
            for page in page_patterns:
                if not page.pattern.converters and (path := reverse(f"content:{page.name}")) not in known:
                    yield path
    for pattern in get_resolver().url_patterns:
        if isinstance(pattern, URLPattern) and not pattern.pattern.converters and "." in str(pattern.pattern):
            yield f"/{pattern.pattern}"


def _listed_in_sitemaps(found: Exported) -> list[str]:
    """Return the paths that sitemaps list; whole addresses where they are not on ``SITE_URL``."""
    listed = [
        unescape(first or second)
        for name, content in found.files.items()
        if name.startswith("sitemap") and name.endswith(".xml")
        for first, second in IN_SITEMAP.findall(content.decode())
    ]
    return list(dict.fromkeys(_path_here(address) or address for address in listed))


def _take(found: Exported, path: str) -> list[str]:
    """Ask for ``path`` and keep the answer. Returns what is wrong with it."""
    if not path.startswith("/"):
        return [f"{path}: a sitemap lists an address that is not on {settings.SITE_URL}."]
    response = response_to(path)
    problems = []
    if response.cookies:
        problems.append(f"{path}: sets a cookie ({', '.join(response.cookies)}).")
    if response.status_code in REDIRECTS:
        target = _path_here(response["Location"])
        if target is None:
            problems.append(f"{path}: redirects to another host.")
        else:
            found.redirects[path] = (target, response.status_code)
        return problems
    if response.status_code != 200:
        return [*problems, f"{path}: answers {response.status_code}, not 200."]
    content = _content(response)
    request_id = response.get("X-Request-Id", "")
    if request_id and request_id.encode() in content:
        problems.append(f"{path}: carries the name of one request.")
    name = file_name(path)
    found.files[name] = content
    if not name.endswith(".html"):
        found.types[name] = response["Content-Type"]
    return problems


def _content(response: HttpResponseBase) -> bytes:
    if response.streaming:
        return b"".join(response)
    return response.content  # type: ignore[attr-defined]  # every other one has its content


def _assets() -> dict[str, Path]:
    """Return the static files under their names with a digest, but for the admin's, which no public page uses."""
    root = Path(settings.STATIC_ROOT)
    try:
        manifest = json.loads((root / "staticfiles.json").read_bytes())
    except FileNotFoundError as error:
        raise ExportFailed(["Static files have not been collected: run manage.py collectstatic."]) from error
    hashed = sorted(value for name, value in manifest["paths"].items() if not name.startswith("admin/"))
    return {f"{ASSETS}{name}": root / name for name in hashed}


# --- What must not be in it ---------------------------------------------------------------------


class _Page(HTMLParser):
    """What a page makes a browser fetch and send, and how it names itself."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.sends: list[str] = []
        self.names: list[str] = []
        self.token = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        rel = set(values.get("rel", "").split())
        if tag == "link" and rel & NAMES_THE_PAGE:
            self.names.append(values.get("href", ""))
        elif tag == "link":
            self.loads.append(values.get("href", ""))
        elif tag == "meta" and values.get("property", "").startswith(("og:url", "og:image")):
            content = values.get("content", "")
            self.names += [content] if "://" in content else []
        for name in LOADS.get(tag, ()):
            if name in values:
                several = values[name].split(",") if name == "srcset" else [values[name]]
                self.loads += [one.split()[0] for one in several if one.split()]
        self.sends += [values[name] for name in ("action", "formaction") if name in values]
        self.token = self.token or values.get("name") == "csrfmiddlewaretoken"


def _problems_of(found: Exported) -> list[str]:
    problems: list[str] = []
    for name, content in found.files.items():
        if name.endswith(".html"):
            problems += _problems_of_page(name, content.decode(), found)
        elif name.endswith(".css"):
            problems += [f"{name}: loads {foreign}." for foreign in ELSEWHERE_IN_CSS.findall(content.decode())]
    for path, (target, _status) in found.redirects.items():
        if file_name(target) not in found.files:
            problems.append(f"{path}: redirects to {target}, which is not in the export.")
    return problems


def _problems_of_page(name: str, html: str, found: Exported) -> Iterator[str]:
    page = _Page()
    page.feed(html)
    page.close()
    if page.token:
        yield f"{name}: holds a form token."
    for address in page.loads:
        path = _path_here(address)
        if path is None:
            yield f"{name}: loads {address} from another host."
        elif path and file_name(path) not in found.files and path not in found.redirects:
            yield f"{name}: loads {address}, which is not in the export."
    for address in page.names:
        path = _path_here(address) if address.startswith(settings.SITE_URL) else None
        if path is None:
            yield f"{name}: calls itself {address}, which is not on {settings.SITE_URL}."
        elif file_name(path) not in found.files:
            yield f"{name}: names {address}, which is not in the export."
    for address in page.sends:
        if _path_here(address) is None and not address.startswith(f"{settings.CHAT_URL}/"):
            yield f"{name}: sends a form to {address}."


def _path_here(address: str) -> str | None:
    """Return the path of an address on our own site, "" for a place in the same page; None elsewhere."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        if f"{parts.scheme}://{parts.netloc}" != settings.SITE_URL:
            return None
        return parts.path or "/"
    return parts.path


# --- What a static host reads -------------------------------------------------------------------


def _headers_file(found: Exported) -> str:
    """Return the rules in the syntax that static hosts share: a pattern, then its headers, indented.

    Where two rules match, hosts join a header that both name, so no address has two rules with ``Cache-Control``.
    """
    rules = {"/*": dict(found.headers)}
    for name in sorted(found.files):
        if (address := address_of(name)) is not None:
            first, slash, _rest = address[1:].partition("/")
            pattern = f"/{first}/*" if slash else address
            rules.setdefault(pattern, {})["Cache-Control"] = freshness(address)
    for name, media_type in sorted(found.types.items()):
        rules.setdefault(f"/{name}", {})["Content-Type"] = media_type
    lines = []
    for pattern, headers in rules.items():
        lines += [pattern, *(f"  {name}: {value}" for name, value in headers.items()), ""]
    return "\n".join(lines)


def _redirects_file(found: Exported) -> str:
    return "".join(f"{path} {target} {status}\n" for path, (target, status) in sorted(found.redirects.items()))
