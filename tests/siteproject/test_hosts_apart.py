"""Site, chat and API on hosts of their own, by settings alone; and who may ask from another origin."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from django.test import Client, override_settings
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from siteproject.cors import OPEN_TO_PAGES
from siteproject.hosts import keep_hosts_apart
from tests.edge.stage import restart_web
from tests.live import Site, ask, events_of, received, running_site
from tests.scripted import ScriptedServer

VERIFIED = "How much energy does an answer use?"
OURS = "https://pages.example"


# --- Other origins, on one host or more -----------------------------------------------------------


@pytest.fixture
def open_to_pages() -> Iterator[None]:
    with override_settings(ALLOWED_ORIGINS=[OURS]):
        yield


@pytest.mark.parametrize("path", ["/api/me", "/api/facts"])
@pytest.mark.django_db
def test_an_allowed_page_may_read_what_is_public_and_never_with_credentials(
    open_to_pages: None, client: Client, path: str
) -> None:
    answer = client.get(path, headers={"origin": OURS})

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.django_db
def test_a_page_of_somebody_else_may_read_nothing(open_to_pages: None, client: Client) -> None:
    for origin in ("https://other.example", "null", f"{OURS}.other.example", OURS.replace("https", "http")):
        answer = client.get("/api/me", headers={"origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers, origin
        assert "Origin" in answer.headers["Vary"]  # so that no cache hands it to the other


def test_the_question_before_the_question_is_answered_without_reaching_a_view(
    open_to_pages: None, client: Client
) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}

    allowed = client.options("/api/chat", headers={"origin": OURS, **asked})
    refused = client.options("/api/chat", headers={"origin": "https://other.example", **asked})

    assert allowed.status_code == 204 and "content-type" in allowed.headers["Access-Control-Allow-Headers"]
    assert "POST" in allowed.headers["Access-Control-Allow-Methods"]
    assert not [name for name in refused.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("path", ["/", "/admin/", "/accounts/staff/x/", "/account/api/", "/api/chat/x", "/health"])
def test_no_other_address_is_open_to_pages_elsewhere(path: str) -> None:
    assert not OPEN_TO_PAGES.match(path)


# --- Three hosts --------------------------------------------------------------------------------


class Apart:
    """The site on three hosts at one port. Requests go to loopback and say which host they mean."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.port = int(site.env["PORT"])
        self.names = {name: f"{name}.wagmi.localhost:{self.port}" for name in ("site", "chat", "api")}
        self.urls = {name: f"http://{host}" for name, host in self.names.items()}

    def ask(self, host: str, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"host": self.names[host], **options.pop("headers", {})}
        return httpx.request(method, f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=30, **options)

    def get(self, host: str, path: str, **headers: str) -> httpx.Response:
        return self.ask(host, "GET", path, headers=headers)

    def socket(self, host: str, *, origin: str) -> ClientConnection:
        address = f"ws://{self.names[host]}/ws/chat/"
        plain = socket.create_connection(("127.0.0.1", self.port))
        return connect(address, sock=plain, origin=origin)  # type: ignore[arg-type]

    def sign_in(self) -> dict[str, str]:
        """Return the cookies of somebody who followed a link of make_staff."""
        link = self.site.manage("make_staff", "dana@example.org").strip()
        assert link.startswith(f"{self.urls['chat']}/accounts/staff/")
        path = link.removeprefix(self.urls["chat"])
        page = self.get("chat", path)
        token = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        done = self.ask(
            "chat",
            "POST",
            path,
            data={"csrfmiddlewaretoken": token},
            headers={"origin": self.urls["chat"], "cookie": cookie(dict(page.cookies))},
        )
        assert done.status_code == 302, done.text
        return dict(page.cookies) | dict(done.cookies)


def cookie(values: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in values.items())


@pytest.fixture(scope="module")
def apart() -> Iterator[Apart]:
    with ScriptedServer() as model, running_site(model=False, LLM_CPU_URL=model.url, LLM_CPU_CACHE_MIB="0") as site:
        found = Apart(site)
        urls = {f"{name.upper()}_URL": url for name, url in found.urls.items()}
        restart_web(site, **urls)
        yield found


