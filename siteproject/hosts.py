"""Hosts apart: which host answers what, where ``SITE_URL``, ``CHAT_URL`` and ``API_URL`` are not one.

| host | answers | reads cookies |
|---|---|---|
| ``SITE_URL`` | public pages | no |
| ``CHAT_URL`` | chat, accounts, admin, sockets, ``/api/`` | from its own pages |
| ``API_URL`` | ``/v1/`` | no |

Each answers ``/health``. What a browser asks at the wrong one of its two hosts is sent to the right one; the API's
host knows nothing else. A host is known by its name: another port, a final dot or capitals do not make it a fourth
one to which nothing here applies. Where all are one host, only the last of it stays: a page of another origin, which
may ask (``ALLOWED_ORIGINS``), asks as a visitor, also where a browser brings the cookies of a neighbour.
"""

import json
import re
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils import translation

from siteproject.body import App, Receive, Scope, Send

API = re.compile(r"^/v1(/|$)")
APPLICATION = re.compile(r"^/(api|ws|accounts|account|admin|live)(/|$)")
ASSETS = re.compile(r"^/(static/|favicon\.ico$)")
DEFAULT_PORTS = {"http": "80", "https": "443"}
WRITTEN = re.compile(r"(?P<name>.*?)\.?(?::(?P<port>[0-9]*))?", re.DOTALL)
# settings.ALLOWED_HOSTS lets the one in where the other is ours.
ALSO = {"127.0.0.1": "localhost"}
REFUSED_SOCKET = 4404


@dataclass(frozen=True, slots=True)
class Hosts:
    """The three hosts with their ports, and the paths of the chat's page, which site and chat both show."""

    site: str
    chat: str
    api: str
    chat_pages: frozenset[str]

    def of(self, path: str) -> set[str]:
        """Return the hosts that answer ``path``."""
        if path == "/health":
            return {self.site, self.chat, self.api}
        if API.match(path):
            return {self.api}
        if APPLICATION.match(path):
            return {self.chat}
        if ASSETS.match(path) or path in self.chat_pages:
            return {self.site, self.chat}
        return {self.site}

    def meant_by(self, host: str) -> str:
        """Return which of the three ``host`` is, "" for none.

        With a port that is nobody's, the name decides; where hosts share a name, the one that gives away least.
        """
        ours = (self.site, self.api, self.chat)
        if host in ours:
            return host
        names = (_name(host), ALSO.get(_name(host)))
        return next((known for known in ours if _name(known) in names), "")


def keep_hosts_apart(app: App) -> App:
    """Return ``app`` with each host keeping to its own."""
    hosts = Hosts(_host(settings.SITE_URL), _host(settings.CHAT_URL), _host(settings.API_URL), _chat_pages())
    everyone = {hosts.site, hosts.chat, hosts.api}
    scheme = urlsplit(settings.SITE_URL).scheme

    async def apart(scope: Scope, receive: Receive, send: Send) -> None:
        host, right = _spelled(_header(scope, b"host"), scheme), hosts.of(scope["path"])
        meant = hosts.meant_by(host)
        if meant in everyone - right:
            if meant not in (hosts.site, hosts.chat) or API.match(scope["path"]) or scope["type"] == "websocket":
                await _refuse(scope, send)
            else:
                await _send_on(scope, send, settings.CHAT_URL if hosts.chat in right else settings.SITE_URL)
            return
        if meant in everyone - {hosts.chat} or _from_elsewhere(scope, host):
            scope = _without_cookie(scope)
        await app(scope, receive, send)

    return apart


def _host(url: str) -> str:
    """Return the host of an address, "" where it has none that can be read."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return _spelled(parts.netloc, parts.scheme)


def _spelled(host: str, scheme: str) -> str:
    """Return ``name`` or ``name:port`` in one spelling: lower case, no final dot, no port that is the scheme's own."""
    found = WRITTEN.fullmatch(host.lower())
    name, port = (found["name"], (found["port"] or "").lstrip("0")) if found else (host.lower(), "")
    return f"{name}:{port}" if port and port != DEFAULT_PORTS.get(scheme) else name


def _name(host: str) -> str:
    return re.sub(r":[0-9]+$", "", host)


def _chat_pages() -> frozenset[str]:
    paths = []
    for code, _name in settings.LANGUAGES:
        with translation.override(code):
            paths.append(reverse("content:chat"))
    return frozenset(paths)


def _from_elsewhere(scope: Scope, host: str) -> bool:
    """Whether a page of another host asks. Its reader is a visitor, though a browser brings a neighbour's cookies."""
    origin = _header(scope, b"origin")
    return bool(origin) and _host(origin) != host


def _without_cookie(scope: Scope) -> Scope:
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"cookie"]}


def _header(scope: Scope, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")


async def _send_on(scope: Scope, send: Send, base: str) -> None:
    """Name the right host. 307 keeps method and body, and is not remembered when the settings change."""
    query = scope["query_string"]
    location = base.encode() + (scope.get("raw_path") or scope["path"].encode()) + (b"?" + query if query else b"")
    headers = [(b"location", location), (b"cache-control", b"no-store"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 307, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": REFUSED_SOCKET})
        return
    message = "There is nothing at this address on this host."
    error = {"code": "not_found", "message": message, "type": "invalid_request_error", "param": None}
    body = json.dumps({"error": error}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", str(len(body)).encode()),
        (b"x-request-id", str(uuid.uuid4()).encode()),
    ]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})
