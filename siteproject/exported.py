"""The exported site, served by the application itself: one route in front of Django, where ``SITE_EXPORT_DIR`` is set.

It answers what is the same for everyone and only that: GET and HEAD, the exact host of ``SITE_URL``, no cookie, no
query, a file that ``manage.py export_site`` wrote. Everything else goes on to Django, which has the same pages.
Names come from CHECKSUMS, read once and again when the folder is swapped, so no path is ever made from a request.
"""

import asyncio
import logging
import mimetypes
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from content.export import ANY_PAGE, HTML, address_of, common_headers, freshness
from content.export_folder import read_checksums
from siteproject.body import App, Receive, Scope, Send

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 1.0
# Small files are kept in memory once somebody asked for them, up to this much in all; larger ones are read each time.
MOST_KEPT_BYTES = 16 * 1024 * 1024
LARGEST_KEPT_BYTES = 256 * 1024
# The shorter first: where a browser takes both, it gets Brotli.
ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
TYPES = {
    ".avif": "image/avif",
    ".html": HTML,
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".xml": "application/xml; charset=utf-8",
}
Header = tuple[bytes, bytes]


@dataclass(slots=True)
class Form:
    """One file as it lies in the folder. ``content`` is there once it was asked for and is small enough to keep."""

    path: Path
    size: int
    etag: bytes
    headers: list[Header]
    unchanged: list[Header]
    content: bytes | None = None


@dataclass(slots=True)
class Folder:
    """An export as it was read: the forms of each address by their content encoding, "" for the plain one."""

    real: str
    forms: Mapping[str, Mapping[str, Form]]
    kept_bytes: int = 0


@dataclass(slots=True)
class Exports:
    """Keeps the newest export at hand. Reads it in a thread; until then, and without an export, there is none."""

    app: App
    folder: Folder | None = None
    looked_at: float = field(default=-LOOK_AGAIN_S)
    loading: asyncio.Task[None] | None = None
    said: str = ""

    def current(self) -> Folder | None:
        """Return what is at hand, and begin to read another folder when the link has moved."""
        now = time.monotonic()
        if now - self.looked_at >= LOOK_AGAIN_S:
            self.looked_at = now
            real = os.path.realpath(settings.SITE_EXPORT_DIR)
            moved = self.folder is None or self.folder.real != real
            if moved and (self.loading is None or self.loading.done()):
                self.loading = asyncio.create_task(self._load(real))
        return self.folder

    async def _load(self, real: str) -> None:
        try:
            common = await headers_of(self.app)
            self.folder = await asyncio.to_thread(read_folder, real, common)
            self.said = ""
        except Exception as error:
            # Django has every page, so a folder that cannot be read slows the site down and breaks nothing. It is
            # tried again every second under traffic, and said again when the folder or the fault is another.
            problem = f"{real}: {type(error).__name__}: {error}"
            if problem != self.said:
                logger.exception("the exported site could not be read")
            self.said = problem


def serve_exported(app: App) -> App:
    """Return ``app`` behind the exported site; without ``SITE_EXPORT_DIR`` it is ``app`` itself."""
    if not settings.SITE_EXPORT_DIR:
        return app
    exports = Exports(app)
    host = urlsplit(settings.SITE_URL).netloc.lower().encode()

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["query_string"] and scope["method"] in ("GET", "HEAD"):
            folder = exports.current()
            forms = folder.forms.get(scope["path"]) if folder else None
            if folder and forms:
                headers = dict(scope["headers"])
                if _for_everyone(scope, headers, host):
                    form = _chosen(forms, headers.get(b"accept-encoding", b""))
                    if _has_it(headers.get(b"if-none-match", b""), form.etag):
                        return await _send_unchanged(form, send)
                    with suppress(OSError):  # an older export that is being removed: Django has the page
                        content = _content(folder, form)
                        return await _send(form, content if scope["method"] == "GET" else b"", send)
        return await app(scope, receive, send)

    return served


async def headers_of(app: App) -> list[Header]:
    """Return the headers that ``app`` gives to every answer: asked of itself, so the two can never differ."""
    site = urlsplit(settings.SITE_URL)
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": site.scheme,
        "path": ANY_PAGE,
        "raw_path": ANY_PAGE.encode(),
        "query_string": b"",
        "headers": [(b"host", site.netloc.encode()), (b"x-forwarded-proto", site.scheme.encode())],
        "client": ("127.0.0.1", 0),
        "server": (site.hostname, site.port),
    }
    requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    requests.put_nowait({"type": "http.request", "body": b"", "more_body": False})
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, requests.get, send)
    answer = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent[0]["headers"]]
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in common_headers(answer).items()]