@pytest.mark.slow
def test_public_pages_stand_on_the_sites_host_and_name_it_alone(apart: Apart) -> None:
    page = apart.get("site", "/fr/")

    assert page.status_code == 200 and not page.cookies
    assert f'rel="canonical" href="{apart.urls["site"]}/fr/"' in page.text
    assert f'data-host="{apart.urls["chat"]}"' in page.text
    policy = page.headers["content-security-policy"]
    assert apart.urls["chat"] in policy and apart.urls["chat"].replace("http", "ws") in policy
    elsewhere = apart.get("chat", "/blog/")
    assert (elsewhere.status_code, elsewhere.headers["location"]) == (307, f"{apart.urls['site']}/blog/")


@pytest.mark.slow
def test_the_chats_page_on_its_own_host_names_the_sites_address(apart: Apart) -> None:
    page = apart.get("chat", "/chat/")

    assert page.status_code == 200
    assert f'rel="canonical" href="{apart.urls["site"]}/chat/"' in page.text


@pytest.mark.slow
def test_what_belongs_to_the_chats_host_is_found_there(apart: Apart) -> None:
    for path in ("/live/fr/chat/?q=1", "/admin/", "/accounts/staff/x/", "/api/status"):
        answer = apart.get("site", path)
        assert (answer.status_code, answer.headers["location"]) == (307, f"{apart.urls['chat']}{path}")
    assert apart.get("chat", "/api/status").status_code == 200
    assert apart.get("chat", "/live/fr/chat/").status_code == 200


@pytest.mark.slow
def test_the_apis_host_knows_v1_and_health_and_nothing_else(apart: Apart) -> None:
    for path in ("/", "/chat/", "/api/status", "/admin/", "/static/css/base.css", "/robots.txt"):
        answer = apart.get("api", path)
        assert answer.status_code == 404 and answer.json()["error"]["code"] == "not_found", path
        assert "set-cookie" not in answer.headers
    for host in ("site", "chat", "api"):
        assert apart.get(host, "/health").json() == {"status": "ok"}
    for host in ("site", "chat"):
        assert apart.get(host, "/v1/models").status_code == 404


@pytest.mark.slow
def test_a_session_is_the_chats_hosts_alone(apart: Apart) -> None:
    cookies = apart.sign_in()

    mine = apart.get("chat", "/api/me", cookie=cookie(cookies))
    assert mine.json()["signed_in"] is True
    assert "domain" not in mine.headers.get("set-cookie", "").lower()
    # The same person, seen from a page of the site, is a visitor: also when a browser brings the cookie along.
    seen = apart.get("chat", "/api/me", cookie=cookie(cookies), origin=apart.urls["site"])
    assert seen.json()["signed_in"] is False
    assert seen.headers["access-control-allow-origin"] == apart.urls["site"]
    page = apart.get("site", "/", cookie=cookie(cookies))
    assert page.status_code == 200 and "set-cookie" not in page.headers
    assert apart.get("chat", "/accounts/factors/", cookie=cookie(cookies)).status_code == 200


@pytest.mark.slow
def test_the_assistant_on_the_sites_home_asks_the_chats_host(apart: Apart) -> None:
    headers = {"origin": apart.urls["site"], "sec-fetch-site": "same-site"}

    answer = apart.ask("chat", "POST", "/api/chat", json=ask(VERIFIED), headers=headers)
    assert answer.headers["access-control-allow-origin"] == apart.urls["site"]
    assert events_of(answer.text)[-1]["type"] == "done"
    stranger = apart.ask("chat", "POST", "/api/chat", json=ask(VERIFIED), headers={"origin": "http://other.localhost"})
    assert stranger.status_code == 403 and "access-control-allow-origin" not in stranger.headers


@pytest.mark.slow
def test_sockets_open_on_the_chats_host_for_our_pages_only(apart: Apart) -> None:
    for origin in (apart.urls["site"], apart.urls["chat"]):
        with apart.socket("chat", origin=origin) as connection:
            connection.send(msgspec.json.encode({"type": "ask", **ask(VERIFIED)}).decode())
            assert received(connection)[-1]["type"] == "done"
    for host, origin in (("chat", "http://other.localhost"), ("site", apart.urls["site"]), ("api", apart.urls["api"])):
        with pytest.raises(InvalidStatus):
            apart.socket(host, origin=origin)


def test_on_one_host_an_allowed_partner_asks_as_a_visitor() -> None:
    seen: list[list[tuple[bytes, bytes]]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append(scope["headers"])

    async def both() -> None:
        for origin in (b"http://testserver", b"https://partner.example"):
            headers = [(b"host", b"testserver"), (b"origin", origin), (b"cookie", b"session=x")]
            await keep_hosts_apart(app)({"type": "http", "path": "/api/chat", "headers": headers}, None, None)

    asyncio.run(both())

    assert [any(name == b"cookie" for name, _value in headers) for headers in seen] == [True, False]


# --- One host, however it is spelled ------------------------------------------------------------

EXAMPLE = {f"{name.upper()}_URL": f"https://{name}.example.org" for name in ("site", "chat", "api")}
ANOTHER_PORT = {name: f"{url}:8443" for name, url in EXAMPLE.items()}
PORT_WRITTEN_OUT = {name: f"{url}:443" for name, url in EXAMPLE.items()}
ONE_NAME = {name: f"https://example.org:{port}" for name, port in zip(EXAMPLE, (8441, 8442, 8443), strict=True)}
SERVED = 200


def status(urls: dict[str, str], host: str, path: str, kind: str = "http") -> int:
    """Return what is answered at ``path`` of ``host``; 200 stands for the application behind."""
    sent: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"status": SERVED})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": kind, "path": path, "query_string": b"", "headers": [(b"host", host.encode("latin-1"))]}
    with override_settings(**urls):
        asyncio.run(keep_hosts_apart(app)(scope, None, send))  # type: ignore[arg-type]
    return sent[0].get("status") or sent[0]["code"]


@pytest.mark.parametrize("urls", [EXAMPLE, ANOTHER_PORT, PORT_WRITTEN_OUT], ids=["plain", "port", "port-443"])
@pytest.mark.parametrize("spelling", ["{}", "{}:1", "{}.", "{}.:1", "{}:443", "{}.:443", "{}:0443", "{}:8443", "{}:"])
def test_a_host_stays_itself_however_it_is_spelled(urls: dict[str, str], spelling: str) -> None:
    for name in ("site.example.org", "SITE.Example.org"):
        host = spelling.format(name)
        assert [status(urls, host, path) for path in ("/blog/", "/admin/", "/api/facts")] == [SERVED, 307, 307], host
        assert status(urls, host, "/ws/chat/", "websocket") == 4404
    for name in ("api.example.org", "API.example.ORG"):
        host = spelling.format(name)
        for path in ("/admin/", "/api/facts", "/blog/", "/live/en/chat/"):
            assert status(urls, host, path) == 404, (host, path)
        assert status(urls, host, "/v1/models") == status(urls, host, "/health") == SERVED


def test_where_hosts_share_a_name_an_unknown_port_is_not_the_one_that_holds_sessions() -> None:
    assert status(ONE_NAME, "example.org:8442", "/admin/") == SERVED
    for host in ("example.org", "example.org:1", "example.org."):
        assert status(ONE_NAME, host, "/admin/") == 307


def test_this_machine_by_its_number_is_this_machine_by_its_name() -> None:
    urls = {"SITE_URL": "http://localhost:8000", "CHAT_URL": "http://chat.localhost:8000"}
    urls["API_URL"] = urls["CHAT_URL"]

    assert [status(urls, "127.0.0.1:8000", path) for path in ("/blog/", "/admin/")] == [SERVED, 307]
    urls["SITE_URL"] = "http://127.0.0.1:8000"
    assert [status(urls, "127.0.0.1:1", path) for path in ("/blog/", "/admin/")] == [SERVED, 307]


def test_a_host_with_its_own_port_written_out_asks_as_itself() -> None:
    seen: list[list[tuple[bytes, bytes]]] = []

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append(scope["headers"])

    async def both() -> None:
        for origin in (b"https://chat.example.org", b"https://chat.example.org:1", b"https://["):
            headers = [(b"host", b"chat.example.org:443"), (b"origin", origin), (b"cookie", b"session=x")]
            await keep_hosts_apart(app)({"type": "http", "path": "/api/chat", "headers": headers}, None, None)  # type: ignore[arg-type]

    with override_settings(**EXAMPLE):
        asyncio.run(both())

    assert [any(name == b"cookie" for name, _value in headers) for headers in seen] == [True, False, False]


@pytest.mark.slow
@pytest.mark.parametrize("spelling", ["{}", "{}:1", "{}.", "{}.:1"])
def test_the_running_site_is_not_fooled_by_a_spelling(apart: Apart, spelling: str) -> None:
    site, api = ({"host": spelling.format(f"{name}.wagmi.localhost")} for name in ("site", "api"))

    for path in ("/admin/", "/api/facts", "/blog/", "/live/en/chat/"):
        assert apart.ask("api", "GET", path, headers=api).status_code == 404, path
    assert apart.ask("site", "GET", "/api/facts", headers=site).status_code == 307
    assert apart.ask("api", "GET", "/health", headers=api).status_code == 200