def read_folder(real: str, common: list[Header]) -> Folder:
    """Return an export, served with the headers ``common`` besides its own. Raises OSError when it is not whole."""
    root = Path(real)
    checksums = read_checksums(root)
    types = _types(root)
    forms: dict[str, dict[str, Form]] = {}
    for name in checksums:
        address = address_of(name)
        if address is None:
            continue
        for encoding, suffix in (("", ""), *ENCODINGS):
            if (digest := checksums.get(f"{name}{suffix}")) is not None:
                form = _form(root / f"{name}{suffix}", digest, encoding, _type(name, types), freshness(address), common)
                forms.setdefault(address, {})[encoding] = form
    return Folder(real, forms)


def _form(path: Path, digest: str, encoding: str, media_type: str, fresh: str, common: list[Header]) -> Form:
    etag = f'"{digest[:32]}"'.encode()
    size = path.stat().st_size
    unchanged = [(b"etag", etag), (b"cache-control", fresh.encode()), (b"vary", b"Accept-Encoding")]
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(size).encode()),
        *([(b"content-encoding", encoding.encode())] if encoding else []),
        *unchanged,
        *common,
    ]
    return Form(path, size, etag, headers, unchanged)


def _types(root: Path) -> dict[str, str]:
    """Return the media types that the application gave to files of its own making, from ``_headers``."""
    found, pattern = {}, ""
    for line in (root / "_headers").read_text(encoding="utf-8").splitlines():
        if line.startswith("/"):
            pattern = line
        elif line.startswith("  Content-Type: "):
            found[pattern] = line.removeprefix("  Content-Type: ")
    return found


def _type(name: str, types: Mapping[str, str]) -> str:
    suffix = Path(name).suffix
    known = types.get(f"/{name}") or TYPES.get(suffix)
    return known or mimetypes.types_map.get(suffix, "application/octet-stream")


def _for_everyone(scope: Scope, headers: Mapping[bytes, bytes], host: bytes) -> bool:
    """Whether the answer does not depend on who asks and how: no cookie, no body, our host, our scheme."""
    if b"cookie" in headers or b"content-length" in headers or b"transfer-encoding" in headers:
        return False
    if headers.get(b"host", b"").lower() != host:
        return False
    return not settings.HTTPS or _scheme(scope, headers) == "https"


def _scheme(scope: Scope, headers: Mapping[bytes, bytes]) -> str:
    """Return the scheme the visitor used, by the rule of Django's SECURE_PROXY_SSL_HEADER."""
    if settings.TRUSTED_PROXY_COUNT and b"x-forwarded-proto" in headers:
        return headers[b"x-forwarded-proto"].decode("latin-1").split(",")[0].strip()
    return str(scope["scheme"])


def _content(folder: Folder, form: Form) -> bytes:
    """Return the bytes of a file, kept once they were asked for. They are read here: for a file that the kernel
    has in memory, as it has these, that takes less time than handing the work to a thread and back.

    Raises OSError when the file is gone or has another length.
    """
    if form.content is not None:
        return form.content
    content = form.path.read_bytes()
    if len(content) != form.size:
        raise OSError(f"{form.path.name} has changed")
    if form.size <= LARGEST_KEPT_BYTES and folder.kept_bytes + form.size <= MOST_KEPT_BYTES:
        folder.kept_bytes += form.size
        form.content = content
    return content


async def _send(form: Form, content: bytes, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": form.headers})
    await send({"type": "http.response.body", "body": content})


async def _send_unchanged(form: Form, send: Send) -> None:
    await send({"type": "http.response.start", "status": 304, "headers": form.unchanged})
    await send({"type": "http.response.body", "body": b""})


def _chosen(forms: Mapping[str, Form], accepted: bytes) -> Form:
    for encoding in _encodings(accepted):
        if encoding in forms:
            return forms[encoding]
    return forms[""]


@lru_cache(maxsize=256)
def _encodings(accepted: bytes) -> tuple[str, ...]:
    """Return those of our encodings that an Accept-Encoding takes, ours first; ``;q=0`` is a refusal."""
    taken = set()
    for part in accepted.decode("latin-1").lower().split(","):
        name, _semicolon, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            taken.add(name.strip())
    return tuple(encoding for encoding, _suffix in ENCODINGS if encoding in taken)


def _has_it(header: bytes, etag: bytes) -> bool:
    """Whether If-None-Match names this form; a proxy may have made the tag weak (RFC 9110, 13.1.2)."""
    if not header:
        return False
    return header.strip() == b"*" or etag in {tag.strip().removeprefix(b"W/") for tag in header.split(b",")}
